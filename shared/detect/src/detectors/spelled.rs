//! Digits written as words, one after another.

use std::ops::Range;

use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::segment::Segment;

/// Words in a row that make a finding: the digits of a Social Security number.
const ROW: usize = 9;
/// Bytes that so many words can take, with what separates them.
const REACH: usize = ROW * 8;
/// Steps other than to the next or the last digit that tell a number from counting.
const JUMPS: usize = 3;

/// A finding at the word `span` when it completes a row. Only the word itself is covered: those
/// before it have been released from a stream by then.
pub(crate) fn judge(segment: &Segment<'_>, span: Range<usize>) -> Option<Candidate> {
    let mut left = segment.left_of(span.start, REACH);
    let mut last = value(segment.slice(span.clone()))?;
    let (mut row, mut jumps) = (1, 0);
    while row < ROW {
        let gap = left.iter().rev().take(3).take_while(|b| b" ,.-\n".contains(b)).count();
        let head = left.get(..left.len() - gap)?;
        let length = head.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
        let word = head.get(head.len() - length..)?;
        let digit = value(word).filter(|_| gap > 0)?;
        jumps += usize::from(digit.abs_diff(last) != 1);
        (row, last) = (row + 1, digit);
        left = head.get(..head.len() - length)?;
    }
    (jumps >= JUMPS).then(|| Candidate::plain(span, BuiltIn::SpelledDigits))
}

fn value(word: &[u8]) -> Option<u8> {
    const WORDS: [&str; 10] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let place = WORDS.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes()))?;
    u8::try_from(place).ok()
}
