//! The tape of JSON that is known to be valid, at a fraction of the cost: strings are passed over, not
//! checked.

use std::hint::black_box;

use wide::bytemuck::cast;
use wide::i8x16;

use super::builder::Builder;
use super::entry::MAX_DEPTH;
use crate::WireError;
use crate::json::{Container, Handler, Literal, StringRole};
use crate::long_strings::LongStrings;

/// Tells `builder` the values of its text. What is not valid after all is an error or read as something
/// else, and nothing worse.
pub(super) fn read(builder: &mut Builder<'_>, long: &LongStrings) -> Result<(), WireError> {
    let json = builder.json;
    let mut ends = long.ends();
    let mut at = 0;
    // Whether the next string is a key.
    let mut role = StringRole::Value;
    while let Some(byte) = json.get(at) {
        let mut next = at + 1;
        match byte {
            b'"' => {
                let end = ends.of(at).or_else(|| string_end(json, next));
                next = end.ok_or(WireError::Truncated { at: json.len() })?;
                builder.string_begin(role, at)?;
                builder.string_end(role, next)?;
            }
            b':' => role = StringRole::Value,
            b',' => role = builder.role(),
            b'{' => {
                open(builder, Container::Object, at)?;
                role = StringRole::Key;
            }
            b'[' => {
                open(builder, Container::Array, at)?;
                role = StringRole::Value;
            }
            b'}' => builder.close(Container::Object, next)?,
            b']' => builder.close(Container::Array, next)?,
            b'-' | b'0'..=b'9' => {
                builder.number(&[], at)?;
                next = builder.end().max(next);
            }
            b't' => next = literal(builder, Literal::True, at)?,
            b'f' => next = literal(builder, Literal::False, at)?,
            b'n' => next = literal(builder, Literal::Null, at)?,
            _ => {}
        }
        at = next;
    }
    if builder.open.is_empty() { Ok(()) } else { Err(WireError::Truncated { at }) }
}

/// Tells the literal at `at`; returns where it ends.
fn literal(builder: &mut Builder<'_>, literal: Literal, at: usize) -> Result<usize, WireError> {
    builder.literal(literal, at)?;
    Ok(builder.end().max(at + 1))
}

fn open(builder: &mut Builder<'_>, container: Container, at: usize) -> Result<(), WireError> {
    if builder.open.len() >= MAX_DEPTH as usize {
        return Err(WireError::TooDeep { at, limit: MAX_DEPTH });
    }
    builder.open(container, at)
}

/// The offset after the quote that ends the string whose text begins at `at`.
fn string_end(json: &[u8], mut at: usize) -> Option<usize> {
    // V8 makes constants anew for every block; what it does not know to be one it keeps.
    let marks = [b'"', b'\\'].map(|byte| black_box(i8x16::splat(byte as i8)));
    let (blocks, rest) = json.get(at..)?.as_chunks::<32>();
    // Whether an escape's second byte is the first of the next block.
    let mut escaped = 0;
    for block in blocks {
        let [low, high] = odd(block, marks);
        if !(low | high).any() {
            escaped = 0;
            at += block.len();
            continue;
        }
        let mut found = (low.to_bitmask() | high.to_bitmask() << 16) >> escaped << escaped;
        escaped = 0;
        while found != 0 {
            let place = found.trailing_zeros();
            if block.get(place as usize) == Some(&b'"') {
                return Some(at + place as usize + 1);
            }
            escaped = u32::from(place == 31);
            found &= !(3 << place);
        }
        at += block.len();
    }
    let mut bytes = rest.iter().enumerate().skip(escaped as usize);
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + place + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

/// Where quotes and backslashes are.
#[inline(always)]
fn odd(block: &[u8; 32], [quote, backslash]: [i8x16; 2]) -> [i8x16; 2] {
    let halves: [i8x16; 2] = cast(*block);
    halves.map(|half| half.simd_eq(quote) | half.simd_eq(backslash))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::content::Tape;
    use crate::path::Operation;
    use crate::request::{RequestScanner, ScanLimits};

    fn told(tape: &Tape) -> String {
        format!("{:?}", tape.entries)
    }

    /// As the scanner notes them; `None` for what it does not take.
    fn long_strings(json: &str) -> Option<LongStrings> {
        let scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
        let mut scanner = scanner.noting_strings();
        scanner.feed(json.as_bytes()).ok()?;
        Some(scanner.finish().ok()?.strings)
    }

    fn agrees(json: &str) {
        let tape = Tape::read(json.as_bytes()).unwrap();
        let none = LongStrings::default();
        assert_eq!(told(&Tape::read_valid(json.as_bytes(), &none).unwrap()), told(&tape), "{json}");
        if let Some(long) = long_strings(json) {
            let passed_over = Tape::read_valid(json.as_bytes(), &long).unwrap();
            assert_eq!(told(&passed_over), told(&tape), "{json}");
        }
    }

    #[test]
    fn valid_json_is_read_as_by_the_reader_that_checks_it() {
        for json in [
            "{}",
            " [ ] ",
            r#"{"a":1,"b":[true,false,null,-0.5e+3],"c":{"d":"e","f":{}},"":""}"#,
            "\t{ \"a\" : [ 1 , 2 ] ,\r\n \"b\" : \"c\" } ",
            r#"[[["a"],"b"],{"c":[{"d":"e"},"f"],"g":"h"}]"#,
            r#"{"\"a\\":"\\","b":"\\\"","c\u0022":"\ud83d\ude00 {[,:]}"}"#,
        ] {
            agrees(json);
        }
        for (before, after) in (0..70).flat_map(|before| (0..40).map(move |after| (before, after)))
        {
            let (before, after) = ("x".repeat(before), "\u{e9}".repeat(after));
            agrees(&format!(r#"{{"{before}\"{after}":"{before}\\","{after}":["{before}"]}}"#));
        }
    }

    #[test]
    fn what_is_not_valid_after_all_does_no_harm() {
        let json = br#"{"a":[1,"b\"c",{"d":null}],"e":-1.5}"#;
        let none = LongStrings::default();
        for at in 0..json.len() {
            let _ = Tape::read_valid(&json[..at], &none);
            for byte in *b"\"\\{}[],:-1tfn \xFF" {
                let mut other = json.to_vec();
                other[at] = byte;
                if let Ok(tape) = Tape::read_valid(&other, &none) {
                    let mut next = Some(tape.root(&other));
                    while let Some(value) = next {
                        let _ = (
                            value.key(),
                            value.text(),
                            value.duplicate(),
                            value.children().count(),
                        );
                        next = value.next();
                    }
                }
            }
        }
        assert!([&b""[..], b"\"a\""].iter().all(|json| Tape::read_valid(json, &none).is_err()));
        assert!(Tape::read_valid("[".repeat(97).as_bytes(), &none).is_err());
    }

    #[test]
    fn long_strings_of_another_text_do_no_harm() {
        let long = r#"{"messages":[{"role":"user","content":"#.to_owned();
        let long = long + &format!("{:?}}}]}}", "x".repeat(1000));
        let noted = long_strings(&long).unwrap();
        for cut in 0..long.len() {
            let other = format!("{}{}", &long[..cut], &long[long.len() - cut..]);
            let _ = Tape::read_valid(other.as_bytes(), &noted);
            let _ = Tape::read_valid(&long.as_bytes()[..cut], &noted);
        }
        // What was noted is believed: that is what saves a second look.
        let shorter = long.replacen('x', "\"", 1);
        let (at, end) = (long.find('x').unwrap() - 1, long.rfind('x').unwrap() + 2);
        let tape = Tape::read_valid(shorter.as_bytes(), &noted).unwrap();
        assert!(tape.entries.iter().any(|entry| entry.span == (at as u32, end as u32)));
    }

    #[test]
    fn the_strings_noted_are_all_the_long_ones_wherever_they_are_and_however_they_came() {
        let text = "x".repeat(62);
        let json = format!(
            r#"{{"{text}":1,"x":[{{"role":"user","content":"{text}"}},"{text}\"",["{text}x"]],"y":"{}"}}"#,
            &text[1..]
        );
        let noted = long_strings(&json).unwrap();
        let places: Vec<usize> = json.match_indices('"').map(|(at, _)| at).collect();
        let mut ends = noted.ends();
        assert_eq!(places.into_iter().filter(|at| ends.of(*at).is_some()).count(), 4);
        for cut in 0..json.len() {
            let scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
            let mut scanner = scanner.noting_strings();
            let (head, tail) = json.as_bytes().split_at(cut);
            scanner.feed(head).unwrap();
            scanner.feed(tail).unwrap();
            assert_eq!(scanner.finish().unwrap().strings, noted, "cut at {cut}");
        }
    }
}
