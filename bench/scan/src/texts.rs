//! Texts to scan, made from word lists with a fixed generator.

/// A small generator: the same texts on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }

    fn pick<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words.get(self.next(words.len())).copied().unwrap_or_default()
    }
}

/// Every text by name.
pub(crate) fn all(bytes: usize) -> Vec<(&'static str, String)> {
    vec![
        ("chat", chat(bytes)),
        ("code", code(bytes)),
        ("digits", digits(bytes)),
        ("chinese", chinese(bytes)),
        ("quiet", "zzzz kkkk ".repeat(bytes / 10)),
        ("personal", personal(bytes)),
        ("adversarial: spaced digits", "1 ".repeat(bytes / 2)),
        ("adversarial: assignments", "password=".repeat(bytes / 9)),
        ("adversarial: addresses", "a@b.co/".repeat(bytes / 7)),
        ("adversarial: one long word", "Ab1+".repeat(bytes / 4)),
        ("adversarial: escapes", "&#52;%41".repeat(bytes / 8)),
        ("adversarial: overlapping addresses", "a@b.co".repeat(bytes / 6)),
        ("adversarial: beginnings of web tokens", "eyJ-".repeat(bytes / 4)),
        ("adversarial: beginnings of keys", "ops_eyJ-vc-".repeat(bytes / 11)),
        ("adversarial: marks of client secrets", "Q~".repeat(bytes / 2)),
        ("adversarial: ends of phrases", "instructions:rules=".repeat(bytes / 19)),
        ("adversarial: phrases among scripts", "забудьinstructions ".repeat(bytes / 25)),
    ]
}

const WORDS: [&str; 72] = [
    "the",
    "a",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "it",
    "for",
    "on",
    "with",
    "as",
    "you",
    "this",
    "be",
    "are",
    "not",
    "can",
    "have",
    "or",
    "will",
    "more",
    "when",
    "which",
    "there",
    "use",
    "about",
    "would",
    "model",
    "data",
    "system",
    "because",
    "example",
    "different",
    "however",
    "important",
    "result",
    "people",
    "question",
    "answer",
    "first",
    "value",
    "process",
    "between",
    "learning",
    "network",
    "should",
    "many",
    "time",
    "work",
    "function",
    "change",
    "problem",
    "small",
    "large",
    "understand",
    "performance",
    "information",
    "through",
    "another",
    "where",
    "during",
    "language",
    "develop",
    "research",
    "number",
    "water",
    "house",
    "morning",
    "several",
    "history",
];

/// Prose as assistants write it: sentences, lists, now and then a number, a quote, bold text.
pub(crate) fn chat(bytes: usize) -> String {
    let mut random = Random(7);
    let mut text = String::with_capacity(bytes + 64);
    while text.len() < bytes {
        let words = 6 + random.next(14);
        for place in 0..words {
            let word = random.pick(&WORDS);
            match (place, random.next(60)) {
                (0, _) => text.extend(
                    word.chars()
                        .next()
                        .map(|c| c.to_ascii_uppercase())
                        .into_iter()
                        .chain(word.chars().skip(1)),
                ),
                (_, 0) => text.push_str(&format!("{}", 2 + random.next(2000))),
                (_, 1) => text.push_str(&format!("**{word}**")),
                (_, 2) => text.push_str(&format!("\"{word}\",")),
                (_, 3) => text.push_str("don’t"),
                _ => text.push_str(word),
            }
            text.push(' ');
        }
        text.pop();
        text.push_str(random.pick(&[". ", ". ", ". ", "? ", ".\n\n", ":\n\n- "]));
    }
    text
}

/// Names of two words; the first is now and then an ordinary one.
pub(crate) fn names(many: usize) -> Vec<String> {
    const SYLLABLES: [&str; 12] =
        ["ba", "chor", "del", "fin", "gran", "hol", "ki", "lam", "mer", "no", "ster", "vi"];
    let mut random = Random(17);
    let mut word = move |ordinary: usize| match random.next(ordinary) {
        0 => random.pick(&WORDS).to_owned(),
        _ => (0..3 + random.next(2)).map(|_| random.pick(&SYLLABLES)).collect(),
    };
    (0..many).map(|_| format!("{} {}", word(10), word(usize::MAX))).collect()
}

fn code(bytes: usize) -> String {
    let mut random = Random(11);
    let mut text = String::with_capacity(bytes + 128);
    while text.len() < bytes {
        let (a, b, c) = (random.pick(&WORDS), random.pick(&WORDS), random.pick(&WORDS));
        let number = random.next(500);
        match random.next(6) {
            0 => text.push_str(&format!(
                "    let {a}_{b} = self.{c}.iter().map(|x| x + {number}).collect::<Vec<_>>();\n"
            )),
            1 => text.push_str(&format!(
                "def {a}_{b}({c}: int = {number}) -> str:\n    return f\"{{{c}}}: {a}\"\n"
            )),
            2 => text.push_str(&format!(
                "  if ({a} == {b} && {c}[{number}] != null) {{ return {a}::{b}({c}); }}\n"
            )),
            3 => text.push_str(&format!("// {a} {b} {c}: {a} must not exceed {number}\n")),
            4 => text.push_str(&format!(
                "{{\"{a}\": {number}, \"{b}\": [\"{c}\", true], \"{c}\": null}},\n"
            )),
            _ => text.push_str(&format!(
                "<div class=\"{a}-{b}\" id=\"{c}{number}\"><span>{b}</span></div>\n"
            )),
        }
    }
    text
}

/// Tables of numbers: dates, amounts, identifiers, coordinates.
fn digits(bytes: usize) -> String {
    let mut random = Random(13);
    let mut text = String::with_capacity(bytes + 128);
    while text.len() < bytes {
        let (day, month, number) =
            (1 + random.next(28), 1 + random.next(12), random.next(100_000_000));
        let cents = random.next(100);
        text.push_str(&format!(
            "2024-{month:02}-{day:02},{number:08},{}.{cents:02},{} {} {},{:.6},{}\n",
            random.next(100_000),
            random.next(1000),
            random.next(1000),
            random.next(10_000),
            random.next(1_000_000) as f64 / 1e4,
            random.next(2_000_000_000),
        ));
    }
    text
}

fn chinese(bytes: usize) -> String {
    "我们需要了解这个系统的性能，并且说明为什么结果不同。例如：模型在处理长文本时会更慢。"
        .repeat(bytes / 120)
}

/// Chat in which every few sentences name something personal.
fn personal(bytes: usize) -> String {
    let mut text = chat(bytes);
    let mut at = 300;
    while at < text.len() {
        while !text.is_char_boundary(at) {
            at += 1;
        }
        text.insert_str(at, " ann.lee@example.com, 4111 1111 1111 1111, +1 415 555 0133 ");
        at += 500;
    }
    text
}
