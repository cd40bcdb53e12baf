//! Running a regular expression: a lazy DFA, and where that gives up, a PikeVM.
//!
//! The crate's own choice among all its engines would cost the module some 150 KB.

use std::fmt;
use std::sync::Mutex;

use regex_automata::hybrid::dfa::{self, DFA};
use regex_automata::hybrid::regex::{Cache, Regex};
use regex_automata::nfa::thompson;
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::{Anchored, Input, Match, MatchError, MatchKind};

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
    /// The same where the edge of a word may be anywhere, for texts that the lazy DFA cannot judge
    /// because of their letters: matches more, and most texts not at all.
    loose: Option<Loose>,
    /// For texts that the lazy DFA cannot judge: `\b` beside letters outside ASCII, thrashing.
    thorough: PikeVM,
    /// What searches remember, used again: making it costs as much as scanning some KB, and the texts
    /// of a body may be many and short.
    spare: Mutex<Vec<Memory>>,
}

/// A pattern without its edges of words.
struct Loose {
    search: Regex,
    /// Says whether any match goes on, not only the one that the pattern prefers: which that is, edges decide.
    growth: DFA,
}

/// What one search at a time remembers.
struct Memory {
    lazy: Cache,
    loose: Option<(Cache, dfa::Cache)>,
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
        let mut lazy = Regex::builder();
        let lazy = lazy.thompson(nfa.clone()).dfa(dfa.clone());
        let loose = without_edges(pattern).and_then(|pattern| {
            let search = lazy.build(&pattern).ok()?;
            let (nfa, any) = (search.forward().get_nfa().clone(), dfa.match_kind(MatchKind::All));
            let growth = DFA::builder().configure(any).build_from_nfa(nfa).ok()?;
            Some(Loose { search, growth })
        });
        let lazy = lazy.build(pattern).map_err(|error| reason(&error))?;
        let thorough = PikeVM::builder().thompson(nfa).build(pattern);
        let thorough = thorough.map_err(|error| reason(&error))?;
        // Not only in the empty text, which `\b` does not match: a search that found nothing, in both senses,
        // would go on from the same place for ever.
        match regex_syntax::parse(pattern).map(|parsed| parsed.properties().minimum_len()) {
            Ok(Some(0)) => Err("matches the empty text".to_owned()),
            _ => Ok(Self { lazy, loose, thorough, spare: Mutex::default() }),
        }
    }

    /// The leftmost match in `input`.
    pub(crate) fn search(&self, input: &Input<'_>) -> Option<Match> {
        self.with_memory(|memory| match try_search(&self.lazy, &mut memory.lazy, input) {
            Ok(found) => found,
            Err(_) => self.search_thoroughly(memory, input.clone()),
        })
    }

    #[cold]
    #[inline(never)]
    fn search_thoroughly(&self, memory: &mut Memory, mut input: Input<'_>) -> Option<Match> {
        if let Some((loose, (cache, _))) = self.loose.as_ref().zip(memory.loose.as_mut())
            && let Ok(found) = try_search(&loose.search, cache, &input)
        {
            // No match begins before the first place where it could.
            input.set_start(found?.start());
        }
        let cache = memory.thorough.get_or_insert_with(|| self.thorough.create_cache());
        self.thorough.find_iter(cache, input).next()
    }

    /// The first of `starts` from which a match could still grow past the end of `text`. What the
    /// automata cannot say counts as yes: that only holds text back longer.
    pub(crate) fn first_live(
        &self,
        text: &[u8],
        mut starts: impl Iterator<Item = usize>,
    ) -> Option<usize> {
        self.with_memory(|memory| {
            let Memory { lazy, loose, .. } = memory;
            starts.find(|start| {
                let rest = Input::new(text).span(*start..text.len()).anchored(Anchored::Yes);
                let sure = is_live(self.lazy.forward(), lazy.as_parts_mut().0, &rest);
                let loose = || is_live(&self.loose.as_ref()?.growth, &mut loose.as_mut()?.1, &rest);
                sure.or_else(loose).unwrap_or(true)
            })
        })
    }

    #[cold]
    #[inline(never)]
    fn memory(&self) -> Memory {
        let caches = |loose: &Loose| (loose.search.create_cache(), loose.growth.create_cache());
        let loose = self.loose.as_ref().map(caches);
        Memory { lazy: self.lazy.create_cache(), loose, thorough: None }
    }

    fn with_memory<R>(&self, search: impl FnOnce(&mut Memory) -> R) -> R {
        let spare = self.spare.lock().ok().and_then(|mut spare| spare.pop());
        let mut memory = spare.unwrap_or_else(|| self.memory());
        let answer = search(&mut memory);
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(memory);
        }
        answer
    }
}

/// The one place where the code of the automaton's search is.
#[inline(never)]
fn try_search(
    regex: &Regex,
    cache: &mut Cache,
    input: &Input<'_>,
) -> Result<Option<Match>, MatchError> {
    regex.try_search(cache, input)
}

/// Whether a match that starts at the start of `input` could still grow past its end; `None` where
/// the automaton gives up.
#[inline(never)]
fn is_live(dfa: &DFA, cache: &mut dfa::Cache, input: &Input<'_>) -> Option<bool> {
    let mut state = dfa.start_state_forward(cache, input).ok()?;
    for byte in input.haystack().get(input.get_range()).unwrap_or_default() {
        match dfa.next_state(cache, state, *byte).ok()? {
            next if next.is_dead() => return Some(false),
            next if next.is_quit() => return None,
            next => state = next,
        }
    }
    Some(true)
}

/// A pattern without its edges of words, `None` where it has none.
#[cold]
#[inline(never)]
fn without_edges(pattern: &str) -> Option<String> {
    let mut loose = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some((before, escape)) = rest.split_once('\\') {
        loose.push_str(before);
        let mut after = escape.chars();
        match after.next()? {
            'b' | 'B' | '<' | '>' => loose.push_str("(?:)"),
            other => loose.extend(['\\', other]),
        }
        rest = after.as_str();
        // `\b{start}`, but not `\b{2}`.
        if loose.ends_with("(?:)") && rest.starts_with('{') {
            let (kind, more) = rest.split_once('}')?;
            rest = if kind.contains(|c: char| c.is_ascii_digit()) { rest } else { more };
        }
    }
    loose.push_str(rest);
    (loose != pattern).then_some(loose)
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
        assert_eq!(found(r"\bcafé\b", "uncafé, cafés, café"), Some((17, 22)));
        assert_eq!(found(r"(?i)\b{start}été\b{end}", "létés été"), Some((8, 13)));
    }

    #[test]
    fn a_pattern_is_loose_where_its_edges_of_words_may_be_anywhere() {
        assert_eq!(without_edges(r"a\\b[^\]]+\.\d{2}"), None);
        assert_eq!(without_edges(r"\\\b\bx\b{2}\B").as_deref(), Some(r"\\(?:)(?:)x(?:){2}(?:)"));
        assert_eq!(without_edges(r"\b{start-half}x\>").as_deref(), Some("(?:)x(?:)"));
    }

    #[test]
    fn unusable_patterns_say_why() {
        let error = |pattern: &str| Engine::compile(pattern).unwrap_err();
        for pattern in ["a*", r"\b", r"\b|a", r"(?:x|\B)?", "^", "$"] {
            assert!(error(pattern).contains("empty"), "{pattern}");
        }
        assert!(error("(").contains("unclosed"), "{}", error("("));
        assert!(error(&"a".repeat(2000)).contains("longer"));
        assert!(error("(?:[a-z]{200}){200}").contains("limit"), "{}", error("(?:[a-z]{200}){200}"));
    }
}
