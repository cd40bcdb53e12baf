//! A set of numbers that takes little memory, and may take some others for its own.

/// A set of numbers of which some others seem to be in it, too.
pub(super) struct Bits {
    bits: Vec<u64>,
    /// How far a hash is shifted to the number of a bit.
    shift: u32,
}

impl Bits {
    /// Bits for each number, at least: of other numbers one in 16 to 32 passes.
    const EACH: usize = 16;
    /// Most bits, 4 MiB of memory, which only terms of very many spellings would exceed.
    const MOST: usize = 1 << 25;

    pub(super) fn for_numbers(count: usize) -> Self {
        let size = (count * Self::EACH).next_power_of_two().clamp(64, Self::MOST);
        Self { bits: vec![0; size / 64], shift: 64 - size.trailing_zeros() }
    }

    pub(super) fn add(&mut self, number: u64) {
        let (word, bit) = self.place(number);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
    }

    pub(super) fn may_have(&self, number: u64) -> bool {
        let (word, bit) = self.place(number);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Word and bit: Fibonacci hashing, the upper bits of the product.
    fn place(&self, number: u64) -> (usize, u64) {
        let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        (usize::try_from(place >> 6).unwrap_or(0), 1 << (place & 63))
    }
}
