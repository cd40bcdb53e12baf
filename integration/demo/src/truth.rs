//! Whether what the demo shows is true.

use crate::load::{Refusal, Served};
use crate::report::Summary;

/// Everything that is not as it should be; empty when all is.
pub(crate) fn untrue(weir: &[Served], round_robin: &[Served], refusals: &[Refusal]) -> Vec<String> {
    let mut untrue = Vec::new();
    for (run, served) in [("Weir", weir), ("round robin", round_robin)] {
        if served.is_empty() {
            untrue.push(format!("{run}: no request was sent"));
        }
        untrue.extend(served.iter().filter_map(|one| wrong(run, one)));
    }
    for Refusal { what, wanted, status, .. } in refusals {
        if wanted != status {
            untrue.push(format!("{what}: {status} instead of {wanted}"));
        }
    }
    let (ours, theirs) = (Summary::of(weir), Summary::of(round_robin));
    if ours.hit_rate <= theirs.hit_rate {
        untrue.push(format!("hit rate {:.3} is not above {:.3}", ours.hit_rate, theirs.hit_rate));
    }
    if ours.mean >= theirs.mean {
        untrue.push(format!("mean TTFT {:?} is not below {:?}", ours.mean, theirs.mean));
    }
    untrue
}

fn wrong(run: &str, one: &Served) -> Option<String> {
    let problem = if one.status != 200 {
        format!("status {}", one.status)
    } else if one.pool != one.wanted_pool {
        format!("served by pool {} instead of {}", one.pool, one.wanted_pool)
    } else if one.prompt_tokens == 0 {
        "no usage".to_owned()
    } else {
        return None;
    };
    Some(format!("{run}: conversation {} turn {}: {problem}", one.conversation + 1, one.turn + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn served(cached_tokens: u64, ttft_ms: u64) -> Served {
        Served {
            conversation: 0,
            turn: 0,
            model: "m",
            wanted_pool: "p",
            pool: "p",
            replica: String::new(),
            status: 200,
            prompt_tokens: 100,
            cached_tokens,
            ttft: Duration::from_millis(ttft_ms),
        }
    }

    #[test]
    fn what_is_better_passes_and_everything_else_is_named() {
        let (good, bad) = ([served(50, 10)], [served(40, 20)]);
        assert!(untrue(&good, &bad, &[]).is_empty());
        assert_eq!(untrue(&bad, &good, &[]).len(), 2);
        assert!(untrue(&[], &bad, &[])[0].contains("no request"));
        let failed = [Served { status: 503, ..served(50, 10) }];
        assert!(untrue(&failed, &bad, &[])[0].contains("status 503"));
        let astray = [Served { pool: "q", ..served(50, 10) }];
        assert!(untrue(&astray, &bad, &[])[0].contains("pool q instead of p"));
        let passed = Refusal { what: "bad", wanted: 400, status: 200, code: "?".into() };
        assert!(untrue(&good, &bad, &[passed])[0].contains("200 instead of 400"));
    }
}
