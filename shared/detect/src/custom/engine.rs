//! Running a regular expression: a lazy DFA, and where that gives up, a PikeVM.
//!
//! The crate's own choice among all its engines would cost the module some 150 KB.

use regex_automata::hybrid::dfa::DFA;
use regex_automata::hybrid::regex::{Cache, Regex};
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::{Anchored, Input, Match};

/// Most bytes of a regex as written, and compiled.
const MAX_PATTERN: usize = 1024;
const MAX_COMPILED: usize = 1 << 20;

/// One compiled regex.
#[derive(Debug)]
pub(crate) struct Engine {
    lazy: Regex,
    /// For texts that the lazy DFA cannot judge: `\b` beside letters outside ASCII, thrashing.
    thorough: PikeVM,
}

/// What an engine remembers between searches; made when it is first needed.
#[derive(Default)]
pub(crate) struct Memory(Option<Cache>);

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
            .unicode_word_boundary(true);
        let lazy = Regex::builder().thompson(nfa.clone()).dfa(dfa).build(pattern);
        let lazy = lazy.map_err(|error| reason(&error))?;
        let thorough = PikeVM::builder().thompson(nfa).build(pattern);
        let engine = Self { lazy, thorough: thorough.map_err(|error| reason(&error))? };
        let empty = Input::new("").anchored(Anchored::Yes);
        match engine.search(&mut Memory::default(), &empty) {
            Some(_) => Err("matches the empty text".to_owned()),
            None => Ok(engine),
        }
    }

    /// The leftmost match in `input`.
    pub(crate) fn search(&self, memory: &mut Memory, input: &Input<'_>) -> Option<Match> {
        let cache = memory.0.get_or_insert_with(|| self.lazy.create_cache());
        match self.lazy.try_search(cache, input) {
            Ok(found) => found,
            Err(_) => {
                let mut cache = self.thorough.create_cache();
                self.thorough.find_iter(&mut cache, input.clone()).next()
            }
        }
    }

    /// Whether a match that starts at the start of `input` could still grow past its end. What the
    /// automaton cannot say counts as yes: that only holds text back longer.
    pub(crate) fn is_live(&self, memory: &mut Memory, input: &Input<'_>) -> bool {
        let cache = memory.0.get_or_insert_with(|| self.lazy.create_cache());
        let (dfa, (cache, _)) = (self.lazy.forward(), cache.as_parts_mut());
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
        let found = engine.search(&mut Memory::default(), &Input::new(text))?;
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
