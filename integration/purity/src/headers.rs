//! Which of the words are headers that clients may not set.

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let words = input.split(|byte| *byte == b' ');
    let free = words.filter(|word| !weir_headers::is_owned(word) && !weir_headers::is_claim(word));
    Some(u64::try_from(free.count()).unwrap_or(u64::MAX))
}
