//! Where the long strings of a body are, from its first reading to the next.

/// Strings from this many bytes on are worth remembering; to find the end of a shorter one takes hardly
/// longer.
const LONG: usize = 64;

/// Where the long strings of a JSON text are, quotes included, in their order: eight bytes for each, so
/// at most an eighth of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongStrings(Vec<(u32, u32)>);

impl LongStrings {
    /// Notes a string; they come in the order of the text. What is not long, or beyond 4 GiB, is not
    /// noted.
    #[inline]
    pub(crate) fn note(&mut self, begin: usize, end: usize) {
        if end.saturating_sub(begin) >= LONG
            && let (Ok(begin), Ok(end)) = (u32::try_from(begin), u32::try_from(end))
        {
            self.0.push((begin, end));
        }
    }

    /// The places in order, to ask for the ends of strings by their beginnings.
    pub(crate) fn ends(&self) -> Ends<'_> {
        Ends { left: &self.0 }
    }
}

/// The long strings that are still to come.
pub(crate) struct Ends<'a> {
    left: &'a [(u32, u32)],
}

impl Ends<'_> {
    /// The offset after the string that begins at `at`, if it is a long one. Asked in ascending order.
    #[inline]
    pub(crate) fn of(&mut self, at: usize) -> Option<usize> {
        while let [(begin, end), rest @ ..] = self.left {
            if *begin as usize > at {
                return None;
            }
            self.left = rest;
            if *begin as usize == at {
                return Some(*end as usize);
            }
        }
        None
    }
}
