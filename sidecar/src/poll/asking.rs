//! Which part of a page is asked for.
//!
//! Prometheus' Python client, which vLLM and SGLang use, can leave out all but named series (`name[]=`). A server
//! that starts such a client in another way answers with an empty page, and others ignore the names. So the part is
//! tried once the whole page has told what to expect of it, and not used where it has less.

use crate::scrape::{ModelServer, Page};

/// Pages below that are not worth a second form of them, in bytes.
const SMALL_BYTES: usize = 8 * 1024;

/// Whole pages after which a server that did not filter is tried again: it may be another one by then.
const TRIED_AGAIN: u32 = 6_000;

/// What is asked for.
#[derive(Debug, Default)]
pub(super) enum Asking {
    /// The whole page, for want of knowledge.
    #[default]
    Whole,
    /// The part, which has to have these.
    Trying(Known),
    /// The part.
    Part,
    /// The whole page because the server does not filter, that many times already.
    NoPart(u32),
}

/// Which values are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known([bool; 9]);

impl Known {
    fn of(Page { metrics, life, .. }: &Page) -> Self {
        Self([
            metrics.waiting.is_some(),
            metrics.running.is_some(),
            metrics.kv_cache_use.is_some(),
            metrics.block_size.is_some(),
            metrics.blocks.is_some(),
            metrics.max_lora.is_some(),
            metrics.first_tokens.is_some(),
            life.started.is_some(),
            life.counted.is_some(),
        ])
    }

    fn has(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, wanted)| *own || !wanted)
    }
}

impl Asking {
    /// Whether the part is to be asked for.
    pub(super) fn wants_part(&self) -> bool {
        matches!(self, Self::Trying(_) | Self::Part)
    }

    /// Takes a page that came whole, of `bytes`.
    pub(super) fn saw_whole(&mut self, server: &ModelServer, page: &Page, bytes: usize) {
        *self = match self {
            Self::NoPart(times) if *times < TRIED_AGAIN => Self::NoPart(*times + 1),
            _ if server.filters && bytes >= SMALL_BYTES => Self::Trying(Known::of(page)),
            _ => Self::Whole,
        };
    }

    /// Takes the part; false if it cannot be used.
    pub(super) fn saw_part(&mut self, page: Option<&Page>) -> bool {
        let good = match (&self, page) {
            (Self::Trying(expected), Some(page)) => Known::of(page).has(*expected),
            (_, page) => page.is_some(),
        };
        *self = match (&self, good) {
            (_, true) => Self::Part,
            (Self::Trying(_), false) => Self::NoPart(0),
            // What has filtered so far was perhaps replaced.
            (_, false) => Self::Whole,
        };
        good
    }
}

/// The query that asks for the series of `server` only.
pub(super) fn query(server: &ModelServer) -> String {
    let names =
        server.sample_names().map(|name| format!("name%5B%5D={}", name.replace(':', "%3A")));
    names.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::{Life, Metrics};
    use weir_settings::sidecar::ModelServerKind;

    fn vllm() -> std::sync::Arc<ModelServer> {
        ModelServer::of(ModelServerKind::Vllm).unwrap()
    }

    fn empty() -> Page {
        Page { metrics: Metrics::default(), life: Life::default(), flaw: None }
    }

    #[test]
    fn the_part_is_used_once_it_has_what_the_whole_had() {
        let page =
            |metrics, started| Page { metrics, life: Life { started, counted: None }, flaw: None };
        let known = Metrics { waiting: Some(1), blocks: Some(9), ..Metrics::default() };
        let whole = page(known.clone(), Some(1.5));
        let more = page(Metrics { running: Some(1), ..known.clone() }, Some(1.5));
        let less = page(Metrics { waiting: Some(1), ..Metrics::default() }, Some(1.5));
        let unborn = page(known, None);
        for (part, used) in [
            (Some(&whole), true),
            (Some(&more), true),
            (Some(&less), false),
            (Some(&unborn), false),
            (None, false),
        ] {
            let mut asking = Asking::default();
            assert!(!asking.wants_part());
            asking.saw_whole(&vllm(), &whole, 50_000);
            assert!(asking.wants_part());
            assert_eq!(asking.saw_part(part), used);
            assert_eq!(asking.wants_part(), used);
            asking.saw_whole(&vllm(), &whole, 50_000);
            assert_eq!(
                asking.wants_part(),
                used,
                "one that does not filter is left alone for a while"
            );
        }
    }

    #[test]
    fn a_part_that_fails_later_is_followed_by_the_whole_page() {
        let mut asking = Asking::Part;
        assert!(asking.saw_part(Some(&empty())));
        assert!(!asking.saw_part(None));
        assert!(!asking.wants_part());
    }

    #[test]
    fn small_pages_and_other_servers_are_asked_for_whole() {
        let mut asking = Asking::default();
        asking.saw_whole(&vllm(), &empty(), 1_000);
        assert!(!asking.wants_part());
        let tgi = ModelServer::of(ModelServerKind::Tgi).unwrap();
        asking.saw_whole(&tgi, &empty(), 50_000);
        assert!(!asking.wants_part());
    }

    #[test]
    fn the_query_names_every_series() {
        let query = query(&vllm());
        assert!(query.starts_with("name%5B%5D=vllm%3Anum_requests_waiting&name%5B%5D="), "{query}");
        assert!(query.contains("vllm%3Atime_to_first_token_seconds_sum"), "{query}");
    }
}
