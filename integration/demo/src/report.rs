//! The tables.

use std::time::Duration;

use crate::gpu::Fault;
use crate::guarded::Guarded;
use crate::limited::Limited;
use crate::load::{Refusal, Served};

/// One line per request of a conversation that shows something, the others counted.
pub(crate) fn requests(served: &[Served]) {
    const SHOWN: usize = 6;
    println!(
        "\n     turn  conversation  model                  pool   replica          prefix hit   TTFT"
    );
    for one in served.iter().filter(|one| one.conversation < SHOWN) {
        println!(
            "     {:>4}  {:>12}  {:<22} {:<6} {:<16} {:>9}   {:>4} ms",
            one.turn + 1,
            one.conversation + 1,
            one.model,
            one.pool,
            one.replica,
            percent(one.cached_tokens, one.prompt_tokens),
            one.ttft.as_millis()
        );
    }
    let hidden = served.iter().filter(|one| one.conversation >= SHOWN).count();
    println!("     … and {hidden} requests of the other conversations");
}

/// What was refused, and how.
pub(crate) fn refusals(refusals: &[Refusal]) {
    println!("\n     refused before any replica saw it:");
    for Refusal { what, status, code, .. } in refusals {
        println!("     {what:<20} {status} {code}");
    }
}

/// What became of one exchange with things in it that are nobody's business.
pub(crate) fn guarded(guarded: &Guarded) {
    let Guarded { sent, received, answered, got, refused: (status, code) } = guarded;
    println!("\n     the guardrail, both ways of one streamed exchange:");
    println!("     the client sent        {sent}");
    println!("     the replica received   {received}");
    println!("     the replica answered   {answered}");
    println!("     the client got         {got}");
    println!("     the same token sent to `qwen`, whose policy is stricter: {status} {code}");
}

/// What a key with a limit was told.
pub(crate) fn limited(limited: &Limited) {
    let Limited { left, refused: (status, code, wait_ms), other, again } = limited;
    let left: Vec<_> = left.iter().map(u64::to_string).collect();
    println!(
        "\n     limits (envoy-config/token-limits.yaml, of 200 tokens at once and 60 a second):"
    );
    println!("     tokens left to ann     {}", left.join(", "));
    println!("     ann's next request     {status} {code}, again in {wait_ms} ms; bob's: {other}");
    println!("     ann's after that wait  {again}");
}

/// Where requests went while a GPU failed.
pub(crate) fn fault(fault: &Fault) {
    println!("\n     requests to pool llama while the GPU of {} fails:", fault.faulty);
    for (row, counts) in &fault.rows {
        let counts: Vec<String> =
            counts.iter().map(|(replica, count)| format!("{replica}: {count}")).collect();
        println!("     {row:<18} {}", counts.join("   "));
    }
}

/// Both runs beside each other.
pub(crate) fn comparison(weir: &[Served], round_robin: &[Served]) {
    println!(
        "     {:<14} {:>9} {:>12} {:>12} {:>12}",
        "", "hit rate", "mean TTFT", "p50 TTFT", "p95 TTFT"
    );
    for (name, served) in [("Weir", weir), ("round robin", round_robin)] {
        let Summary { hit_rate, mean, p50, p95 } = Summary::of(served);
        println!(
            "     {name:<14} {:>8.1}% {:>9} ms {:>9} ms {:>9} ms",
            hit_rate * 100.0,
            mean.as_millis(),
            p50.as_millis(),
            p95.as_millis()
        );
    }
}

/// What one run comes down to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    /// Share of prompt tokens that were in a replica's prefix cache.
    pub(crate) hit_rate: f64,
    pub(crate) mean: Duration,
    p50: Duration,
    p95: Duration,
}

impl Summary {
    pub(crate) fn of(served: &[Served]) -> Self {
        let cached: u64 = served.iter().map(|one| one.cached_tokens).sum();
        let prompt: u64 = served.iter().map(|one| one.prompt_tokens).sum();
        let mut times: Vec<Duration> = served.iter().map(|one| one.ttft).collect();
        times.sort_unstable();
        let at = |percent: usize| {
            let index = times.len().saturating_sub(1) * percent / 100;
            times.get(index).copied().unwrap_or_default()
        };
        let count = u32::try_from(times.len().max(1)).unwrap_or(u32::MAX);
        Self {
            hit_rate: cached as f64 / prompt.max(1) as f64,
            mean: times.iter().sum::<Duration>() / count,
            p50: at(50),
            p95: at(95),
        }
    }
}

fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "?".to_owned(),
        _ => format!("{} %", part * 100 / whole),
    }
}
