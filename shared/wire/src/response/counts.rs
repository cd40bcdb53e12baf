//! The token counts in a usage object.
//!
//! Read by hand: a general reader is ten times the code for eight numbers, and a gateway that is
//! not busy runs all of it from a cold cache for every response.

/// The counts that servers give, each under its own name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) prompt: Option<u32>,
    pub(super) completion: Option<u32>,
    pub(super) input: Option<u32>,
    pub(super) output: Option<u32>,
    pub(super) cache_read_input: Option<u32>,
    pub(super) cache_creation_input: Option<u32>,
    /// `cached_tokens` of `prompt_tokens_details` or `input_tokens_details`.
    pub(super) cached: Option<u32>,
}

impl Counts {
    /// What a JSON object says, its braces included. Members of other names or types, and counts
    /// that are no whole numbers, are passed over.
    pub(super) fn of(object: &[u8]) -> Self {
        let mut counts = Self::default();
        let mut rest = object;
        let mut depth = 0_u32;
        let mut in_details = false;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    in_details &= depth > 1;
                }
                b'"' => {
                    let (text, after) = split_string(after);
                    rest = after;
                    let Some(value) = member_value(after) else { continue };
                    if depth == 1 {
                        in_details = DETAILS.contains(&text) && value.first() == Some(&b'{');
                    }
                    if let Some(count) = counts.named(text, depth, in_details) {
                        *count = number(value).or(*count);
                    }
                }
                _ => {}
            }
        }
        counts
    }

    /// Where the count of that name goes.
    fn named(&mut self, name: &[u8], depth: u32, in_details: bool) -> Option<&mut Option<u32>> {
        match (depth, name) {
            (1, b"prompt_tokens") => Some(&mut self.prompt),
            (1, b"completion_tokens") => Some(&mut self.completion),
            (1, b"input_tokens") => Some(&mut self.input),
            (1, b"output_tokens") => Some(&mut self.output),
            (1, b"cache_read_input_tokens") => Some(&mut self.cache_read_input),
            (1, b"cache_creation_input_tokens") => Some(&mut self.cache_creation_input),
            (2, b"cached_tokens") if in_details => Some(&mut self.cached),
            _ => None,
        }
    }
}

/// The members that tell of cached tokens.
const DETAILS: [&[u8]; 2] = [b"prompt_tokens_details", b"input_tokens_details"];

/// A string up to its quote, and what follows it.
fn split_string(text: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    let end = end.unwrap_or(text.len());
    let after = text.get(end.saturating_add(1)..).unwrap_or_default();
    (text.get(..end).unwrap_or_default(), after)
}

/// What follows the colon, if there is one, so that the string before was a name.
fn member_value(after: &[u8]) -> Option<&[u8]> {
    Some(after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// The whole number that `value` starts with.
fn number(value: &[u8]) -> Option<u32> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = value.split_at_checked(digits)?;
    let whole = !matches!(after.first(), Some(b'.' | b'e' | b'E'));
    core::str::from_utf8(digits).ok()?.parse().ok().filter(|_| whole)
}
