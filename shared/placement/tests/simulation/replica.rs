//! A simulated replica: first come, first served; one prefill at a time; a KV cache of blocks.

use std::collections::{BTreeMap, VecDeque};

use weir_snapshot::{EndpointReport, EndpointState};

use crate::workload::{BLOCK_TOKENS, Turn};

/// 8B on one H100 (see `TtftModel`): fixed part, per uncached token, per output token; in µs.
const OVERHEAD_US: u64 = 30_000;
const PREFILL_US: u64 = 200;
const DECODE_US: u64 = 12_000;
/// GPU time of a prefill beside its tokens, in µs.
const STEP_US: u64 = 3_000;
/// Requests that run at once.
const SLOTS: usize = 48;

/// A turn that has started.
pub(crate) struct Started {
    pub(crate) request: usize,
    pub(crate) cached_tokens: u64,
    pub(crate) first_token_us: u64,
    pub(crate) end_us: u64,
}

pub(crate) struct Replica {
    address: String,
    queue: VecDeque<usize>,
    running: usize,
    running_tokens: u64,
    prefill_free_us: u64,
    cache: Cache,
    cache_tokens: u64,
}

impl Replica {
    pub(crate) fn new(index: usize, cache_tokens: u64) -> Self {
        Self {
            address: format!("10.0.0.{}:8000", index + 1),
            queue: VecDeque::new(),
            running: 0,
            running_tokens: 0,
            prefill_free_us: 0,
            cache: Cache { capacity: (cache_tokens / BLOCK_TOKENS) as usize, ..Cache::default() },
            cache_tokens,
        }
    }

    pub(crate) fn enqueue(&mut self, request: usize) {
        self.queue.push_back(request);
    }

    /// When the next prefill may start, if anything waits.
    pub(crate) fn next_start_us(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.prefill_free_us)
    }

    /// Starts the first in the queue, if the GPU, a slot and the cache are free.
    pub(crate) fn start(&mut self, now_us: u64, turns: &[Turn]) -> Option<Started> {
        let request = *self.queue.front()?;
        let turn = &turns[request];
        let tokens = turn.prompt_tokens + turn.output_tokens;
        let room = self.running == 0 || self.running_tokens + tokens <= self.cache_tokens;
        if now_us < self.prefill_free_us || self.running >= SLOTS || !room {
            return None;
        }
        self.queue.pop_front();
        self.running += 1;
        self.running_tokens += tokens;
        let cached_tokens = self.cache.use_prefix(turn.prompt_blocks());
        let prefill_us = STEP_US + (turn.prompt_tokens - cached_tokens) * PREFILL_US;
        self.prefill_free_us = now_us + prefill_us;
        let first_token_us = now_us + prefill_us + OVERHEAD_US - STEP_US;
        let end_us = first_token_us + turn.output_tokens * DECODE_US;
        Some(Started { request, cached_tokens, first_token_us, end_us })
    }

    pub(crate) fn finish(&mut self, turn: &Turn) {
        self.running -= 1;
        self.running_tokens -= turn.prompt_tokens + turn.output_tokens;
        self.cache.use_prefix(&turn.blocks);
    }

    pub(crate) fn report(&self) -> EndpointReport {
        let mut report = EndpointReport::new(self.address.clone(), EndpointState::Ready);
        report.waiting = u32::try_from(self.queue.len()).ok();
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
