//! What several sources say, for one reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::{info, warn};

use super::found::Found;

/// What each source of one reader last said.
#[derive(Debug)]
pub(crate) struct Board {
    sources: Mutex<Vec<Source>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Source {
    /// For people.
    name: String,
    said: Option<Arc<Vec<Found>>>,
    /// Why it cannot say anything new.
    error: Option<String>,
    /// `None` before it has said or failed anything.
    works: Option<bool>,
    failures: u64,
}

/// The place of one source on a board.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    board: Arc<Board>,
    at: usize,
    /// For whom it is, for people.
    reader: Arc<str>,
}

/// What is shown of a source.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) name: String,
    pub(crate) found: Option<usize>,
    pub(crate) error: Option<String>,
    pub(crate) failures: u64,
}

impl Board {
    /// A board without sources.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { sources: Mutex::default(), changed: Notify::new() })
    }

    /// A place for another source, which says something for `reader`. What one of that name had said on the board
    /// `before` holds until it says something itself.
    pub(crate) fn add(
        self: &Arc<Self>,
        name: String,
        reader: &str,
        before: Option<&Self>,
    ) -> Spoken {
        let known = before.and_then(|before| {
            let sources = before.sources();
            let known = sources.iter().find(|source| source.name == name)?;
            Some((known.said.clone(), known.failures))
        });
        let (said, failures) = known.unwrap_or_default();
        let mut sources = self.sources();
        sources.push(Source { name, said, failures, ..Source::default() });
        Spoken { board: Arc::clone(self), at: sources.len() - 1, reader: reader.into() }
    }

    /// Waits until a source has said something new since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What all sources say, in their order, and whether each has said something.
    pub(crate) fn all(&self) -> (Vec<Arc<Vec<Found>>>, bool) {
        let sources = self.sources();
        let said = sources.iter().filter_map(|source| source.said.clone()).collect::<Vec<_>>();
        let complete = said.len() == sources.len();
        (said, complete)
    }

    /// What is to be shown of the sources.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let shown = |source: &Source| Shown {
            name: source.name.clone(),
            found: source.said.as_ref().map(|said| said.len()),
            error: source.error.clone(),
            failures: source.failures,
        };
        self.sources().iter().map(shown).collect()
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn sources(&self) -> MutexGuard<'_, Vec<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spoken {
    /// The source knows of these and of no others.
    pub(crate) fn say(&self, found: Vec<Found>) {
        let count = found.len();
        let mut sources = self.board.sources();
        let Some(source) = sources.get_mut(self.at) else { return };
        source.error = None;
        let news_of_it = source.works.replace(true) != Some(true);
        let name = source.name.clone();
        let news = source.said.as_ref().is_none_or(|said| **said != found);
        if news {
            source.said = Some(Arc::new(found));
        }
        drop(sources);
        if news && count == 0 {
            warn!(
                reader = %self.reader,
                source = name,
                "source names nobody: look at the name, the selector or the file"
            );
        } else if news_of_it {
            info!(reader = %self.reader, source = name, found = count, "source works");
        }
        if news {
            self.board.changed.notify_one();
        }
    }

    /// The source cannot tell; what it said before holds.
    pub(crate) fn fail(&self, error: &dyn std::fmt::Display) {
        let mut sources = self.board.sources();
        let Some(source) = sources.get_mut(self.at) else { return };
        let reason = error.to_string();
        source.error = Some(reason.clone());
        source.failures = source.failures.saturating_add(1);
        let news_of_it = source.works.replace(false) != Some(false);
        let name = source.name.clone();
        drop(sources);
        if news_of_it {
            warn!(
                reader = %self.reader,
                source = name,
                reason,
                "source does not work: what it said before holds"
            );
        }
    }
}
