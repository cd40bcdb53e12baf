//! Overlapping candidates: who wins.

use std::cmp::Reverse;
use std::ops::Range;

use crate::scan::Candidate;

/// Candidates at or above this confidence beat any below it, whatever their length.
const SURE: f32 = 0.5;

/// Decides between candidates that overlap.
///
/// Of two that overlap the sure one wins, then the longer, then the more confident. What the
/// loser covers beyond the winner stays covered, unless the winner lies inside it. So all
/// candidates that hang together, a *cluster*, must be known before any of them is decided about.
/// In crafted text they may hang together without an end: a cluster is cut where a candidate
/// begins `limit` bytes after it, and those that go over the cut are judged in two parts.
#[derive(Debug, Default)]
pub(crate) struct Clusters {
    /// The candidates of the last cluster, which others may overlap.
    open: Vec<Candidate>,
    /// Where they begin and end.
    span: Range<usize>,
}

impl Clusters {
    /// Takes the candidates that begin before `settled`, of which no more will come, and adds to
    /// `winners`, in order and without overlaps, what of them is decided: all that begins before
    /// the place in the answer.
    pub(crate) fn advance(
        &mut self,
        candidates: &mut Vec<Candidate>,
        settled: usize,
        limit: usize,
        winners: &mut Vec<Candidate>,
    ) -> usize {
        if !candidates.is_empty() {
            candidates.sort_unstable_by_key(|c| (c.span.start, Reverse(c.span.end), c.rule));
            let known = candidates.partition_point(|candidate| candidate.span.start < settled);
            winners.reserve(known);
            candidates.drain(..known).for_each(|candidate| self.add(candidate, limit, winners));
        }
        if self.span.end <= settled {
            decide(&mut self.open, winners);
        }
        if self.open.is_empty() { settled } else { self.span.start }
    }

    /// Moves everything `by` bytes to the left.
    pub(crate) fn shift(&mut self, by: usize) {
        let spans = self.open.iter_mut().map(|candidate| &mut candidate.span);
        for span in spans.chain([&mut self.span]) {
            *span = span.start.saturating_sub(by)..span.end.saturating_sub(by);
        }
    }

    /// Adds the next candidate in order.
    fn add(&mut self, candidate: Candidate, limit: usize, winners: &mut Vec<Candidate>) {
        let start = candidate.span.start;
        if start >= self.span.end {
            decide(&mut self.open, winners);
        } else if start >= self.span.start.saturating_add(limit) {
            let over = self.cut(start);
            decide(&mut self.open, winners);
            self.open = over;
            self.span.start = start;
        }
        if self.open.is_empty() {
            self.span = candidate.span.clone();
        }
        self.span.end = self.span.end.max(candidate.span.end);
        self.open.push(candidate);
    }

    /// Ends all candidates at `at`; answers with what lies beyond it.
    fn cut(&mut self, at: usize) -> Vec<Candidate> {
        let beyond = |candidate: &mut Candidate| {
            let end = candidate.span.end;
            candidate.span.end = end.min(at);
            (end > at).then(|| Candidate { span: at..end, ..candidate.clone() })
        };
        self.open.iter_mut().filter_map(beyond).collect()
    }
}

/// Moves the winners of a cluster to `winners`.
fn decide(cluster: &mut Vec<Candidate>, winners: &mut Vec<Candidate>) {
    if cluster.len() <= 1 {
        winners.append(cluster);
        return;
    }
    cluster.sort_unstable_by(|a, b| {
        let key = |c: &Candidate| (c.confidence >= SURE, c.span.len());
        let by_confidence = b.confidence.total_cmp(&a.confidence);
        key(b)
            .cmp(&key(a))
            .then(by_confidence)
            .then(a.span.start.cmp(&b.span.start))
            .then(a.rule.cmp(&b.rule))
    });
    // In order of position, each with its place in the order of winning.
    let mut taken: Vec<(Candidate, usize)> = Vec::new();
    for (order, candidate) in cluster.drain(..).enumerate() {
        let first = taken.partition_point(|(winner, _)| winner.span.end <= candidate.span.start);
        let beside = taken.get(first..).unwrap_or_default();
        let beside =
            beside.get(..beside.partition_point(|(w, _)| w.span.start < candidate.span.end));
        if let Some(rest) = remainder(candidate, beside.unwrap_or_default()) {
            let place = taken.partition_point(|(winner, _)| winner.span.start < rest.span.start);
            taken.insert(place, (rest, order));
        }
    }
    winners.extend(taken.into_iter().map(|(winner, _)| winner));
}

/// What is left of a candidate beside the winners that overlap it, the first of them first.
fn remainder(mut candidate: Candidate, taken: &[(Candidate, usize)]) -> Option<Candidate> {
    let mut next = None;
    loop {
        let later = taken.iter().filter(|(_, order)| next.is_none_or(|next| *order > next));
        let Some((winner, order)) = later.min_by_key(|(_, order)| *order) else {
            return Some(candidate);
        };
        next = Some(*order);
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
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::rule::RuleIndex;

    const LIMIT: usize = 100;

    fn candidate(span: Range<usize>, confidence: f32) -> Candidate {
        Candidate { rule: RuleIndex((span.len() % 7) as u16), span, confidence }
    }

    /// Candidates that overlap in all ways, as a fixed generator has them.
    fn crowd(mut seed: u64, many: usize) -> Vec<Candidate> {
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below
        };
        let mut at = 0;
        let one = |_| {
            at += next(9);
            candidate(at..at + 1 + next(20), [0.3, 0.6, 0.9][next(3)])
        };
        (0..many).map(one).collect()
    }

    /// The winners when everything before each of `steps` is known in turn.
    fn winners(candidates: &[Candidate], steps: &[usize]) -> Vec<Candidate> {
        let (mut clusters, mut winners, mut decided) = (Clusters::default(), Vec::new(), 0);
        let mut later = candidates.to_vec();
        for settled in steps.iter().copied().chain([usize::MAX]) {
            let before = winners.len();
            let upto = clusters.advance(&mut later, settled, LIMIT, &mut winners);
            assert!(upto <= settled && upto >= decided);
            for winner in &winners[before..] {
                assert!(winner.span.start >= decided && winner.span.end <= upto, "{winner:?}");
            }
            assert!(settled == usize::MAX || settled - upto <= LIMIT + 20, "{settled} {upto}");
            decided = upto;
        }
        winners
    }

    #[test]
    fn the_same_candidates_win_however_they_become_known() {
        for seed in 0..200 {
            let candidates = crowd(seed, 60);
            let whole = winners(&candidates, &[]);
            assert!(whole.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
            let steps: Vec<usize> = (0..300).step_by(1 + seed as usize % 13).collect();
            assert_eq!(winners(&candidates, &steps), whole);
        }
    }

    #[test]
    fn what_overlaps_without_an_end_is_decided_piece_by_piece_and_covered_without_a_gap() {
        let chain: Vec<_> = (0..50_000).map(|n| candidate(n * 2..n * 2 + 3, 0.9)).collect();
        let steps: Vec<usize> = (0..100_000).step_by(10).collect();
        let winners = winners(&chain, &steps);
        assert_eq!(winners.first().map(|c| c.span.start), Some(0));
        assert!(winners.windows(2).all(|pair| pair[0].span.end == pair[1].span.start));
        assert_eq!(winners.last().map(|c| c.span.end), Some(100_001));
    }

    #[test]
    fn a_sure_candidate_wins_then_a_longer_one_and_what_sticks_out_stays_covered() {
        let spans = |candidates: &[Candidate]| {
            winners(candidates, &[]).iter().map(|c| c.span.clone()).collect::<Vec<_>>()
        };
        assert_eq!(spans(&[candidate(0..9, 0.4), candidate(6..12, 0.9)]), [0..6, 6..12]);
        assert_eq!(spans(&[candidate(0..9, 0.9), candidate(6..12, 0.9)]), [0..9, 9..12]);
        assert_eq!(
            spans(&[candidate(0..9, 0.4), candidate(3..6, 0.9), candidate(9..10, 0.9)]),
            [3..6, 9..10]
        );
        assert_eq!(spans(&[candidate(0..3, 0.9), candidate(3..6, 0.9)]), [0..3, 3..6]);
    }
}
