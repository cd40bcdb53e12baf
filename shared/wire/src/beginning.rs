//! What a body is by how it begins, whatever its headers call it.
//!
//! Servers name a type by habit of their framework (`text/html`, `application/octet-stream`, none), and clients of
//! inference APIs read what they have asked for.

/// Bytes in which it shows what a body is: what stands before the first data of a stream is shorter.
pub const MOST_BYTES: usize = 4096;

/// What a body begins like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Server-sent events with JSON in them.
    Events,
    /// A JSON object or array.
    Document,
    /// Anything else.
    Other,
}

impl Beginning {
    /// Looks at the first bytes of a body, at most [`MOST_BYTES`]; `None` while that does not show what it is.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let full = bytes.len() >= MOST_BYTES;
        let rest = match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => rest,
            None if b"\xEF\xBB\xBF".starts_with(bytes) => return None,
            None => bytes,
        };
        if let [b'{' | b'[', ..] = rest.trim_ascii_start() {
            return Some(Self::Document);
        }
        let mut lines = rest.split(|byte| matches!(byte, b'\n' | b'\r')).peekable();
        while let Some(line) = lines.next() {
            let found = of_line(line, lines.peek().is_some());
            if found.is_some() {
                return found;
            }
        }
        full.then_some(Self::Other)
    }
}

/// What the first line with data says; `None` for one before it, or one that is not complete.
fn of_line(line: &[u8], complete: bool) -> Option<Beginning> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = line.split_at_checked(colon.unwrap_or(line.len())).unwrap_or((line, &[]));
    let names: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b""];
    let known = match colon {
        Some(_) => names.contains(&name),
        None => {
            line.trim_ascii().is_empty() || !complete && names.iter().any(|n| n.starts_with(line))
        }
    };
    let data = value.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (known, name, data) {
        (true, b"data", Some(b'{' | b'[')) => Some(Beginning::Events),
        (false, ..) | (true, b"data", Some(_)) => Some(Beginning::Other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_body_is_told_by_how_it_begins_as_soon_as_that_shows() {
        for (body, expected) in [
            ("data: {\"id\":1}\n\n", Beginning::Events),
            ("\u{feff}: ok\r\n\r\nevent: x\r\ndata:[", Beginning::Events),
            ("id: 7\nretry: 3\n\ndata:\n\ndata: {", Beginning::Events),
            ("\n {\"a\":1}", Beginning::Document),
            ("[{", Beginning::Document),
            ("data: it is text", Beginning::Other),
            ("database", Beginning::Other),
            ("<html>", Beginning::Other),
            ("event\nx", Beginning::Other),
        ] {
            let found: Vec<_> =
                (0..=body.len()).map(|len| Beginning::of(&body.as_bytes()[..len])).collect();
            assert_eq!(found.last(), Some(&Some(expected)), "{body}");
            assert!(found.iter().flatten().all(|found| *found == expected), "{body} {found:?}");
        }
        assert_eq!(
            Beginning::of(b": x\n".repeat(2000).get(..MOST_BYTES).unwrap()),
            Some(Beginning::Other)
        );
        assert_eq!(Beginning::of(b""), None);
    }
}
