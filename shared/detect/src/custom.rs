//! The operator's own regexes and dictionaries.
//!
//! Both may span words, so they keep a frontier of their own in a stream: text is held back only
//! from a place where a term has begun or a regex could still match.

mod beginnings;
mod bits;
mod dictionary;
mod engine;
mod first_words;
mod folding;
mod names;
mod pattern;
mod terms;
#[cfg(test)]
mod tests {
    #[cfg(not(target_arch = "wasm32"))]
    mod oracles;
}

use std::borrow::Cow;
use std::sync::Arc;

use dictionary::Dictionary;
use pattern::Pattern;

pub(crate) use engine::Engine;
pub(crate) use folding::Folding;

use crate::error::{self, PolicyError};
use crate::raw::{RawDictionary, RawRegex};
use crate::rule::{BuiltIn, Group, Rule, RuleIndex};
use crate::scan::Candidate;
use crate::selection::Selection;

/// Compiled custom rules.
#[derive(Debug, Default)]
pub(crate) struct Custom {
    rules: Vec<Arc<Rule>>,
    regexes: Vec<Pattern>,
    dictionary: Option<Dictionary>,
}

impl Custom {
    /// Compiles everything.
    #[cold]
    #[inline(never)]
    pub(crate) fn compile(
        regexes: &[RawRegex],
        dictionaries: &[RawDictionary],
    ) -> Result<Self, PolicyError> {
        let mut custom = Self::default();
        for (at, raw) in regexes.iter().enumerate() {
            let field = format!("regexes[{at}]");
            let rule = custom.add(&field, &raw.id, &raw.entity, raw.confidence)?;
            let fail = |reason: String| {
                PolicyError::new(format_args!("{field}.pattern"), format_args!("{reason}"))
            };
            custom.regexes.push(Pattern::compile(rule, &raw.pattern).map_err(fail)?);
        }
        let mut terms = Vec::new();
        for (at, raw) in dictionaries.iter().enumerate() {
            let field = format!("dictionaries[{at}]");
            let rule = custom.add(&field, &raw.id, &raw.entity, raw.confidence)?;
            names::terms(&field, &raw.terms)?;
            terms.extend(raw.terms.iter().map(|term| (term.as_str(), rule)));
        }
        custom.dictionary = Dictionary::compile(&terms)?;
        Ok(custom)
    }

    /// Adds a rule; `field` is the path of its entry.
    #[cold]
    #[inline(never)]
    fn add(
        &mut self,
        field: &str,
        id: &str,
        entity: &str,
        confidence: f32,
    ) -> Result<RuleIndex, PolicyError> {
        names::id(field, id, &self.rules)?;
        names::entity(field, entity)?;
        error::confidence(format_args!("{field}.confidence"), confidence)?;
        let index = BuiltIn::COUNT + self.rules.len();
        self.rules.push(Arc::new(Rule {
            id: Cow::Owned(format!("{}{id}", names::PREFIX)),
            entity: Cow::Owned(entity.to_owned()),
            group: Group::Custom,
            confidence,
        }));
        Ok(RuleIndex(u16::try_from(index).unwrap_or(u16::MAX)))
    }

    /// Their entries of the rule table, in order.
    pub(crate) fn rules(&self) -> Vec<Arc<Rule>> {
        self.rules.clone()
    }

    fn candidate(&self, span: std::ops::Range<usize>, rule: RuleIndex) -> Option<Candidate> {
        let known = self.rules.get(rule.position().checked_sub(BuiltIn::COUNT)?)?;
        Some(Candidate { span, rule, confidence: known.confidence })
    }
}

/// Up to where custom rules are settled in a text.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    /// Where the text begins, behind its context.
    start: usize,
    length: usize,
    dictionary: usize,
    regexes: Vec<usize>,
}

impl Frontier {
    /// The frontier of a text that begins at `start`, behind a context.
    pub(crate) fn starting_at(start: usize) -> Self {
        Self { start, length: start, dictionary: start, regexes: Vec::new() }
    }

    pub(crate) fn at(&self) -> usize {
        let regexes = self.regexes.iter().min();
        self.length.min(self.dictionary).min(regexes.copied().unwrap_or(usize::MAX))
    }

    pub(crate) fn shift(&mut self, by: usize) {
        self.length = self.length.saturating_sub(by);
        self.dictionary = self.dictionary.saturating_sub(by);
        for at in &mut self.regexes {
            *at = at.saturating_sub(by);
        }
    }

    /// Adds what is settled in `text`, which the earlier calls saw the beginning of.
    pub(crate) fn advance(
        &mut self,
        custom: &Custom,
        selection: &Selection,
        text: &[u8],
        complete: bool,
        out: &mut Vec<Candidate>,
    ) {
        self.length = text.len();
        self.dictionary = self.dictionary.max(match &custom.dictionary {
            Some(dictionary) => {
                dictionary.advance(text, self.dictionary, complete, |span, rule| {
                    out.extend(
                        custom
                            .candidate(span, rule)
                            .filter(|c| selection.accepts(c.rule, c.confidence)),
                    );
                })
            }
            None => text.len(),
        });
        self.regexes.resize(custom.regexes.len(), self.start);
        for (pattern, at) in custom.regexes.iter().zip(&mut self.regexes) {
            *at = pattern.advance(text, *at, complete, |span| {
                let found = custom.candidate(span, pattern.rule);
                out.extend(found.filter(|c| selection.accepts(c.rule, c.confidence)));
            });
        }
    }
}
