//! The way in which nearly all messages begin.

use super::block::short;

/// The start of an object: `{"role":"…","content":"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MessageOpening<'a> {
    /// The role, in which nothing is escaped.
    pub(super) role: &'a [u8],
    /// Bytes up to and with the quote that opens the content.
    pub(super) len: usize,
}

/// Recognises it at the start of `text`, with the white space of common writers: none, or a blank after
/// each colon and comma.
#[inline(always)]
pub(super) fn message_opening(text: &[u8]) -> Option<MessageOpening<'_>> {
    let rest = blank(after(text, b"{\"role\":")?);
    let rest = rest.split_first().filter(|(byte, _)| **byte == b'"')?.1;
    let role = short(rest)?;
    let rest = rest.get(role.len() + 1..)?;
    let rest = blank(rest.split_first().filter(|(byte, _)| **byte == b',')?.1);
    let rest = blank(after(after(rest, b"\"content")?, b"\":")?);
    let rest = rest.split_first().filter(|(byte, _)| **byte == b'"')?.1;
    Some(MessageOpening { role, len: text.len() - rest.len() })
}

/// What comes after `start`, compared as one number where that has the size of one.
#[inline(always)]
fn after<'a, const N: usize>(text: &'a [u8], start: &[u8; N]) -> Option<&'a [u8]> {
    let (found, rest) = text.split_first_chunk()?;
    (found == start).then_some(rest)
}

#[inline(always)]
fn blank(text: &[u8]) -> &[u8] {
    match text {
        [b' ', rest @ ..] => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn openings_are_recognised_with_the_white_space_of_common_writers_only() {
        const CASES: [(&str, Option<(&str, usize)>); 9] = [
            (r#"{"role":"user","content":"Hello""#, Some(("user", 26))),
            (r#"{"role": "system", "content": "Hello""#, Some(("system", 31))),
            (r#"{"role":"","content":""}"#, Some(("", 22))),
            (r#"{"role":  "user","content":"Hello""#, None),
            (r#"{"role":"user","content":[{"type":"#, None),
            (r#"{"role":"user","contents":"Hello""#, None),
            (r#"{"role":"us\u0065r","content":"Hello""#, None),
            (r#"{"role":"user"},{"role":"user","#, None),
            (r#"{"content":"Hello","role":"user"}"#, None),
        ];
        for (text, expected) in CASES {
            // What is short is read at once, so something must follow.
            let long = format!("{text}{}", " ".repeat(40));
            let found = message_opening(long.as_bytes());
            let found = found.map(|found| (core::str::from_utf8(found.role).unwrap(), found.len));
            assert_eq!(found, expected, "{text}");
            for cut in 0..expected.map_or(0, |(_, len)| len) {
                assert_eq!(message_opening(&long.as_bytes()[..cut]), None, "{text} cut at {cut}");
            }
        }
    }
}
