//! The ABI's form of a header map: count, then sizes, then NUL-terminated names and values.
//!
//! A call that hands over data costs several times one that does not, because the host has to
//! call back into the VM for memory. Whoever needs more than one header asks for the whole map
//! once, as a [`HeaderBlock`], and looks into that.

/// Names and values of a header map, in order.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Encodes pairs for the host.
pub(crate) fn encode(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let content: usize = pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let mut out = Vec::with_capacity(4 + pairs.len() * 8 + content);
    push_size(&mut out, pairs.len());
    for (name, value) in pairs {
        push_size(&mut out, name.len());
        push_size(&mut out, value.len());
    }
    for (name, value) in pairs {
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
    out
}

fn push_size(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
}

/// A header map as the host handed it over; looks are by linear search, without allocation.
#[derive(Clone, Default)]
pub struct HeaderBlock(Vec<u8>);

impl HeaderBlock {
    /// Takes bytes in the ABI's form; other bytes are a block without headers.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The first value of a header, by its lower-case name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (count, mut sizes) = split_size(&self.0)?;
        let mut content = sizes.get(count.checked_mul(8)?..)?;
        for _ in 0..count {
            let (name_len, rest) = split_size(sizes)?;
            let (value_len, rest) = split_size(rest)?;
            sizes = rest;
            let (key, after) = content.split_at_checked(name_len)?;
            let (value, after) = after.get(1..)?.split_at_checked(value_len)?;
            if key == name.as_bytes() {
                return Some(value);
            }
            content = after.get(1..)?;
        }
        None
    }
}

/// Decodes what the host gave; `None` when it contradicts itself.
pub(crate) fn decode(bytes: &[u8]) -> Option<Headers> {
    let (count, mut sizes) = split_size(bytes)?;
    let mut content = sizes.get(count.checked_mul(8)?..)?;
    // The count is bounded by what was actually sent, so this cannot ask for too much memory.
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_len, rest) = split_size(sizes)?;
        let (value_len, rest) = split_size(rest)?;
        sizes = rest;
        let name = take_terminated(&mut content, name_len)?;
        let value = take_terminated(&mut content, value_len)?;
        pairs.push((name, value));
    }
    Some(pairs)
}

fn split_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*size) as usize, rest))
}

fn take_terminated(content: &mut &[u8], len: usize) -> Option<Vec<u8>> {
    let (value, rest) = content.split_at_checked(len)?;
    *content = rest.get(1..)?;
    Some(value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_that_is_not_utf8_survives() {
        let encoded = encode(&[("x-a", b"\xff\x00\xfe"), ("x-b", b"")]);
        assert_eq!(
            decode(&encoded).unwrap(),
            vec![(b"x-a".to_vec(), b"\xff\x00\xfe".to_vec()), (b"x-b".to_vec(), vec![])]
        );
    }

    #[test]
    fn a_block_finds_the_first_value_and_nothing_in_nonsense() {
        let pairs: [(&str, &[u8]); 3] = [("a", b"1"), ("b", b"\xff"), ("b", b"2")];
        let block = HeaderBlock::new(encode(&pairs));
        assert_eq!(block.get("a"), Some(&b"1"[..]));
        assert_eq!(block.get("b"), Some(&b"\xff"[..]));
        assert_eq!(block.get("c"), None);
        assert_eq!(HeaderBlock::default().get("a"), None);
    }

    proptest! {
        #[test]
        fn looking_into_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = HeaderBlock::new(bytes).get("a");
        }

        #[test]
        fn decoding_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_cut_is_noticed(cut in 0usize..24) {
            let encoded = encode(&[("name", b"value")]);
            prop_assume!(cut < encoded.len());
            prop_assert!(decode(&encoded[..cut]).is_none());
        }
    }
}
