//! Which metrics of which model server mean what.

mod known;
mod table;

use std::sync::{Arc, LazyLock};

use weir_settings::sidecar::{MappedSeries, MappedValue, ModelServerKind, PoolSettings};

use known::ALL;
use table::series;

pub(crate) use table::{Meaning, ModelServer, Series};

/// Of Prometheus' own client libraries, whatever the server; a server of several processes has no such line.
static STARTED: LazyLock<Series> =
    LazyLock::new(|| series("process_start_time_seconds", Meaning::Started));

impl ModelServer {
    /// The table of a server; `None` where the page has to tell.
    pub(crate) fn of(kind: ModelServerKind) -> Option<Arc<Self>> {
        let at = match kind {
            ModelServerKind::Auto => return None,
            ModelServerKind::Vllm => 0,
            ModelServerKind::Sglang => 1,
            ModelServerKind::Trtllm => 2,
            ModelServerKind::Triton => 3,
            ModelServerKind::Tgi => 4,
            ModelServerKind::Llamacpp => 5,
            ModelServerKind::Lmdeploy => 6,
            ModelServerKind::Nim => 7,
        };
        ALL.get(at).cloned()
    }

    /// The table for a pool: its own mapping, or that of the server it names.
    pub(crate) fn of_pool(settings: &PoolSettings) -> Option<Arc<Self>> {
        if settings.series.is_empty() {
            return Self::of(settings.server);
        }
        let series = settings.series.iter().map(mapped).collect();
        Some(Arc::new(Self { name: "the pool's series", prefix: "", filters: false, series }))
    }

    /// The server whose names stand on a page with these lines.
    pub(crate) fn detect<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Arc<Self>> {
        let mut best = None;
        for line in lines {
            let before = best.unwrap_or(ALL.len());
            let found =
                ALL.iter().take(before).position(|server| server.named(line).next().is_some());
            best = found.or(best);
            if best == Some(0) {
                break;
            }
        }
        ALL.get(best?).cloned()
    }

    /// The series that have the name of `line`, and what follows the name: several where a label
    /// decides.
    pub(crate) fn named<'a, 's>(
        &'s self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'s Series, &'a str)> + use<'a, 's> {
        let series = if line.starts_with(self.prefix) { self.series.as_slice() } else { &[] };
        series.iter().filter_map(move |series| after(series, line))
    }

    /// The same, and what every server may say of its process.
    pub(crate) fn named_or_common<'a, 's>(
        &'s self,
        line: &'a str,
    ) -> impl Iterator<Item = (&'s Series, &'a str)> + use<'a, 's> {
        self.named(line).chain(after(&STARTED, line))
    }

    /// The names of all its samples, each once.
    pub(crate) fn sample_names(&self) -> impl Iterator<Item = &str> {
        let before = |at: usize, name: &str| self.series.iter().take(at).any(|it| it.name == name);
        let names = self.series.iter().enumerate();
        let own =
            names.filter(move |(at, it)| !before(*at, &it.name)).map(|(_, it)| it.name.as_ref());
        own.chain([STARTED.name.as_ref()])
    }
}

/// The series, and what follows its name, if the line has that.
fn after<'a, 's>(series: &'s Series, line: &'a str) -> Option<(&'s Series, &'a str)> {
    let rest = line.strip_prefix(series.name.as_ref())?;
    rest.starts_with(['{', ' ', '\t']).then_some((series, rest))
}

fn mapped(from: &MappedSeries) -> Series {
    let owned = |(name, value): &(String, String)| (name.clone().into(), value.clone().into());
    Series {
        name: from.name.clone().into(),
        labels: from.labels.iter().map(owned).collect(),
        scale: from.scale,
        meaning: match from.value {
            MappedValue::Waiting => Meaning::Waiting,
            MappedValue::Running => Meaning::Running,
            MappedValue::KvCacheUse => Meaning::KvCacheUse,
            MappedValue::BlockSize => Meaning::BlockSize,
            MappedValue::Blocks => Meaning::Blocks,
        },
    }
}
