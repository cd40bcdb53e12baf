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
    /// `cached_tokens` of `prompt_tokens_details` or `input_tokens_details`, or beside those, as Moonshot's.
    pub(super) cached: Option<u32>,
    /// `reasoning_tokens` of `completion_tokens_details` or `output_tokens_details`.
    pub(super) reasoning: Option<u32>,
    pub(super) gemini_prompt: Option<u32>,
    pub(super) candidates: Option<u32>,
    pub(super) thoughts: Option<u32>,
    pub(super) cached_content: Option<u32>,
    /// What tools of Gemini's own added to the prompt, which its count of the prompt leaves out.
    pub(super) tool_prompt: Option<u32>,
    /// DeepSeek's.
    pub(super) cache_hit: Option<u32>,
    /// Of rerankers that give no other.
    pub(super) total: Option<u32>,
}

/// Members that are looked at. One list and one loop: a `match` of names is a chain of comparisons
/// for each length, all of which run from a cold cache.
const NAMES: [&[u8]; 19] = [
    b"prompt_tokens",
    b"completion_tokens",
    b"input_tokens",
    b"output_tokens",
    b"cache_read_input_tokens",
    b"cache_creation_input_tokens",
    b"cached_tokens",
    b"reasoning_tokens",
    b"promptTokenCount",
    b"candidatesTokenCount",
    b"thoughtsTokenCount",
    b"cachedContentTokenCount",
    b"toolUsePromptTokenCount",
    b"prompt_cache_hit_tokens",
    b"total_tokens",
    b"prompt_tokens_details",
    b"input_tokens_details",
    b"completion_tokens_details",
    b"output_tokens_details",
];
/// Where in [`NAMES`] the count stands that is a member of the details of a prompt.
const CACHED: usize = 6;
/// Where in [`NAMES`] the count stands that is a member of the details of a completion.
const REASONING: usize = 7;
/// Where in [`NAMES`] the objects with details stand: two of prompts, then two of completions.
const DETAILS: core::ops::Range<usize> = 15..19;
/// The first of those of completions.
const COMPLETION_DETAILS: usize = 17;

/// By position in [`NAMES`].
type Found = [Option<u32>; DETAILS.start];

impl Counts {
    /// What the JSON object at the start of `text` says, and its length, braces included; `None`
    /// if it does not end there. Members of other names or types, and counts that are no whole
    /// numbers, are passed over.
    pub(super) fn of(text: &[u8]) -> Option<(Self, usize)> {
        let mut found = Found::default();
        let mut rest = text;
        // Braces alone say where the object ends.
        let (mut braces, mut depth) = (0_u32, 0_u32);
        // Within details: where in `NAMES` the only count stands that matters there.
        let mut in_details = None;
        loop {
            let (&byte, after) = rest.split_first()?;
            rest = after;
            match byte {
                b'"' => {
                    let (name, after) = split_string(after)?;
                    rest = after;
                    if depth == 1 || in_details.is_some() {
                        in_details = member(&mut found, name, after, depth, in_details);
                    }
                }
                b'{' | b'[' => {
                    depth = depth.saturating_add(1);
                    braces = braces.saturating_add(u32::from(byte == b'{'));
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    in_details = in_details.filter(|_| depth > 1);
                    braces = braces.saturating_sub(u32::from(byte == b'}'));
                    if braces == 0 {
                        return Some((Self::from(found), text.len().saturating_sub(rest.len())));
                    }
                }
                _ => {}
            }
        }
    }
}

impl From<Found> for Counts {
    fn from(found: Found) -> Self {
        let [prompt, completion, input, output, read, creation, cached, reasoning, gemini @ ..] =
            found;
        let [gemini_prompt, candidates, thoughts, cached_content, others @ ..] = gemini;
        let [tool_prompt, cache_hit, total] = others;
        Self {
            prompt,
            completion,
            input,
            output,
            cache_read_input: read,
            cache_creation_input: creation,
            cached,
            reasoning,
            gemini_prompt,
            candidates,
            thoughts,
            cached_content,
            tool_prompt,
            cache_hit,
            total,
        }
    }
}

/// Takes note of the string `name`, if it is that of a member; answers with what `in_details` is
/// after it.
fn member(
    found: &mut Found,
    name: &[u8],
    after: &[u8],
    depth: u32,
    in_details: Option<usize>,
) -> Option<usize> {
    let Some(place) = NAMES.iter().position(|known| *known == name) else { return in_details };
    let Some(value) = member_value(after) else { return in_details };
    if DETAILS.contains(&place) {
        let opens = depth == 1 && value.first() == Some(&b'{');
        let of = if place < COMPLETION_DETAILS { CACHED } else { REASONING };
        return if opens { Some(of) } else { in_details };
    }
    let here = match place {
        CACHED if depth == 1 => true,
        CACHED | REASONING => depth == 2 && in_details == Some(place),
        _ => depth == 1,
    };
    if let Some(count) = found.get_mut(place).filter(|_| here) {
        *count = number(value).or(*count);
    }
    in_details
}

/// A string up to its quote, and what follows it; `None` if there is no such quote.
fn split_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((text.get(..end)?, text.get(end.saturating_add(1)..)?))
}

/// What follows the colon, if there is one, so that the string before was a name.
fn member_value(after: &[u8]) -> Option<&[u8]> {
    Some(after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// The whole number that `value` starts with, if it is at most `u32::MAX`.
fn number(value: &[u8]) -> Option<u32> {
    let mut number = None;
    for &byte in value {
        if !byte.is_ascii_digit() {
            let whole = !matches!(byte, b'.' | b'e' | b'E');
            return number.filter(|_| whole);
        }
        let digit = u32::from(byte - b'0');
        number = Some(number.unwrap_or(0_u32).checked_mul(10)?.checked_add(digit)?);
    }
    number
}
