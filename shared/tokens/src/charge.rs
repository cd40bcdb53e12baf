//! What a request will be charged, and what it was.

/// Tokens that a request took, as the replica reports them, or as far as they were seen where the
/// response was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens of the prompt, cached ones included.
    pub prompt: u64,
    /// Those of them that were in a prefix cache.
    pub cached: u64,
    /// Tokens of all choices, reasoning included.
    pub completion: u64,
    /// Those of them that were reasoning.
    pub reasoning: u64,
    /// Whether the response came to its end, so that the length of its completion is one to learn
    /// from.
    pub complete: bool,
}

/// What a token of each type is charged, in units of its limit (see
/// [`Measure`](crate::limits::Measure)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A prompt token that was computed.
    pub prompt: u64,
    /// A prompt token that came from a cache.
    pub cached: u64,
    /// A completion token that the client sees.
    pub completion: u64,
    /// A completion token of reasoning.
    pub reasoning: u64,
}

impl Weights {
    /// The same for every type.
    pub const fn all(units: u64) -> Self {
        Self { prompt: units, cached: units, completion: units, reasoning: units }
    }

    /// What `used` is charged in units.
    pub fn charge(&self, used: &Used) -> u64 {
        let cached = used.cached.min(used.prompt);
        let reasoning = used.reasoning.min(used.completion);
        let parts = [
            (used.prompt - cached, self.prompt),
            (cached, self.cached),
            (used.completion - reasoning, self.completion),
            (reasoning, self.reasoning),
        ];
        parts
            .iter()
            .fold(0_u64, |sum, (tokens, units)| sum.saturating_add(tokens.saturating_mul(*units)))
    }

    /// What a completion token is charged at most.
    fn most_of_completion(&self) -> u64 {
        self.completion.max(self.reasoning)
    }

    /// What a prompt token is charged at most.
    fn most_of_prompt(&self) -> u64 {
        self.prompt.max(self.cached)
    }
}

/// What a request asks for, before anybody knows what it will take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Estimated tokens of the prompt.
    pub prompt: u64,
    /// The most tokens of each choice, if the client says.
    pub max_tokens: Option<u64>,
    /// How many choices; 0 where the operation makes no completion (embeddings).
    pub choices: u64,
}

/// Which part of the completion is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// None: the completion is charged when it is there.
    None,
    /// So many thousandths of `max_tokens`.
    Permille(u32),
    /// All of `max_tokens`: no request can use more than was reserved but by its prompt.
    Full,
    /// What nine of ten completions of this key stay below, at most `max_tokens`.
    Learned,
}

/// What is reserved for completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// Of `max_tokens`.
    pub share: Share,
    /// Tokens of a choice where neither `max_tokens` nor experience says.
    pub guess: u64,
}

impl Reserve {
    /// Tokens of a completion where nothing is known: LiteLLM's and llm-d's defaults are about 1,000
    /// and 1.5 times the prompt; Mooncake's conversations have 343 on average.
    pub const DEFAULT_GUESS: u64 = 512;

    /// Units to reserve. `learned` is the key's 90th percentile, 0 if there is none yet; `capacity`
    /// is the limit's.
    ///
    /// A guess never exceeds what the limit has beside the prompt, so that a small limit admits its
    /// first request. What the client itself asks for may.
    pub fn units(&self, weights: &Weights, demand: &Demand, learned: u64, capacity: u64) -> u64 {
        let prompt = demand.prompt.saturating_mul(weights.most_of_prompt());
        let (tokens, guessed) = self.tokens(demand.max_tokens, learned);
        let completion =
            tokens.saturating_mul(demand.choices).saturating_mul(weights.most_of_completion());
        let room = capacity.saturating_sub(prompt);
        let completion = if guessed { completion.min(room) } else { completion };
        prompt.saturating_add(completion)
    }

    /// Tokens of one choice, and whether that is a guess.
    fn tokens(&self, max_tokens: Option<u64>, learned: u64) -> (u64, bool) {
        let guess = if learned > 0 { learned } else { self.guess };
        match (self.share, max_tokens) {
            (Share::None, _) => (0, false),
            (Share::Full, Some(most)) => (most, false),
            (Share::Permille(part), Some(most)) => {
                let part = u128::from(most) * u128::from(part) / 1_000;
                (u64::try_from(part).unwrap_or(u64::MAX), false)
            }
            (Share::Learned, Some(most)) => (guess.min(most), true),
            (_, None) => (guess, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const WEIGHTS: Weights =
        Weights { prompt: 1_000, cached: 100, completion: 4_000, reasoning: 2_000 };

    #[test]
    fn each_type_of_token_has_its_weight() {
        let used = Used { prompt: 100, cached: 40, completion: 30, reasoning: 10, complete: true };
        assert_eq!(WEIGHTS.charge(&used), 60 * 1_000 + 40 * 100 + 20 * 4_000 + 10 * 2_000);
        // A replica that reports more cached than prompt tokens is not charged below its prompt.
        let odd = Used { prompt: 10, cached: 40, completion: 5, reasoning: 9, complete: true };
        assert_eq!(WEIGHTS.charge(&odd), 10 * 100 + 5 * 2_000);
        let huge = Used { prompt: u64::MAX, completion: u64::MAX, ..Used::default() };
        assert_eq!(WEIGHTS.charge(&huge), u64::MAX);
    }

    #[test]
    fn the_policy_says_what_is_reserved_of_the_completion() {
        const LEARNED: u64 = 300;
        for (share, max_tokens, learned, completion) in [
            (Share::None, Some(1_000), LEARNED, 0),
            (Share::None, None, LEARNED, 0),
            (Share::Full, Some(1_000), LEARNED, 1_000),
            (Share::Full, None, LEARNED, 300),
            (Share::Full, None, 0, 512),
            (Share::Permille(250), Some(1_000), LEARNED, 250),
            (Share::Permille(250), None, 0, 512),
            (Share::Learned, Some(1_000), LEARNED, 300),
            (Share::Learned, Some(100), LEARNED, 100),
            (Share::Learned, Some(1_000), 0, 512),
            (Share::Learned, None, LEARNED, 300),
        ] {
            let reserve = Reserve { share, guess: 512 };
            let demand = Demand { prompt: 50, max_tokens, choices: 2 };
            let units = reserve.units(&Weights::all(1_000), &demand, learned, u64::MAX);
            assert_eq!(units, (50 + 2 * completion) * 1_000, "{share:?} {max_tokens:?} {learned}");
        }
    }

    #[test]
    fn a_guess_stays_within_the_limit_and_a_wish_may_not() {
        let demand = Demand { prompt: 60, max_tokens: None, choices: 1 };
        for share in [Share::Full, Share::Learned, Share::Permille(500)] {
            let reserve = Reserve { share, guess: 1_024 };
            assert_eq!(reserve.units(&Weights::all(1), &demand, 0, 100), 100);
            assert_eq!(
                reserve.units(&Weights::all(1), &demand, 0, 50),
                60,
                "the prompt is no guess"
            );
        }
        let wish = Demand { max_tokens: Some(2_000), ..demand };
        let reserve = Reserve { share: Share::Full, guess: 0 };
        assert_eq!(reserve.units(&Weights::all(1), &wish, 0, 100), 2_060);
    }
}
