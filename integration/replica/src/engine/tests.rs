//! The engine on a virtual clock: its durations are exact.

use super::*;
use crate::settings::Timing;

const ROUND: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    let timing = Timing {
        overhead: Duration::from_millis(10),
        prefill_token: Duration::from_millis(1),
        decode_token: Duration::from_millis(5),
        adapter_load: Duration::from_millis(1000),
        scale: 1.0,
    };
    Settings { timing, adapters: vec!["a".into(), "b".into()], ..Settings::default() }
}

/// A job of `tokens` tokens; different letters share nothing.
fn job(letter: &str, tokens: usize) -> Job {
    Job { namespace: "m".into(), adapter: None, prompt: letter.repeat(tokens * 4) }
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    (work.await, started.elapsed())
}

fn near(found: Duration, milliseconds: u64) {
    let expected = Duration::from_millis(milliseconds);
    // The runtime's timer has ticks of a millisecond, and a request waits on three timers.
    assert!(found >= expected && found < expected + 4 * ROUND, "{found:?} for {expected:?}");
}

#[tokio::test(start_paused = true)]
async fn the_first_token_waits_for_what_is_not_cached() {
    let engine = Engine::new(settings());
    let (first, cold) = timed(engine.admit(job("x", 100))).await;
    assert_eq!((first.prompt_tokens, first.cached_tokens), (100, 0));
    near(cold, 110);
    drop(first);
    let (again, warm) = timed(engine.admit(job("x", 100))).await;
    assert_eq!(again.cached_tokens, 96);
    near(warm, 14);
    let (other, cold) = timed(engine.admit(job("y", 100))).await;
    assert_eq!(other.cached_tokens, 0);
    near(cold, 110);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_cached_whole_still_computes_its_last_block() {
    let engine = Engine::new(settings());
    drop(engine.admit(job("x", 32)).await);
    assert_eq!(engine.admit(job("x", 32)).await.cached_tokens, 16);
}

#[tokio::test(start_paused = true)]
async fn prefills_take_turns() {
    let engine = Engine::new(settings());
    let both = async { tokio::join!(engine.admit(job("x", 100)), engine.admit(job("y", 100))) };
    near(timed(both).await.1, 210);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_makes_requests_wait_and_be_counted() {
    let engine = Engine::new(Settings { max_running: 1, ..settings() });
    let first = engine.admit(job("x", 16)).await;
    let queued = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { drop(engine.admit(job("y", 16)).await) }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!queued.is_finished());
    let counts =
        |engine: &Engine| (gauge(&engine.telemetry.running), gauge(&engine.telemetry.waiting));
    assert_eq!(counts(&engine), (1.0, 1.0));
    drop(first);
    queued.await.unwrap();
    assert_eq!(counts(&engine), (0.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_gives_back_its_place_and_blocks() {
    let engine = Engine::new(Settings { max_running: 1, ..settings() });
    let impatient = tokio::time::timeout(20 * ROUND, engine.admit(job("x", 1000)));
    assert!(impatient.await.is_err());
    assert_eq!(engine.kv_cache_use(), 0.0);
    near(timed(engine.admit(job("y", 16))).await.1, 26);
}

#[tokio::test(start_paused = true)]
async fn the_reply_is_cached_for_the_next_turn() {
    let engine = Engine::new(settings());
    let first = engine.admit(job("x", 16)).await;
    first.finish(&"y".repeat(64), 16);
    let next = Job { prompt: "x".repeat(64) + &"y".repeat(64) + "more", ..job("x", 0) };
    assert_eq!(engine.admit(next).await.cached_tokens, 32);
}

#[tokio::test(start_paused = true)]
async fn namespaces_share_nothing() {
    let engine = Engine::new(settings());
    drop(engine.admit(job("x", 64)).await);
    let other = Job { namespace: "m\nsalt".into(), ..job("x", 64) };
    assert_eq!(engine.admit(other).await.cached_tokens, 0);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_is_loaded_once_and_shown_while_it_runs() {
    let engine = Engine::new(settings());
    let with_adapter = || Job { adapter: Some("a".into()), ..job("x", 16) };
    let (first, cold) = timed(engine.admit(with_adapter())).await;
    near(cold, 1026);
    let page = engine.metrics_page("m");
    assert!(page.contains("running_lora_adapters=\"a\",waiting_lora_adapters=\"\""), "{page}");
    drop(first);
    near(timed(engine.admit(with_adapter())).await.1, 26);
    assert!(engine.metrics_page("m").contains("running_lora_adapters=\"\""));
}

#[tokio::test(start_paused = true)]
async fn output_tokens_keep_their_pace() {
    let engine = Engine::new(settings());
    let sequence = engine.admit(job("x", 16)).await;
    let (_, took) = timed(async {
        for token in 0..10 {
            sequence.decoded(token).await;
        }
    })
    .await;
    near(took, 45);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_page_has_vllms_names() {
    let engine = Engine::new(settings());
    let _running = engine.admit(job("x", 160)).await;
    let page = engine.metrics_page("m");
    for line in [
        "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 1.0",
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 0.0",
        "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.001220703125",
        "vllm:cache_config_info{engine=\"0\",model_name=\"m\",block_size=\"16\",num_gpu_blocks=\"8192\"} 1.0",
        "vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"m\"} 160.0",
        "vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"m\"} 0.0",
        "vllm:time_to_first_token_seconds_count{engine=\"0\",model_name=\"m\"} 1.0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
    }
}
