//! What to look for inside a segment, by the anchors it has.

pub(crate) mod address;
pub(crate) mod assignment;
pub(crate) mod coin;
mod decode;
pub(crate) mod email;
pub(crate) mod encoded;
pub(crate) mod exfil;
pub(crate) mod identity;
pub(crate) mod injection;
pub(crate) mod invisible;
pub(crate) mod labelled;
pub(crate) mod number;
pub(crate) mod number_rules;
pub(crate) mod pem;
pub(crate) mod phone;
mod secret_name;
pub(crate) mod spelled;
pub(crate) mod spoken;
pub(crate) mod token;
mod token_marks;
mod token_runs;
mod token_shapes;
pub(crate) mod url;

use wide::u8x16;

use crate::normalise;
use crate::pass::Pass;
use crate::rule::Group;
use crate::scan::Candidate;
use crate::scan::anchor::{
    ASSIGN, AT, Anchors, COLON, DIGITS, ESCAPE, LINK, LONG, PHRASE, SPECIAL,
};
use crate::scan::segment::Segment;

/// Layers of encoding that are taken off at most.
pub(crate) const MAX_DEPTH: u8 = 2;

/// Runs the detectors that the segment's anchors ask for, and normalises where it is needed.
pub(crate) fn scan_segment(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    let first = pass.out.len();
    if segment.kinds == DIGITS {
        // The commonest case by far in tables of numbers.
        if pass.selection.has(Group::Pii) || pass.selection.has(Group::PiiNational) {
            numbers(pass, segment);
        }
        return retain(pass, segment, first);
    }
    plain(pass, segment);
    if segment.has(SPECIAL | ESCAPE) {
        hidden(pass, segment);
    }
    retain(pass, segment, first);
}

/// The detectors that read the text as it stands. Each that has loops of its own stays a function:
/// V8 has too few registers for one with all of them, which made some a sixth slower.
fn plain(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    let on = |group: Group| pass.selection.has(group);
    let personal = on(Group::Pii) || on(Group::PiiNational);
    if segment.has(DIGITS) && personal {
        numbers(pass, segment);
    }
    if segment.has(COLON) && on(Group::Pii) {
        if segment.bytes().iter().filter(|b| **b == b':').count() >= 2 {
            address::find_v6(segment, pass.out);
        }
        if segment.range().len() >= address::MAC_LENGTH {
            address::find_mac(segment, pass.out);
        }
    }
    if segment.has(AT) && on(Group::Pii) {
        email::find(segment, pass.out);
    }
    if segment.has(LINK) && on(Group::Secrets) {
        url::find(segment, pass.out);
    }
    if segment.has(LINK) && on(Group::Exfil) {
        exfil::find(segment, &pass.scanner.hosts, pass.out);
    }
    if segment.has(LONG) {
        if on(Group::Secrets) {
            token::find(segment, pass.out);
            labelled::find(segment, pass.out);
        }
        if on(Group::Pii) {
            coin::find(segment, pass.out);
        }
    }
    if segment.has(ASSIGN) && on(Group::Secrets) {
        assignment::find(segment, pass.out);
        spoken::find(segment, pass.out);
    }
    if segment.has(LONG | ESCAPE) && on(Group::Encoded) && segment.depth < MAX_DEPTH {
        encoded::find(pass, segment, |pass, text, depth| inner(pass, text, 0, depth));
    }
    if segment.has(PHRASE) && (on(Group::Injection) || on(Group::Pii)) {
        injection::find(pass, segment);
    }
}

/// The detectors of numbers, each only where its least ingredients are there.
fn numbers(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    let [digits, dots, letters] = ingredients(segment);
    let weak = pass.selection.takes_weak_numbers();
    if number::is_ordinary(segment, digits, dots, weak) {
        return;
    }
    if digits >= 4 && dots >= 3 {
        address::find_v4(segment, pass.out);
    }
    if digits >= number::MIN_DIGITS {
        number::find(segment, weak, &mut pass.memory.groups, pass.out);
    }
    if letters > 0 && segment.range().len() >= identity::MIN_LENGTH {
        identity::find(segment, pass.out);
    }
}

/// How many digits, dots and (from the column of `@` on) letters the segment has.
#[inline(always)]
fn ingredients(segment: &Segment<'_>) -> [usize; 3] {
    let bytes = segment.bytes();
    // Segments are short: most end the block that ends with them.
    let skip = 16_usize.checked_sub(bytes.len());
    let Some((block, skip)) = segment.text().last_chunk::<16>().zip(skip) else {
        return bytes.iter().fold([0; 3], |[digits, dots, letters], byte| {
            [
                digits + usize::from(byte.is_ascii_digit()),
                dots + usize::from(*byte == b'.'),
                letters + usize::from(byte & 0x40 != 0),
            ]
        });
    };
    let block = u8x16::new(*block);
    let value = block - u8x16::splat(b'0');
    let digits = value.min(u8x16::splat(9)).simd_eq(value);
    let dots = block.simd_eq(u8x16::splat(b'.'));
    let letters = (block & u8x16::splat(0x40)).simd_eq(u8x16::splat(0x40));
    [digits, dots, letters]
        .map(|lanes| (lanes.to_bitmask() & 0xFFFF).wrapping_shr(skip as u32).count_ones() as usize)
}

/// Looks for what a reader does not see; scans the segment as it is seen and maps what is found
/// back.
#[inline(never)]
fn hidden(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    if pass.selection.has(Group::Invisible) {
        invisible::find(segment, pass.out);
    }
    let Some(view) = normalise::view(segment) else { return };
    let first = pass.out.len();
    inner(pass, view.text(), view.start(), segment.depth);
    for candidate in pass.out.iter_mut().skip(first) {
        candidate.span = view.original(&candidate.span);
    }
}

/// Scans `text` from `start` on as one segment of its own; candidates have its own offsets.
fn inner(pass: &mut Pass<'_>, text: &[u8], start: usize, depth: u8) {
    let own = text.get(start..).unwrap_or_default();
    let kinds = anchors(pass, own) | ASSIGN;
    plain(pass, &Segment::new(text, start..text.len(), kinds, depth));
}

fn anchors(pass: &Pass<'_>, text: &[u8]) -> u16 {
    Anchors::new(pass.scanner.fingerprints(), text, 0, 0)
        .fold(0, |kinds, anchor| kinds | anchor.kinds)
}

/// Keeps what policy and allow lists let count; of most segments there is nothing.
fn retain(pass: &mut Pass<'_>, segment: &Segment<'_>, first: usize) {
    if pass.out.len() != first {
        retain_found(pass, segment, first);
    }
}

#[inline(never)]
fn retain_found(pass: &mut Pass<'_>, segment: &Segment<'_>, first: usize) {
    let (selection, scanner) = (pass.selection, pass.scanner);
    let counts = |candidate: &Candidate| {
        selection.accepts(candidate.rule, candidate.confidence)
            && !scanner.allowed.contains(segment.slice(candidate.span.clone()))
    };
    let mut kept = first;
    for place in first..pass.out.len() {
        if pass.out.get(place).is_some_and(counts) {
            pass.out.swap(kept, place);
            kept += 1;
        }
    }
    pass.out.truncate(kept);
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn ingredients_are_counted_alike_wherever_a_segment_stands() {
        let text = "12.5 é@ Zz09./:3,[45.67.8é9x".as_bytes();
        for end in 0..=text.len() {
            for start in 0..=end {
                let own = &text[start..end];
                let count = |test: fn(&u8) -> bool| own.iter().filter(|byte| test(byte)).count();
                let expected =
                    [count(u8::is_ascii_digit), count(|b| *b == b'.'), count(|b| *b & 0x40 != 0)];
                let segment = Segment::new(text, start..end, DIGITS, 0);
                assert_eq!(ingredients(&segment), expected, "{start}..{end}");
            }
        }
    }
}
