//! Lists, which begin like much that is text.

/// Longest beginning of a list that is held back until it shows whether it is JSON.
const MAX_LEAD: usize = 256;

/// The beginning of a list that may turn out to be text.
#[derive(Default)]
pub(super) struct Lead {
    pub(super) text: String,
    /// How many containers are open.
    open: usize,
}

impl Lead {
    /// Takes the next piece; answers with whether it is JSON once that shows: with a quote, or where it
    /// has become too long to be anything else.
    pub(super) fn push(&mut self, text: &str) -> Option<bool> {
        let is_json = text.bytes().find_map(|byte| self.step(byte));
        self.text.push_str(text);
        is_json.or((self.text.len() > MAX_LEAD).then_some(true))
    }

    fn step(&mut self, byte: u8) -> Option<bool> {
        let is_open = self.open > 0;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'{' | b'[' => self.open += 1,
            b'}' | b']' if is_open => self.open -= 1,
            b'"' if is_open => return Some(true),
            b',' | b':' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'E' if is_open => {}
            // Of `true`, `false` and `null`.
            b't' | b'r' | b'u' | b'e' | b'f' | b'a' | b'l' | b's' | b'n' if is_open => {}
            _ => return Some(false),
        }
        None
    }

    /// Whether it may end here.
    pub(super) fn is_closed(&self) -> bool {
        self.open == 0
    }
}
