//! Overlapping candidates: who wins.

use std::cmp::Reverse;

use crate::scan::Candidate;

/// Candidates at or above this confidence beat any below it, whatever their length.
const SURE: f32 = 0.5;

/// Leaves candidates that do not overlap, in order of position.
///
/// Of two that overlap the sure one wins, then the longer, then the more confident. What the
/// loser covers beyond the winner stays covered, unless the winner lies inside it.
pub(crate) fn resolve(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let apart = |pair: &[Candidate]| match pair {
        [first, second] => first.span.end <= second.span.start,
        _ => true,
    };
    if candidates.windows(2).all(apart) {
        return candidates;
    }
    weir_sort::sort_by_key(&mut candidates, |c| (c.span.start, Reverse(c.span.end), c.rule));
    let mut winners: Vec<Candidate> = Vec::with_capacity(candidates.len());
    let mut cluster: Vec<Candidate> = Vec::new();
    let mut end = 0;
    for candidate in candidates {
        if candidate.span.start >= end {
            settle(&mut cluster, &mut winners);
        }
        end = end.max(candidate.span.end);
        cluster.push(candidate);
    }
    settle(&mut cluster, &mut winners);
    winners
}

/// Moves the winners of a connected cluster to `winners`.
fn settle(cluster: &mut Vec<Candidate>, winners: &mut Vec<Candidate>) {
    if cluster.len() == 1 {
        winners.append(cluster);
        return;
    }
    weir_sort::sort_by(cluster, |a, b| {
        let key = |c: &Candidate| (c.confidence >= SURE, c.span.len());
        let by_confidence = b.confidence.total_cmp(&a.confidence);
        key(b)
            .cmp(&key(a))
            .then(by_confidence)
            .then(a.span.start.cmp(&b.span.start))
            .then(a.rule.cmp(&b.rule))
    });
    let first = winners.len();
    for candidate in cluster.drain(..) {
        let taken = winners.get(first..).unwrap_or_default();
        if let Some(rest) = remainder(candidate, taken) {
            winners.push(rest);
        }
    }
    if let Some(settled) = winners.get_mut(first..) {
        weir_sort::sort_by_key(settled, |c| c.span.start);
    }
}

/// What is left of a candidate beside the winners.
fn remainder(mut candidate: Candidate, taken: &[Candidate]) -> Option<Candidate> {
    for winner in taken {
        let (mine, theirs) = (&mut candidate.span, &winner.span);
        if mine.end <= theirs.start || theirs.end <= mine.start {
            continue;
        }
        match (mine.start < theirs.start, mine.end > theirs.end) {
            (true, false) => mine.end = theirs.start,
            (false, true) => mine.start = theirs.end,
            _ => return None,
        }
    }
    Some(candidate)
}
