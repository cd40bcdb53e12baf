//! Dictionaries and patterns against the crates that everybody uses for them: `aho-corasick` and `regex`, which have no part in
//! the module.

use aho_corasick::AhoCorasick;
use proptest::prelude::*;
use regex::Regex;

use crate::custom::dictionary::Dictionary;
use crate::custom::pattern::Pattern;
use crate::rule::RuleIndex;

/// Start and end in the text, and which term or pattern.
type Found = Vec<(usize, usize, usize)>;

fn dictionary(terms: &[String]) -> Dictionary {
    let rule = |place: usize| RuleIndex(u16::try_from(place).unwrap());
    let terms: Vec<_> =
        terms.iter().enumerate().map(|(at, term)| (term.as_str(), rule(at))).collect();
    Dictionary::compile(&terms).unwrap().unwrap()
}

/// Calls `advance` with a text that grows by some letters at a time, and once more when it is complete.
fn in_pieces(text: &str, letters: usize, mut advance: impl FnMut(&[u8], usize, bool) -> usize) {
    let mut ends: Vec<_> = text.char_indices().step_by(letters).map(|(at, _)| at).collect();
    ends.push(text.len());
    let mut at = 0;
    for end in ends {
        at = advance(&text.as_bytes()[..end], at, false);
    }
    advance(text.as_bytes(), at, true);
}

fn sorted(mut found: Found) -> Found {
    found.sort_unstable();
    found
}

/// What `terms` finds in a text that comes in pieces.
fn terms_found(terms: &[String], text: &str, letters: usize) -> Found {
    let (dictionary, mut found) = (dictionary(terms), Vec::new());
    in_pieces(text, letters, |text, at, complete| {
        dictionary.advance(text, at, complete, |span, rule| {
            found.push((span.start, span.end, rule.position()));
        })
    });
    sorted(found)
}

/// Whether a term may begin or end at `at`, as `filters/guardrail/README.md` says it: not inside a word, and anywhere in scripts
/// without spaces, which here are the characters from U+3000 on that have three bytes.
fn is_edge(text: &str, at: usize) -> bool {
    let (left, right) = (text[..at].chars().next_back(), text[at..].chars().next());
    let word = |letter: Option<char>| {
        letter.is_some_and(|letter| {
            letter == '_' || letter.is_ascii_alphanumeric() || !letter.is_ascii()
        })
    };
    let spaceless = |letter: Option<char>| {
        letter.is_some_and(|letter| ('\u{3000}'..'\u{e000}').contains(&letter))
    };
    !(word(left) && word(right)) || spaceless(left) || spaceless(right)
}

/// What an automaton of all terms finds, whole words only. It knows the cases of ASCII alone.
fn by_aho_corasick(terms: &[String], text: &str) -> Found {
    let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(terms).unwrap();
    let all = automaton.find_overlapping_iter(text);
    let all = all.map(|found| (found.start(), found.end(), found.pattern().as_usize()));
    sorted(all.filter(|(start, end, _)| is_edge(text, *start) && is_edge(text, *end)).collect())
}

/// What a regex for each term finds from each letter on, which knows the cases of Unicode.
fn by_regex(terms: &[String], text: &str) -> Found {
    let mut found = Vec::new();
    for (place, term) in terms.iter().enumerate() {
        let term = Regex::new(&format!("^(?i:{})", regex::escape(term))).unwrap();
        for (start, _) in text.char_indices().filter(|(at, _)| is_edge(text, *at)) {
            let end = term.find(&text[start..]).map(|found| start + found.end());
            found.extend(end.filter(|end| is_edge(text, *end)).map(|end| (start, end, place)));
        }
    }
    sorted(found)
}

fn text_of(letters: &'static str, most: usize) -> impl Strategy<Value = String> {
    let letter = prop::sample::select(letters.chars().collect::<Vec<_>>());
    prop::collection::vec(letter, 1..most).prop_map(|letters| letters.into_iter().collect())
}

/// Terms as a policy takes them: no white space at their ends, none empty.
fn terms_of(
    letters: &'static str,
    longest: usize,
    most: usize,
) -> impl Strategy<Value = Vec<String>> {
    let term = text_of(letters, longest).prop_map(|term| term.trim().to_owned());
    let term = term.prop_filter("an empty term", |term| !term.is_empty());
    prop::collection::vec(term, 1..most)
}

/// Letters whose other case is one of ASCII, or which have none.
const ASCII_CASES: &str = "aAbBcC01_ -.+:é秘密д";
/// Letters of which some have several spellings, of other lengths, too.
const UNICODE_CASES: &str = "kKsSaAüÜßẞⱥȺſıIiσςΣдД秘1_ -\u{212a}";

/// What a pattern may be made of. All can be repeated; some match nothing by themselves.
const ATOMS: [&str; 18] = [
    "a", "b", "é", "1", "-", " ", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", r"\b", r"\B", "^", "$",
    "(?i:É)", "[é秘]",
];

fn patterns() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(&ATOMS[..]).prop_map(str::to_owned);
    atom.prop_recursive(4, 12, 4, |inner| {
        let repeat = prop::sample::select(&["*", "+", "?", "{2}", "{1,3}", "*?", "+?", "??"][..]);
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..5).prop_map(|parts| parts.concat()),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|ways| format!("(?:{})", ways.join("|"))),
            2 => (inner, repeat).prop_map(|(part, repeat)| format!("(?:{part}){repeat}")),
        ]
    })
}

fn pattern_found(pattern: &Pattern, text: &str, letters: usize) -> Found {
    let mut found = Vec::new();
    in_pieces(text, letters, |text, at, complete| {
        pattern.advance(text, at, complete, |span| found.push((span.start, span.end, 0)))
    });
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_dictionary_finds_what_an_automaton_of_its_terms_finds(
        terms in terms_of(ASCII_CASES, 7, 120),
        text in text_of(ASCII_CASES, 200),
        letters in 1_usize..40,
    ) {
        prop_assert_eq!(terms_found(&terms, &text, letters), by_aho_corasick(&terms, &text));
    }

    #[test]
    fn a_dictionary_finds_what_a_regex_for_each_of_its_terms_finds(
        terms in terms_of(UNICODE_CASES, 6, 10),
        text in text_of(UNICODE_CASES, 60),
        letters in 1_usize..20,
    ) {
        prop_assert_eq!(terms_found(&terms, &text, letters), by_regex(&terms, &text));
    }

    #[test]
    fn a_pattern_finds_what_the_regex_crate_finds_or_is_refused(
        source in patterns(),
        text in text_of("aabbé1- \nÉ秘", 120),
        letters in 1_usize..20,
    ) {
        let regex = Regex::new(&source).unwrap();
        let pattern = Pattern::compile(RuleIndex(0), &source);
        // The oracle of what is refused: something that matches nothing at some place.
        let empty = regex.find_iter("").chain(regex.find_iter(&text)).any(|found| found.is_empty());
        match pattern {
            Err(reason) => prop_assert!(reason.contains("empty"), "{}", reason),
            Ok(pattern) => {
                prop_assert!(!empty, "{} matches nothing at some place", source);
                let all = regex.find_iter(&text).map(|found| (found.start(), found.end(), 0));
                prop_assert_eq!(pattern_found(&pattern, &text, letters), all.collect::<Found>());
            }
        }
    }
}

#[test]
fn a_dictionary_of_many_terms_finds_what_an_automaton_finds_in_a_long_text() {
    // Every word of three letters that ends with a or b, and some of two words, in a text of all words of four letters.
    let letters = ['a', 'b', 'c', 'D', 'e'];
    let words = |length: u32| {
        (0..letters.len().pow(length)).map(move |number| -> String {
            (0..length)
                .map(|place| letters[number / letters.len().pow(place) % letters.len()])
                .collect()
        })
    };
    let mut terms: Vec<String> = words(3).filter(|word| word.ends_with(['a', 'b'])).collect();
    let two = words(3).zip(words(4)).filter(|(first, _)| first.starts_with('c'));
    terms.extend(two.map(|(first, second)| format!("{first} {second}")));
    let text: String = words(4)
        .chain(words(3))
        .chain(words(3).zip(words(4)).flat_map(|(a, b)| [a, b]))
        .flat_map(|word| [word, " ".to_owned()])
        .collect();
    let found = terms_found(&terms, &text, 1000);
    assert!(found.len() > 100, "{}", found.len());
    assert_eq!(found, by_aho_corasick(&terms, &text));
}

#[test]
fn a_match_that_an_edge_of_a_word_decides_waits_for_what_follows_also_beside_letters_beyond_ascii()
{
    // Found by the test above: without its edges the pattern prefers its shorter way, and seemed to be done.
    let (source, text) = (r".(?:\b|.)\b", "aaaaaaaéa");
    let pattern = Pattern::compile(RuleIndex(0), source).unwrap();
    for letters in 1..10 {
        assert_eq!(pattern_found(&pattern, text, letters), [(7, 10, 0)], "{letters}");
    }
}
