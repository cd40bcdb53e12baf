//! Replicas from a file that is watched.
//!
//! Looked at once a second rather than through inotify: what Kubernetes mounts is replaced by way of symbolic links,
//! which a watch of the file would miss, and a look costs some µs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_settings::SettingsError;
use weir_settings::sidecar::{MetricsUrl, endpoints_of_file, line_of};

use super::board::Spoken;
use super::found::Found;
use super::pause::pause;
use crate::watched::Watched;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Why a file says nothing.
#[derive(Debug)]
enum Unusable {
    /// It cannot be read, which may pass without a change of the file: a disk that is away, or too many open files.
    Unread(String),
    /// What it says makes no sense.
    Senseless(String),
}

/// Says what the file at `path` lists, for ever. A file that cannot be used leaves the one before in force.
pub(super) async fn watch(path: PathBuf, metrics_url: MetricsUrl, slot: Spoken) {
    let mut watched = Watched::new([path.clone()]);
    let mut failures = 0;
    loop {
        let mut again = None;
        match read(&path, &metrics_url) {
            Ok(found) => slot.say(found),
            Err(Unusable::Senseless(error)) => slot.fail(&error),
            Err(Unusable::Unread(error)) => {
                failures += 1;
                again = Some(Instant::now() + pause(failures));
                slot.fail(&error);
            }
        }
        if again.is_none() {
            failures = 0;
        }
        while !watched.has_changed() && again.is_none_or(|again| Instant::now() < again) {
            sleep(LOOK).await;
        }
    }
}

fn read(path: &Path, metrics_url: &MetricsUrl) -> Result<Vec<Found>, Unusable> {
    let yaml = std::fs::read(path)
        .map_err(|error| Unusable::Unread(format!("cannot read {}: {error}", path.display())))?;
    let endpoints = endpoints_of_file(&yaml, metrics_url).map_err(|error| {
        let line = match &error {
            SettingsError::Invalid { field, .. } | SettingsError::Misfit { field, .. } => {
                line_of(&yaml, field)
            }
            SettingsError::Syntax(_) => None,
        };
        let line = line.map_or(String::new(), |line| format!(":{line}"));
        Unusable::Senseless(format!("{}{line}: {error}", path.display()))
    })?;
    Ok(endpoints.into_iter().map(Found::ready).collect())
}
