//! What earlier requests taught: texts that nothing was found in, and system prompts.
//!
//! With every turn a conversation sends all that was said before. A text in which nothing was
//! found is remembered, by a keyed fingerprint and not by its words, and is not scanned again
//! while the same policy looks at it in the same place. The words of a system prompt, which the
//! response is compared with, are not read again either.

mod fingerprint;

use std::collections::VecDeque;
use std::hash::RandomState;
use std::sync::Arc;

use fingerprint::{Fingerprint, Fingerprinter};
use weir_detect::SystemPrompt;
use weir_wire::content::{Form, Role};

/// Fingerprints of a bucket: those of one cache line.
const WAYS: usize = 4;
/// Number of buckets: 16,384 texts in 256 KiB, the messages of some hundreds of conversations.
const BUCKETS: usize = 4096;

/// Shorter texts are scanned as fast as they are looked up, in bytes.
pub(crate) const LEAST_BYTES: usize = 256;

/// System prompts that are kept, those used last.
const PROMPTS: usize = 16;
/// What is said about them: no policy has this address.
const SYSTEM_PROMPT: u64 = 0;
/// Longest of them, in bytes: one takes about three times as much memory as its text.
const MAX_PROMPT_BYTES: usize = 64 * 1024;

/// What is known of the texts of earlier requests. Of a bucket that is full, the text that was not
/// seen for longest goes.
pub struct Recall {
    fingerprinter: Fingerprinter,
    buckets: Vec<[u128; WAYS]>,
    prompts: VecDeque<(Fingerprint, Option<Arc<SystemPrompt>>)>,
}

impl Recall {
    /// Remembers nothing yet; 256 KiB, and up to 3 MiB for system prompts. `random` must come from a source that nobody outside can
    /// foresee: whoever knows its keys could write texts that pass for others.
    pub fn new(random: RandomState) -> Self {
        Self {
            fingerprinter: Fingerprinter::new(random),
            buckets: vec![[0; WAYS]; BUCKETS],
            prompts: VecDeque::new(),
        }
    }

    /// What `text` is remembered by where `about` says all that the verdict depends on besides
    /// its bytes; `None` for a text that is not worth it.
    pub(crate) fn place(&self, text: &[u8], about: &About<'_>) -> Option<Place> {
        let print = || self.fingerprinter.of(text, self.packed(about));
        (text.len() >= LEAST_BYTES).then(|| Place(print()))
    }

    /// All of `about` in a number: as it is where it fits, as nearly always, or else its hash.
    fn packed(&self, about: &About<'_>) -> u64 {
        let role = match &about.role {
            None => Some(0),
            Some(Role::Standard(name)) => {
                Role::STANDARD.iter().position(|known| known == name).map(|place| place + 1)
            }
            Some(Role::Other(_)) => None,
        };
        let policy = about.policy as u64;
        match role {
            Some(role) if about.key.is_empty() && policy < 1 << 48 => {
                let small = (role as u64) << 3 | (about.form as u64) << 1;
                policy << 12 | small | u64::from(about.saturated)
            }
            _ => self.fingerprinter.hash(about) | 1 << 63,
        }
    }

    /// Whether nothing was found in the text of this place before.
    pub(crate) fn knows(&mut self, place: Place) -> bool {
        let Place(Fingerprint(print)) = place;
        let Some(bucket) = self.bucket(print) else { return false };
        let Some(way) = bucket.iter().position(|known| *known == print) else { return false };
        if let Some(newer) = bucket.get_mut(..=way) {
            newer.rotate_right(1);
        }
        true
    }

    /// Nothing was found in the text of this place.
    pub(crate) fn add(&mut self, place: Place) {
        let Place(Fingerprint(print)) = place;
        if let Some(bucket) = self.bucket(print) {
            bucket.rotate_right(1);
            bucket[0] = print;
        }
    }

    /// A system prompt by its text, read once; `None` where it has too few words.
    pub(crate) fn system_prompt(&mut self, text: &str) -> Option<Arc<SystemPrompt>> {
        let print = self.fingerprinter.of(text.as_bytes(), SYSTEM_PROMPT);
        let place = self.prompts.iter().position(|(known, _)| *known == print);
        let known = place.and_then(|place| self.prompts.remove(place));
        let (_, prompt) = known.unwrap_or_else(|| (print, SystemPrompt::new(text).map(Arc::new)));
        if text.len() <= MAX_PROMPT_BYTES {
            self.prompts.truncate(PROMPTS - 1);
            self.prompts.push_front((print, prompt.clone()));
        }
        prompt
    }

    fn bucket(&mut self, print: u128) -> Option<&mut [u128; WAYS]> {
        // The lowest bit is always set.
        self.buckets.get_mut((print >> 1) as usize % BUCKETS)
    }
}

impl std::fmt::Debug for Recall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recall").finish_non_exhaustive()
    }
}

/// All that the verdict over a text depends on besides its bytes.
#[derive(Hash)]
pub(crate) struct About<'a> {
    /// The policy's address.
    pub(crate) policy: usize,
    pub(crate) saturated: bool,
    pub(crate) role: Option<&'a Role>,
    pub(crate) key: &'a [u8],
    pub(crate) form: Form,
}

/// Where a text is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(Fingerprint);

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn of_the_texts_of_a_bucket_those_seen_last_are_kept() {
        let mut recall = Recall::new(RandomState::new());
        let place = |n: u128| Place(Fingerprint(n << 64 | 1));
        assert!(!recall.knows(place(1)));
        (1..=4).for_each(|n| recall.add(place(n)));
        assert!(recall.knows(place(1)));
        recall.add(place(5));
        let known: Vec<u128> = (1..=5).filter(|n| recall.knows(place(*n))).collect();
        assert_eq!(known, [1, 3, 4, 5]);
    }

    #[test]
    fn system_prompts_are_kept_while_they_are_in_use() {
        let mut recall = Recall::new(RandomState::new());
        let text = |n: usize| format!("Keep the colour of the door number {n} in the hall secret");
        let first = recall.system_prompt(&text(0)).unwrap();
        assert!(recall.system_prompt("Be brief").is_none());
        for n in 1..PROMPTS - 1 {
            recall.system_prompt(&text(n));
        }
        let again = recall.system_prompt(&text(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        (0..PROMPTS).for_each(|n| drop(recall.system_prompt(&text(100 + n))));
        assert_eq!(recall.prompts.len(), PROMPTS);
        assert!(!Arc::ptr_eq(&first, &recall.system_prompt(&text(0)).unwrap()));
        let long = "word ".repeat(MAX_PROMPT_BYTES);
        assert!(recall.system_prompt(&long).is_some());
        assert_eq!(recall.prompts.len(), PROMPTS);
    }

    fn about<'a>() -> About<'a> {
        About { policy: 64, saturated: false, role: None, key: b"", form: Form::String }
    }

    #[test]
    fn whatever_a_verdict_depends_on_tells_texts_apart() {
        let recall = Recall::new(RandomState::new());
        let (user, tool, other) =
            (Role::Standard("user"), Role::Standard("tool"), Role::Other("user".into()));
        let all = [
            about(),
            About { policy: 72, ..about() },
            About { policy: usize::MAX, ..about() },
            About { saturated: true, ..about() },
            About { role: Some(&user), ..about() },
            About { role: Some(&tool), ..about() },
            About { role: Some(&other), ..about() },
            About { key: b"a", ..about() },
            About { key: b"b", ..about() },
            About { key: b"a", role: Some(&user), ..about() },
            About { form: Form::Arguments, ..about() },
            About { form: Form::Key, ..about() },
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                assert_ne!(
                    recall.place(&[b'a'; LEAST_BYTES], one),
                    recall.place(&[b'a'; LEAST_BYTES], other)
                );
            }
        }
    }

    #[test]
    fn short_texts_are_not_worth_it() {
        let recall = Recall::new(RandomState::new());
        let about = about();
        assert_eq!(recall.place(&[b'a'; LEAST_BYTES - 1], &about), None);
        assert!(recall.place(&[b'a'; LEAST_BYTES], &about).is_some());
    }
}
