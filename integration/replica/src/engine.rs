//! The simulated inference engine: a queue, a batch, one prefill at a time, a KV cache.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use xxhash_rust::xxh3::xxh3_64;

use crate::adapters::{AdapterSlots, AdapterUse, Stage};
use crate::cache::{BLOCK_TOKENS, PrefixCache, block_chain, token_count};
use crate::lock;
use crate::settings::Settings;
use crate::telemetry::{Page, Raised, Telemetry};

/// One replica's engine.
#[derive(Debug)]
pub(crate) struct Engine {
    settings: Settings,
    batch: Arc<Semaphore>,
    prefill: tokio::sync::Mutex<()>,
    cache: Mutex<PrefixCache>,
    adapters: Arc<AdapterSlots>,
    telemetry: Telemetry,
    /// In s since 1970.
    started: Mutex<f64>,
}

/// What is asked of the engine.
#[derive(Debug)]
pub(crate) struct Job {
    /// Keeps prefixes apart: model or adapter name, and the request's cache salt.
    pub(crate) namespace: String,
    /// The adapter, if the request names one.
    pub(crate) adapter: Option<String>,
    /// The rendered prompt.
    pub(crate) prompt: String,
}

/// A request in the batch: it holds its place and its blocks until dropped.
#[derive(Debug)]
pub(crate) struct Sequence {
    engine: Arc<Engine>,
    namespace: u64,
    prompt: String,
    held: Vec<u64>,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// Those of them that were found in the prefix cache.
    pub(crate) cached_tokens: usize,
    first_token: Instant,
    adapter: Option<AdapterPlace>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Engine {
    /// An idle engine.
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let places = settings.max_running.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            batch: Arc::new(Semaphore::new(places)),
            prefill: tokio::sync::Mutex::new(()),
            cache: Mutex::new(PrefixCache::new(settings.blocks)),
            adapters: AdapterSlots::new(settings.max_lora),
            telemetry: Telemetry::default(),
            started: Mutex::new(seconds_since_1970()),
            settings,
        })
    }

    /// Queues `job`, runs its prefill, and returns when its first token is due.
    pub(crate) async fn admit(self: &Arc<Self>, job: Job) -> Sequence {
        let arrived = Instant::now();
        let mut sequence = self.enter_batch(job).await;
        self.telemetry.queued.observe(arrived.elapsed());
        self.run_prefill(&mut sequence).await;
        self.telemetry.first_token.observe(arrived.elapsed());
        sequence.first_token = Instant::now();
        sequence
    }

    async fn enter_batch(self: &Arc<Self>, job: Job) -> Sequence {
        let waiting = Raised::new(&self.telemetry.waiting);
        let adapter = match &job.adapter {
            Some(name) => Some(AdapterPlace::wait(&self.adapters, name).await),
            None => None,
        };
        // The semaphore is never closed, so a place always comes.
        let place = Arc::clone(&self.batch).acquire_owned().await.ok();
        drop(waiting);
        self.telemetry.running.fetch_add(1, Ordering::Relaxed);
        Sequence {
            engine: Arc::clone(self),
            namespace: xxh3_64(job.namespace.as_bytes()),
            prompt_tokens: token_count(&job.prompt),
            prompt: job.prompt,
            held: Vec::new(),
            cached_tokens: 0,
            first_token: Instant::now(),
            adapter: adapter.map(AdapterPlace::start),
            _place: place,
        }
    }

    async fn run_prefill(&self, sequence: &mut Sequence) {
        let timing = &self.settings.timing;
        let loads = sequence.adapter.as_ref().is_some_and(|place| place.used.loaded_now);
        pause(timing.scaled(timing.overhead, 1)).await;
        pause(timing.scaled(timing.adapter_load, usize::from(loads))).await;
        let _turn = self.prefill.lock().await;
        let missing = self.look_up(sequence);
        pause(timing.scaled(timing.prefill_token, missing)).await;
    }

    /// Holds the prompt's blocks and returns how many of its tokens must be computed: at least one,
    /// because the last token's output is needed to go on.
    fn look_up(&self, sequence: &mut Sequence) -> usize {
        let chain = block_chain(sequence.namespace, &sequence.prompt);
        let mut cache = lock(&self.cache);
        let usable = sequence.prompt_tokens.saturating_sub(1) / BLOCK_TOKENS;
        let cached = cache.matched(&chain).min(usable).saturating_mul(BLOCK_TOKENS);
        let held = cache.hold(&chain);
        sequence.held = chain.into_iter().take(held).collect();
        sequence.cached_tokens = cached;
        add(&self.telemetry.cache_queries, sequence.prompt_tokens);
        add(&self.telemetry.cache_hits, cached);
        add(&self.telemetry.prompt_tokens, sequence.prompt_tokens);
        sequence.prompt_tokens.saturating_sub(cached)
    }

    /// The metrics page, with vLLM's names.
    pub(crate) fn metrics_page(&self, model: &str) -> String {
        let mut page = Page::new(model);
        page.started(*lock(&self.started));
        let seen = &self.telemetry;
        page.sample("gauge", "num_requests_running", &[], gauge(&seen.running));
        page.sample("gauge", "num_requests_waiting", &[], gauge(&seen.waiting));
        page.sample("gauge", "kv_cache_usage_perc", &[], self.kv_cache_use());
        self.write_info(&mut page);
        for (name, counter) in [
            ("prefix_cache_queries_total", &seen.cache_queries),
            ("prefix_cache_hits_total", &seen.cache_hits),
            ("prompt_tokens_total", &seen.prompt_tokens),
            ("generation_tokens_total", &seen.generation_tokens),
        ] {
            page.sample("counter", name, &[], counter.load(Ordering::Relaxed) as f64);
        }
        let finished = seen.finished.load(Ordering::Relaxed) as f64;
        page.sample("counter", "request_success_total", &[("finished_reason", "stop")], finished);
        page.histogram("time_to_first_token_seconds", &seen.first_token);
        page.histogram("request_queue_time_seconds", &seen.queued);
        page.finish()
    }

    fn write_info(&self, page: &mut Page) {
        let blocks = self.settings.blocks.to_string();
        let block_size = BLOCK_TOKENS.to_string();
        let cache = [("block_size", block_size.as_str()), ("num_gpu_blocks", blocks.as_str())];
        page.sample("gauge", "cache_config_info", &cache, 1.0);
        if self.settings.adapters.is_empty() {
            return;
        }
        let limit = self.settings.max_lora.to_string();
        let running = self.adapters.names(Stage::Running);
        let waiting = self.adapters.names(Stage::Waiting);
        let labels = [
            ("max_lora", limit.as_str()),
            ("running_lora_adapters", running.as_str()),
            ("waiting_lora_adapters", waiting.as_str()),
        ];
        page.sample("gauge", "lora_requests_info", &labels, seconds_since_1970());
    }

    /// The ORCA report that vLLM sends: KV-cache use and queue length.
    pub(crate) fn load_report(&self) -> (f64, f64) {
        (self.kv_cache_use(), gauge(&self.telemetry.waiting))
    }

    /// As if the process had been started anew, but that requests under way go on.
    pub(crate) fn restart(&self) {
        self.clear_cache();
        self.telemetry.restart();
        *lock(&self.started) = seconds_since_1970();
    }

    /// Forgets all cached prefixes that are not in use.
    pub(crate) fn clear_cache(&self) {
        lock(&self.cache).clear();
    }

    fn kv_cache_use(&self) -> f64 {
        lock(&self.cache).held_share()
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Sequence {
    /// The rendered prompt.
    pub(crate) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Waits until output token `index` (from 0) is due.
    pub(crate) async fn decoded(&self, index: usize) {
        let timing = &self.engine.settings.timing;
        let due = self.first_token + timing.scaled(timing.decode_token, index);
        pause_until(due).await;
    }

    /// Ends the request after `tokens` output tokens: `output` stays cached behind the prompt, so
    /// that the next turn of the conversation finds both.
    pub(crate) fn finish(mut self, output: &str, tokens: usize) {
        let engine = Arc::clone(&self.engine);
        add(&engine.telemetry.generation_tokens, tokens);
        add(&engine.telemetry.finished, 1);
        self.prompt.push_str(output);
        let chain = block_chain(self.namespace, &self.prompt);
        let mut cache = lock(&engine.cache);
        let held = cache.hold(&chain);
        cache.release(&std::mem::take(&mut self.held));
        drop(cache);
        self.held = chain.into_iter().take(held).collect();
    }
}

impl Drop for Sequence {
    fn drop(&mut self) {
        lock(&self.engine.cache).release(&self.held);
        self.engine.telemetry.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request's use of an adapter, counted under the stage it is in.
#[derive(Debug)]
struct AdapterPlace {
    used: AdapterUse,
    count: AdapterCount,
}

#[derive(Debug)]
struct AdapterCount {
    slots: Arc<AdapterSlots>,
    name: String,
    stage: Stage,
}

impl AdapterPlace {
    async fn wait(slots: &Arc<AdapterSlots>, name: &str) -> Self {
        let count = AdapterCount::new(slots, name.to_owned(), Stage::Waiting);
        Self { used: slots.occupy(name).await, count }
    }

    fn start(self) -> Self {
        let running = self.count.in_stage(Stage::Running);
        Self { used: self.used, count: running }
    }
}

impl AdapterCount {
    fn new(slots: &Arc<AdapterSlots>, name: String, stage: Stage) -> Self {
        slots.enter(stage, &name);
        Self { slots: Arc::clone(slots), name, stage }
    }

    fn in_stage(&self, stage: Stage) -> Self {
        Self::new(&self.slots, self.name.clone(), stage)
    }
}

impl Drop for AdapterCount {
    fn drop(&mut self) {
        self.slots.leave(self.stage, &self.name);
    }
}

async fn pause(duration: Duration) {
    pause_until(Instant::now() + duration).await;
}

/// A timer that is already due would still cost a tick of the runtime's clock, one millisecond.
async fn pause_until(due: Instant) {
    if due > Instant::now() {
        sleep_until(due).await;
    }
}

fn add(counter: &std::sync::atomic::AtomicU64, amount: usize) {
    counter.fetch_add(u64::try_from(amount).unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn gauge(value: &std::sync::atomic::AtomicI64) -> f64 {
    value.load(Ordering::Relaxed) as f64
}

#[cfg(test)]
mod tests;
