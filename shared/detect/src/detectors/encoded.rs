//! Data hidden in Base64, hexadecimal or percent escapes: decoded, and the inside scanned.

use std::ops::Range;

use super::address::runs;
use super::decode::{MIN_RUN, base64, hex, mixed, percent};
use crate::pass::Pass;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::segment::Segment;

/// Least confidence of something inside that makes the outside suspect.
const MIN_INSIDE: f32 = 0.5;

/// Scans text in the segment's place, at a depth: what runs the detectors runs this one, too.
pub(crate) trait ScanInner: Fn(&mut Pass<'_>, &[u8], u8) + Copy {}

impl<F: Fn(&mut Pass<'_>, &[u8], u8) + Copy> ScanInner for F {}

/// Decodes every run in the segment that could hold text, and scans that with `scan`.
#[inline(never)]
pub(crate) fn find(pass: &mut Pass<'_>, segment: &Segment<'_>, scan: impl ScanInner) {
    for run in runs(segment, |b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b)) {
        if run.len() < MIN_RUN {
            continue;
        }
        let text = segment.slice(run.clone());
        if let Some(bytes) = hex(text) {
            inside(pass, segment, run, &bytes, BuiltIn::EncodedHex, scan);
        } else if mixed(text)
            && let Some(bytes) = base64(text)
        {
            inside(pass, segment, run, &bytes, BuiltIn::EncodedBase64, scan);
        }
    }
    for run in runs(segment, |b| b > b' ' && b < 0x80) {
        let text = segment.slice(run.clone());
        if text.iter().filter(|b| **b == b'%').count() >= 2
            && let Some(bytes) = percent(text)
        {
            inside(pass, segment, run, &bytes, BuiltIn::EncodedPercent, scan);
        }
    }
}

/// Scans decoded text; one finding for the whole run when something is inside.
fn inside(
    pass: &mut Pass<'_>,
    segment: &Segment<'_>,
    run: Range<usize>,
    bytes: &[u8],
    rule: BuiltIn,
    scan: impl ScanInner,
) {
    if !is_text(bytes) {
        return;
    }
    let first = pass.out.len();
    scan(pass, bytes, segment.depth + 1);
    let selection = pass.selection;
    let found = pass.out.drain(first..).filter(|c| selection.accepts(c.rule, c.confidence));
    let best = found.map(|c| c.confidence).fold(0.0_f32, f32::max);
    if best >= MIN_INSIDE {
        pass.out.push(Candidate::new(run, rule, best.min(rule.confidence())));
    }
}

/// Mostly printable: what a person or a program could read.
fn is_text(bytes: &[u8]) -> bool {
    let printable = |b: &&u8| {
        (b' '..0x7F).contains(*b) || b"\r\n\t".contains(*b) || **b >= 0xC2 || **b & 0xC0 == 0x80
    };
    let ascii = bytes.iter().filter(|b| b.is_ascii()).count();
    bytes.len() >= 6
        && bytes.iter().filter(printable).count() == bytes.len()
        && ascii * 2 > bytes.len()
}
