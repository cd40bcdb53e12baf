//! What a simulated replica serves and how fast it is.

use std::time::Duration;

/// Everything that describes one replica. The defaults are an 8-billion-parameter model on one H100.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of the base model that are served, the first being the canonical one. When empty, any
    /// name is served; otherwise an unknown name is answered with vLLM's 404.
    pub models: Vec<String>,
    /// Names of the LoRA adapters that are served beside the base model.
    pub adapters: Vec<String>,
    /// How many adapters can be in GPU memory at once (`max_loras` in vLLM).
    pub max_lora: usize,
    /// How many requests are decoded at once; the others wait (`max_num_seqs` in vLLM).
    pub max_running: usize,
    /// Capacity of the KV cache in blocks of [`crate::BLOCK_TOKENS`] tokens.
    pub blocks: usize,
    /// Output tokens of a reply when the request's own maximum is not smaller.
    pub output_tokens: usize,
    /// Changes the words of every reply; equal seeds and prompts give equal replies.
    pub seed: u64,
    /// Simulated durations.
    pub timing: Timing,
    /// Answer at once with a prepared reply, without cache, queue, echo or delays.
    pub fast: bool,
    /// Events of a prepared stream in fast mode, `[DONE]` not counted.
    pub fast_events: usize,
    /// Pause before each of them but the first; without one, all are written at once.
    pub fast_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            adapters: Vec::new(),
            max_lora: 4,
            max_running: 256,
            blocks: 8192,
            output_tokens: 32,
            seed: 0,
            timing: Timing::default(),
            fast: false,
            fast_events: 20,
            fast_pause: Duration::ZERO,
        }
    }
}

/// Durations of the simulated engine; all are multiplied by `scale` before use.
///
/// The defaults lie inside the published range for an 8B model on one H100: 25 to 40 ms of overhead,
/// 0.15 to 0.30 ms for each token of prefill, 10 to 15 ms for each token of output.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// From arrival to the start of prefill on an idle replica.
    pub overhead: Duration,
    /// Prefill of one token that is not cached.
    pub prefill_token: Duration,
    /// Between two output tokens.
    pub decode_token: Duration,
    /// Loading an adapter into GPU memory.
    pub adapter_load: Duration,
    /// Factor on all of the above: 0.1 is ten times faster, 0 is no delay at all.
    pub scale: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            overhead: Duration::from_millis(30),
            prefill_token: Duration::from_micros(200),
            decode_token: Duration::from_millis(12),
            adapter_load: Duration::from_millis(200),
            scale: 1.0,
        }
    }
}

impl Timing {
    /// No delays.
    pub fn instant() -> Self {
        Self { scale: 0.0, ..Self::default() }
    }

    /// `count` times `unit`, scaled; zero for a scale that is negative or not finite.
    pub(crate) fn scaled(&self, unit: Duration, count: usize) -> Duration {
        let seconds = unit.as_secs_f64() * count as f64 * self.scale;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_scale_and_never_overflow() {
        let timing = Timing { scale: 0.5, ..Timing::default() };
        let cases = [
            (Duration::from_millis(2), 3, Duration::from_millis(3)),
            (Duration::from_millis(2), 0, Duration::ZERO),
            (Duration::MAX, usize::MAX, Duration::ZERO),
        ];
        for (unit, count, expected) in cases {
            assert_eq!(timing.scaled(unit, count), expected);
        }
        assert_eq!(Timing::instant().scaled(Duration::from_secs(9), 9), Duration::ZERO);
    }
}
