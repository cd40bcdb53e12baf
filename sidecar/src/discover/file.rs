//! Replicas from a file that is watched.
//!
//! Looked at once a second rather than through inotify: what Kubernetes mounts is replaced by way of symbolic links,
//! which a watch of the file would miss, and a look costs some µs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use weir_settings::SettingsError;
use weir_settings::sidecar::{MetricsUrl, endpoints_of_file, line_of};

use super::board::Spoken;
use super::found::Found;
use crate::watched::Watched;

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Says what the file at `path` lists, for ever. A file that cannot be used leaves the one before in force.
pub(super) async fn watch(path: PathBuf, metrics_url: MetricsUrl, slot: Spoken) {
    let mut watched = Watched::new([path.clone()]);
    loop {
        match read(&path, &metrics_url) {
            Ok(found) => slot.say(found),
            Err(error) => slot.fail(&error),
        }
        while !watched.has_changed() {
            sleep(LOOK).await;
        }
    }
}

fn read(path: &Path, metrics_url: &MetricsUrl) -> Result<Vec<Found>, String> {
    let yaml =
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let endpoints = endpoints_of_file(&yaml, metrics_url).map_err(|error| {
        let line = match &error {
            SettingsError::Invalid { field, .. } | SettingsError::Misfit { field, .. } => {
                line_of(&yaml, field)
            }
            SettingsError::Syntax(_) => None,
        };
        let line = line.map_or(String::new(), |line| format!(":{line}"));
        format!("{}{line}: {error}", path.display())
    })?;
    Ok(endpoints.into_iter().map(Found::ready).collect())
}
