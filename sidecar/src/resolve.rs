//! What `--check --resolve` adds: whether names and files can be found now, from this machine.

use std::fmt::Write;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use weir_settings::sidecar::Discovery;

use crate::Config;
use crate::discover::{Board, Sources};

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether they have come.
const LOOK: Duration = Duration::from_millis(20);

/// A line for each name and file that `config` finds replicas or gateways by: how many it names, or a warning. What the
/// Kubernetes API knows is not asked for.
pub async fn resolve(config: &Config) -> String {
    let (board, mut sources, mut tasks) = (Board::new(), Sources::new(config), JoinSet::new());
    let settings = &config.settings;
    let template = settings.pools.first().map(|pool| &pool.metrics_url);
    let gateways = settings.discover_gateways.iter().zip(template.into_iter().cycle());
    let replicas = settings
        .pools
        .iter()
        .flat_map(|pool| pool.discover.iter().map(move |source| (source, &pool.metrics_url)));
    for (source, metrics_url) in gateways.chain(replicas) {
        if matches!(source, Discovery::EndpointSlices { .. } | Discovery::InferencePool { .. }) {
            continue;
        }
        let slot = board.add(source.to_string(), "check", None);
        if let Err(error) = sources.start(source, metrics_url, slot.clone(), &mut tasks) {
            slot.fail(&error);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    let waits = || board.shown().iter().any(|it| it.found.is_none() && it.error.is_none());
    while waits() && Instant::now() < deadline {
        sleep(LOOK).await;
    }
    told(&board)
}

/// A line for each source.
fn told(board: &Board) -> String {
    let mut text = String::new();
    for source in board.shown() {
        let name = source.name;
        // Writing to a string cannot fail.
        let _ = match (source.found, source.error) {
            (Some(0), _) => writeln!(text, "warning: {name} names nobody now"),
            (Some(found), _) => writeln!(text, "{name}: {found} found"),
            (None, Some(error)) => writeln!(text, "warning: {name}: {error}"),
            (None, None) => writeln!(text, "warning: {name}: no answer within {PATIENCE:?}"),
        };
    }
    text
}
