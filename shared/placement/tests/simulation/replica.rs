//! A simulated replica: first come, first served; one prefill at a time; a KV cache of blocks.

use std::collections::{BTreeMap, VecDeque};

use weir_snapshot::{EndpointReport, EndpointState};

use crate::workload::{BLOCK_TOKENS, Turn};

/// Fixed part, per uncached token, per output token, in µs: within what is published of an 8B model on one H100 (25
/// to 40 ms, 0.15 to 0.30 ms, 10 to 15 ms), and none of it what the policy assumes.
const OVERHEAD_US: u64 = 37_000;
const PREFILL_US: u64 = 240;
const DECODE_US: u64 = 13_000;

/// A turn that has started.
pub(crate) struct Started {
    pub(crate) request: usize,
    pub(crate) cached_tokens: u64,
    pub(crate) first_token_us: u64,
    pub(crate) end_us: u64,
}

pub(crate) struct Replica {
    address: String,
    /// So many times slower than the others.
    slowness: u64,
    /// Requests, and when their overhead has passed.
    queue: VecDeque<(usize, u64)>,
    running: usize,
    running_tokens: u64,
    prefill_free_us: u64,
    cache: Cache,
    cache_tokens: u64,
}

impl Replica {
    pub(crate) fn new(index: usize, cache_tokens: u64, slowness: u64) -> Self {
        Self {
            address: format!("10.0.0.{}:8000", index + 1),
            slowness,
            queue: VecDeque::new(),
            running: 0,
            running_tokens: 0,
            prefill_free_us: 0,
            cache: Cache { capacity: (cache_tokens / BLOCK_TOKENS) as usize, ..Cache::default() },
            cache_tokens,
        }
    }

    pub(crate) fn enqueue(&mut self, request: usize, turn: &Turn, now_us: u64) {
        self.queue.push_back((request, now_us + OVERHEAD_US * self.slowness));
        self.running += 1;
        self.running_tokens += turn.prompt_tokens + turn.output_tokens;
    }

    /// When the next prefill may start, if anything waits.
    pub(crate) fn next_start_us(&self) -> Option<u64> {
        self.queue.front().map(|(_, ready_us)| self.prefill_free_us.max(*ready_us))
    }

    /// Starts the first in the queue, if the GPU is free.
    pub(crate) fn start(&mut self, now_us: u64, turns: &[Turn]) -> Option<Started> {
        if self.next_start_us()? > now_us {
            return None;
        }
        let (request, _) = self.queue.pop_front()?;
        let turn = &turns[request];
        let cached_tokens = self.cache.use_prefix(turn.prompt_blocks());
        let prefill_us = (turn.prompt_tokens - cached_tokens) * PREFILL_US * self.slowness;
        self.prefill_free_us = now_us + prefill_us;
        let first_token_us = now_us + prefill_us;
        let end_us = first_token_us + turn.output_tokens * DECODE_US * self.slowness;
        Some(Started { request, cached_tokens, first_token_us, end_us })
    }

    pub(crate) fn finish(&mut self, turn: &Turn) {
        self.running -= 1;
        self.running_tokens -= turn.prompt_tokens + turn.output_tokens;
        self.cache.use_prefix(&turn.blocks);
    }

    pub(crate) fn report(&self) -> EndpointReport {
        let mut report = EndpointReport::new(self.address.clone(), EndpointState::Ready);
        report.waiting = Some(0);
        report.running = u32::try_from(self.running).ok();
        let used = self.running_tokens as f64 / self.cache_tokens as f64;
        report.kv_cache_use = Some(used.min(1.0));
        report.block_size = u32::try_from(BLOCK_TOKENS).ok();
        report.blocks = u32::try_from(self.cache_tokens / BLOCK_TOKENS).ok();
        report.age_ms = Some(5);
        report
    }
}

/// Blocks by last use.
#[derive(Default)]
struct Cache {
    capacity: usize,
    last_use: BTreeMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    tick: u64,
}

impl Cache {
    /// Tokens of the longest prefix that is cached; then the whole prefix is. The end of a prefix
    /// counts as used before its start, so that it is evicted first.
    fn use_prefix(&mut self, blocks: &[u64]) -> u64 {
        let cached = blocks.iter().take_while(|block| self.last_use.contains_key(block)).count();
        for block in blocks.iter().rev() {
            self.tick += 1;
            if let Some(before) = self.last_use.insert(*block, self.tick) {
                self.by_use.remove(&before);
            }
            self.by_use.insert(self.tick, *block);
        }
        while self.last_use.len() > self.capacity {
            let (_, block) = self.by_use.pop_first().unwrap();
            self.last_use.remove(&block);
        }
        cached as u64 * BLOCK_TOKENS
    }
}
