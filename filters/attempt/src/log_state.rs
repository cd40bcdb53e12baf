//! What a request's attempts came to, in filter state for the access log: `127.0.0.1:9001=503,127.0.0.1:9002=200`.
//!
//! `-` stands for a status that has not come. Text in, text out; the stream reads and writes it.

/// Filter state with the attempts of a request; Envoy calls it `wasm.weir.attempts`.
pub(crate) const ATTEMPTS: &str = "weir.attempts";

/// Attempts beyond that many bytes are left out.
const MOST_BYTES: usize = 1024;

/// The attempts so far and one more; `None` if there is no room.
pub(crate) fn begun(before: &[u8], address: &[u8]) -> Option<Vec<u8>> {
    let comma: &[u8] = if before.is_empty() { b"" } else { b"," };
    let text = [before, comma, address, b"=-"].concat();
    (text.len() <= MOST_BYTES).then_some(text)
}

/// The attempts with the status of the last that `address` was asked in; `None` if that is not there.
pub(crate) fn answered(before: &[u8], address: &[u8], status: u16) -> Option<Vec<u8>> {
    let entry = [address, b"=-"].concat();
    let is_entry = |(at, part): &(usize, &[u8])| {
        let starts = at.checked_sub(1).is_none_or(|comma| before.get(comma) == Some(&b','));
        let ends = before.get(at + entry.len()).is_none_or(|next| *next == b',');
        *part == entry && starts && ends
    };
    let (at, _) = before.windows(entry.len()).enumerate().rfind(is_entry)?;
    let (kept, rest) = before.split_at_checked(at)?;
    let after = rest.get(entry.len()..)?;
    Some([kept, address, b"=", status.to_string().as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_stand_in_order_each_with_its_status() {
        let first = begun(b"", b"a:1").unwrap();
        let second = begun(&answered(&first, b"a:1", 503).unwrap(), b"b:2").unwrap();
        assert_eq!(second, b"a:1=503,b:2=-");
        assert_eq!(answered(&second, b"b:2", 200).unwrap(), b"a:1=503,b:2=200");
    }

    #[test]
    fn the_status_goes_to_the_last_attempt_of_that_address() {
        assert_eq!(answered(b"a:1=-,b:2=-,a:1=-", b"a:1", 200).unwrap(), b"a:1=-,b:2=-,a:1=200");
        // Attempts that run side by side.
        assert_eq!(answered(b"a:1=-,b:2=-", b"a:1", 200).unwrap(), b"a:1=200,b:2=-");
        assert_eq!(answered(b"xa:1=-", b"a:1", 200), None, "a longer address");
        assert_eq!(answered(b"a:1=200", b"a:1", 200), None);
        assert_eq!(answered(b"", b"", 200), None);
    }

    #[test]
    fn however_many_attempts_there_are_the_text_is_bounded() {
        let mut text = Vec::new();
        while let Some(longer) = begun(&text, b"127.0.0.1:9001") {
            text = longer;
        }
        assert!(text.len() > 900 && text.len() <= MOST_BYTES);
    }
}
