//! Bytes in order.

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let mut bytes = input.to_vec();
    weir_sort::sort(&mut bytes);
    bytes.is_sorted().then(|| {
        crate::size::size(&bytes).saturating_add(u64::from(bytes.first().copied().unwrap_or(0)))
    })
}
