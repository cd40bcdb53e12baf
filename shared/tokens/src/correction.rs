//! How far the estimate is off for a model, learned from the usage that its replicas report.

/// One in fixed point.
const ONE: i64 = 1 << 16;
/// An observation moves the factor by this part of its distance …
const STEP: i64 = 32;
/// … of which no more than an eighth counts. So one request moves it by 0.4 % at most, and a tenth of
/// the requests, however odd their text, by about 1.4 % in the end.
const FARTHEST: i64 = ONE / 8;
/// Another vocabulary is off by less than this factor, up or down.
const MOST: i64 = 2;
/// Of shorter prompts what a chat template adds is too large a part.
const LEAST_TOKENS: u32 = 64;

/// The factor between estimate and usage of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction(i64);

impl Default for Correction {
    fn default() -> Self {
        Self(ONE)
    }
}

impl Correction {
    /// Takes note of what a replica counted where `estimated` (before correction) was expected.
    pub fn observe(&mut self, estimated: u32, reported: u32) {
        if estimated < LEAST_TOKENS || reported < LEAST_TOKENS {
            return;
        }
        let seen = i64::from(reported).saturating_mul(ONE) / i64::from(estimated);
        let distance = seen.saturating_sub(self.0).clamp(-FARTHEST, FARTHEST);
        self.0 = self.0.saturating_add(distance / STEP).clamp(ONE / MOST, ONE * MOST);
    }

    /// The estimate corrected.
    pub fn apply(&self, estimated: u32) -> u32 {
        let corrected = i64::from(estimated).saturating_mul(self.0) / ONE;
        u32::try_from(corrected).unwrap_or(u32::MAX)
    }
}

/// Most models whose corrections are kept. Of further ones the estimate stays as it is.
pub const MAX_MODELS: usize = 64;

/// The corrections of a VM, by a hash of the name that replicas are sent. Bounded, because clients
/// name the models of a prefix such as `gpt-4*`.
#[derive(Clone, Debug, Default)]
pub struct Corrections(Vec<(u64, Correction)>);

impl Corrections {
    /// The correction of a model.
    pub fn of(&self, model: u64) -> Correction {
        let known = self.0.iter().find(|(known, _)| *known == model);
        known.map_or_else(Correction::default, |(_, correction)| *correction)
    }

    /// Takes note of a usage; false if there are too many models to learn about this one.
    pub fn observe(&mut self, model: u64, estimated: u32, reported: u32) -> bool {
        if !self.0.iter().any(|(known, _)| *known == model) {
            if self.0.len() >= MAX_MODELS {
                return false;
            }
            self.0.push((model, Correction::default()));
        }
        for (_, correction) in self.0.iter_mut().filter(|(known, _)| *known == model) {
            correction.observe(estimated, reported);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_model_with_another_vocabulary_is_followed() {
        for factor in [0.8, 1.0, 1.3] {
            let mut correction = Correction::default();
            for round in 0..500_u32 {
                let estimated = 500 + round;
                correction.observe(estimated, (f64::from(estimated) * factor) as u32);
            }
            let corrected = f64::from(correction.apply(10_000));
            assert!((corrected / 10_000.0 - factor).abs() < 0.01, "{factor}: {corrected}");
        }
    }

    #[test]
    fn odd_requests_hardly_move_it() {
        let mut correction = Correction::default();
        correction.observe(1_000, u32::MAX);
        assert!(correction.apply(10_000) <= 10_040);
        for round in 0..10_000 {
            let reported = if round % 10 == 0 { 1_000_000 } else { 1_000 };
            correction.observe(1_000, reported);
        }
        assert!(correction.apply(10_000) < 10_200, "{}", correction.apply(10_000));
    }

    #[test]
    fn it_stays_within_half_and_double_and_ignores_short_prompts() {
        let (mut low, mut high) = (Correction::default(), Correction::default());
        for _ in 0..10_000 {
            low.observe(100_000, 64);
            high.observe(64, u32::MAX);
        }
        assert_eq!((low.apply(1_000), high.apply(1_000)), (500, 2_000));
        assert_eq!(high.apply(u32::MAX), u32::MAX);
        let mut short = Correction::default();
        short.observe(63, 1_000);
        short.observe(1_000, 0);
        assert_eq!(short, Correction::default());
    }

    #[test]
    fn models_are_told_apart_and_bounded() {
        let mut all = Corrections::default();
        for model in 0..MAX_MODELS as u64 {
            assert!(all.observe(model, 1_000, 1_500));
        }
        assert!(!all.observe(1_000, 1_000, 1_500));
        assert_eq!(all.of(1_000), Correction::default());
        assert!(all.of(0).apply(10_000) > 10_000);
    }
}
