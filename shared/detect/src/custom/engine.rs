//! Running a regular expression: a lazy DFA, and where that gives up, a PikeVM.
//!
//! The crate's own choice among all its engines would cost the module some 150 KB.

use std::fmt;
use std::sync::Mutex;

use regex_automata::hybrid::dfa::DFA;
use regex_automata::hybrid::regex::{Cache, Regex};
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::{Anchored, Input, Match, hybrid};

/// Most bytes of a regex as written, and compiled.
const MAX_PATTERN: usize = 1024;
const MAX_COMPILED: usize = 1 << 20;

/// The lazy DFA gives up once its cache has been cleared so often and it has made a state for fewer
/// bytes than this: making states costs far more than the PikeVM does.
const CLEARS: usize = 3;
const BYTES_PER_STATE: usize = 10;

/// One compiled regex.
pub(crate) struct Engine {
    lazy: Regex,
    /// For texts that the lazy DFA cannot judge: `\b` beside letters outside ASCII, thrashing.
    thorough: PikeVM,
    /// What searches remember, used again: making it costs as much as scanning some KB, and the texts
    /// of a body may be many and short.
    spare: Mutex<Vec<Memory>>,
}

/// What one search at a time remembers.
struct Memory {
    lazy: Cache,
    /// Made when it is first needed.
    thorough: Option<pikevm::Cache>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Compiles a regex within fixed limits; the error says what is wrong.
    pub(crate) fn compile(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("longer than {MAX_PATTERN} bytes"));
        }
        let nfa = thompson::Config::new().nfa_size_limit(Some(MAX_COMPILED));
        let dfa = DFA::config()
            .cache_capacity(MAX_COMPILED)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(CLEARS))
            .minimum_bytes_per_state(Some(BYTES_PER_STATE))
            .unicode_word_boundary(true);
        let lazy = Regex::builder().thompson(nfa.clone()).dfa(dfa).build(pattern);
        let lazy = lazy.map_err(|error| reason(&error))?;
        let thorough = PikeVM::builder().thompson(nfa).build(pattern);
        let thorough = thorough.map_err(|error| reason(&error))?;
        let engine = Self { lazy, thorough, spare: Mutex::default() };
        match engine.search(&Input::new("").anchored(Anchored::Yes)) {
            Some(_) => Err("matches the empty text".to_owned()),
            None => Ok(engine),
        }
    }

    /// The leftmost match in `input`.
    pub(crate) fn search(&self, input: &Input<'_>) -> Option<Match> {
        self.with_memory(|memory| match self.lazy.try_search(&mut memory.lazy, input) {
            Ok(found) => found,
            Err(_) => {
                let cache = memory.thorough.get_or_insert_with(|| self.thorough.create_cache());
                self.thorough.find_iter(cache, input.clone()).next()
            }
        })
    }

    /// The first of `starts` from which a match could still grow past the end of `text`. What the
    /// automaton cannot say counts as yes: that only holds text back longer.
    pub(crate) fn first_live(
        &self,
        text: &[u8],
        mut starts: impl Iterator<Item = usize>,
    ) -> Option<usize> {
        self.with_memory(|memory| {
            starts.find(|start| {
                let rest = Input::new(text).span(*start..text.len()).anchored(Anchored::Yes);
                self.is_live(memory.lazy.as_parts_mut().0, &rest)
            })
        })
    }

    fn is_live(&self, cache: &mut hybrid::dfa::Cache, input: &Input<'_>) -> bool {
        let dfa = self.lazy.forward();
        let Ok(mut state) = dfa.start_state_forward(cache, input) else { return true };
        for byte in input.haystack().get(input.get_range()).unwrap_or_default() {
            match dfa.next_state(cache, state, *byte) {
                Ok(next) if next.is_dead() => return false,
                Ok(next) if next.is_quit() => return true,
                Ok(next) => state = next,
                Err(_) => return true,
            }
        }
        true
    }

    fn with_memory<R>(&self, search: impl FnOnce(&mut Memory) -> R) -> R {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut memory =
            spare.unwrap_or_else(|| Memory { lazy: self.lazy.create_cache(), thorough: None });
        let answer = search(&mut memory);
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(memory);
        }
        answer
    }
}

/// An error with its causes, which say where in the pattern it is.
fn reason(error: &dyn std::error::Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn found(pattern: &str, text: &str) -> Option<(usize, usize)> {
        let engine = Engine::compile(pattern).unwrap();
        let found = engine.search(&Input::new(text))?;
        Some((found.start(), found.end()))
    }

    #[test]
    fn matches_are_leftmost_also_where_the_lazy_automaton_gives_up() {
        assert_eq!(found(r"a+|ab", "xxaab"), Some((2, 4)));
        assert_eq!(found(r"\bcafé\b", "un café noir"), Some((3, 8)));
        assert_eq!(found(r"\bcafé\b", "uncafé"), None);
    }

    #[test]
    fn unusable_patterns_say_why() {
        let error = |pattern: &str| Engine::compile(pattern).unwrap_err();
        assert!(error("a*").contains("empty"));
        assert!(error("(").contains("unclosed"), "{}", error("("));
        assert!(error(&"a".repeat(2000)).contains("longer"));
        assert!(error("(?:[a-z]{200}){200}").contains("limit"), "{}", error("(?:[a-z]{200}){200}"));
    }
}
