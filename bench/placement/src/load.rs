//! The sessions: when people come, what they ask, how long they think. The same for every router.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

/// System prompts, each shared by a fifth of the sessions.
const SYSTEM_PROMPTS: usize = 5;
/// Words of one of them.
const SYSTEM_WORDS: usize = 400;
/// Turns of a session.
const TURNS: std::ops::RangeInclusive<usize> = 2..=8;
/// Words of a question: from a line to a pasted page.
const QUESTION_WORDS: std::ops::RangeInclusive<usize> = 20..=220;
/// Mean time in s from an answer to the next question; exponentially distributed.
const THINK_S: f64 = 4.0;
/// Tokens of an answer.
pub(crate) const OUTPUT_TOKENS: usize = 48;
/// The name of the model in `envoy-config/one-filter.yaml`.
pub(crate) const MODEL: &str = "llama-3.1-8b-instruct";

/// Everything that will be asked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sessions: Vec<Session>,
    /// After that nothing more is asked.
    pub(crate) end: Duration,
}

/// One person's conversation.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// From the start to the first question.
    pub(crate) arrival: Duration,
    messages: Vec<Value>,
    pub(crate) turns: Vec<Turn>,
}

/// One question.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    question: String,
    /// From the answer to the next question.
    pub(crate) think: Duration,
}

impl Plan {
    /// Sessions that arrive at random, so many a second on average, for `seconds`.
    pub(crate) fn new(seed: u64, sessions_per_second: f64, seconds: u64) -> Self {
        let end = Duration::from_secs(seconds);
        let mut rng = Rng::with_seed(seed);
        let systems: Vec<String> =
            (0..SYSTEM_PROMPTS).map(|_| words(&mut rng, SYSTEM_WORDS)).collect();
        let mut sessions = Vec::new();
        let mut arrival = exponential(&mut rng, 1.0 / sessions_per_second);
        while arrival < end {
            // A source of its own: how often others draw changes nothing.
            let mut own = rng.fork();
            let system = systems.get(own.usize(..SYSTEM_PROMPTS)).cloned().unwrap_or_default();
            let messages = vec![json!({"role": "system", "content": system})];
            let turns = (0..own.usize(TURNS)).map(|_| Turn::draw(&mut own)).collect();
            sessions.push(Session { arrival, messages, turns });
            arrival += exponential(&mut rng, 1.0 / sessions_per_second);
        }
        Self { sessions, end }
    }
}

impl Turn {
    fn draw(rng: &mut Rng) -> Self {
        let count = rng.usize(QUESTION_WORDS);
        Self { question: words(rng, count), think: exponential(rng, THINK_S) }
    }
}

impl Session {
    /// The request of a turn.
    pub(crate) fn ask(&mut self, turn: &Turn) -> Value {
        self.messages.push(json!({"role": "user", "content": turn.question}));
        json!({
            "model": MODEL,
            "messages": self.messages,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    }

    /// Notes the answer, so that the next turn repeats it.
    pub(crate) fn answered(&mut self, answer: &str) {
        self.messages.push(json!({"role": "assistant", "content": answer}));
    }
}

/// Words of three to eight letters with spaces between them.
fn words(rng: &mut Rng, count: usize) -> String {
    let word = |_| {
        let letters = rng.usize(3..=8);
        (0..letters).map(|_| rng.lowercase()).collect::<String>()
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}

fn exponential(rng: &mut Rng, mean_s: f64) -> Duration {
    Duration::from_secs_f64(-mean_s * (1.0 - rng.f64()).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_router_gets_the_same_sessions() {
        let (one, other) = (Plan::new(7, 4.0, 30), Plan::new(7, 4.0, 30));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert_ne!(format!("{one:?}"), format!("{:?}", Plan::new(8, 4.0, 30)));
    }

    #[test]
    fn the_load_is_the_one_that_is_described() {
        let plan = Plan::new(1, 4.0, 600);
        let count = plan.sessions.len();
        assert!((2200..2600).contains(&count), "{count}");
        let turns = || plan.sessions.iter().flat_map(|session| &session.turns);
        let mean =
            turns().map(|turn| turn.think.as_secs_f64()).sum::<f64>() / turns().count() as f64;
        assert!((3.8..4.2).contains(&mean), "{mean}");
        assert!(plan.sessions.iter().all(|session| (2..=8).contains(&session.turns.len())));
        let mut systems: Vec<String> =
            plan.sessions.iter().map(|session| session.messages[0].to_string()).collect();
        systems.sort();
        systems.dedup();
        assert_eq!(systems.len(), 5);
        assert_eq!(systems[0].split(' ').count(), 400);
    }

    #[test]
    fn a_turn_repeats_what_was_said_before() {
        let mut session = Plan::new(1, 4.0, 30).sessions.remove(0);
        let turn = session.turns[0].clone();
        session.ask(&turn);
        session.answered("so it is");
        let request = session.ask(&turn);
        let roles: Vec<_> =
            request["messages"].as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "user"]);
    }
}
