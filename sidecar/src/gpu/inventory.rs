//! All sources, and which readings are whose.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use weir_settings::sidecar::{EndpointSettings, GpuSelector, GpuSettings};

use super::load::Load;
use super::reading::Reading;
use super::source::Source;
use crate::scrape::PollError;

/// Polls that may fail in a row before what a source said is forgotten.
const MISSED_POLLS: u32 = 3;

/// The GPUs that one replica runs on, as configured.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    host: IpAddr,
    selectors: Vec<GpuSelector>,
    /// Where nobody names any: those that a page labels with its pod, if it does.
    pod: Option<String>,
}

impl Wanted {
    /// Those of `endpoint`, which runs in `pod` if that is known.
    pub(crate) fn of(endpoint: &EndpointSettings, pod: Option<&str>) -> Self {
        let (host, selectors) = (endpoint.address.ip(), endpoint.gpus.clone());
        Self { host, selectors, pod: pod.map(str::to_owned) }
    }

    /// Whether it is named which they are.
    pub(crate) fn names_gpus(&self) -> bool {
        !self.selectors.is_empty()
    }
}

/// What a reading is found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// UUID of a GPU or MIG device.
    Uuid(String),
    /// Host and number.
    Slot(String, u32),
    /// With and without the namespace.
    Pod(String),
    Host(IpAddr),
}

/// Every source of readings.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    ignored: Vec<u32>,
    oldest: Duration,
    /// Of each pool, replicas by host that name no GPUs: two of them cannot be told apart by the host.
    unnamed: Mutex<HashMap<String, BTreeMap<IpAddr, usize>>>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    sources: Vec<Source>,
    /// Source and position of each reading.
    index: HashMap<Key, Vec<(usize, usize)>>,
}

/// What is known of one replica's GPUs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    pub(crate) load: Load,
    /// How many GPUs and instances were found.
    pub(crate) found: usize,
    /// Why there are none, where there should be some.
    pub(crate) reason: Option<&'static str>,
}

impl Inventory {
    /// The sources of `gpus`: its exporters in order, then NVML. What `previous` knows of a source that both have
    /// goes on.
    pub(crate) fn new(gpus: &GpuSettings, previous: Option<&Self>) -> Self {
        let exporters = gpus.exporters.iter();
        let mut sources: Vec<Source> = exporters
            .map(|exporter| Source::new(exporter.url.without_query(), exporter.hosts.clone()))
            .collect();
        sources.extend(gpus.nvml.as_ref().map(|it| Source::new("nvml".into(), it.hosts.clone())));
        if let Some(previous) = previous {
            let known = previous.seen();
            for source in &mut sources {
                if let Some(same) = known.sources.iter().find(|other| other.is_same(source)) {
                    *source = same.clone();
                }
            }
        }
        let mut seen = Seen { sources, index: HashMap::new() };
        seen.reindex();
        Self {
            ignored: gpus.ignore_xids.clone(),
            oldest: gpus.poll_interval * MISSED_POLLS + gpus.timeout,
            unnamed: Mutex::default(),
            seen: Mutex::new(seen),
        }
    }

    /// Takes how many replicas of a pool on each host name no GPUs.
    pub(crate) fn unnamed_of(&self, pool: &str, replicas: BTreeMap<IpAddr, usize>) {
        self.unnamed().insert(pool.to_owned(), replicas);
    }

    /// Takes what a look at source `index` brought, and logs what that changed.
    pub(crate) fn record(
        &self,
        index: usize,
        result: Result<Vec<Reading>, PollError>,
        now: Instant,
    ) {
        let mut seen = self.seen();
        let Some(source) = seen.sources.get_mut(index) else { return };
        source.record(result, now);
        let told = source.told();
        seen.reindex();
        // Logging may block on a slow terminal: not while others wait for the lock.
        drop(seen);
        if let Some(told) = told {
            told.log();
        }
    }

    /// What is known at `now` of the GPUs of a replica.
    pub(crate) fn joined(&self, wanted: &Wanted, now: Instant) -> Joined {
        let seen = self.seen();
        if seen.sources.is_empty() {
            return Joined::default();
        }
        let readings = seen.readings(wanted, now, self.oldest);
        let reason = match wanted.selectors.as_slice() {
            [] if self.is_crowded(wanted.host) && devices(&readings) > 1 => {
                return Joined {
                    reason: Some("several replicas and GPUs on this host: name each one's gpus"),
                    ..Joined::default()
                };
            }
            [] => None,
            _ => Some("no page has the GPUs that are named"),
        };
        Joined {
            load: Load::of(&readings, &self.ignored),
            found: readings.len(),
            reason: reason.filter(|_| readings.is_empty()),
        }
    }

    /// What all sources say now, for the agent's page.
    pub(crate) fn readings(&self, now: Instant) -> Vec<Reading> {
        let seen = self.seen();
        let all = seen.sources.iter().flat_map(|source| source.fresh(now, self.oldest));
        all.cloned().collect()
    }

    /// Why a source says nothing, if all of them do.
    pub(crate) fn unavailable(&self, now: Instant) -> Option<String> {
        let seen = self.seen();
        let silent = |source: &Source| source.fresh(now, self.oldest).is_empty();
        let reason = seen.sources.iter().find_map(|source| source.reason.clone());
        seen.sources
            .iter()
            .all(silent)
            .then(|| reason.unwrap_or_else(|| "nothing says anything of a GPU".to_owned()))
    }

    /// Whether there is any source.
    pub(crate) fn has_sources(&self) -> bool {
        !self.seen().sources.is_empty()
    }

    /// Lets `look` see every source.
    pub(crate) fn inspect(&self, mut look: impl FnMut(&Source)) {
        self.seen().sources.iter().for_each(&mut look);
    }

    fn is_crowded(&self, host: IpAddr) -> bool {
        let unnamed = self.unnamed();
        unnamed.values().filter_map(|replicas| replicas.get(&host)).sum::<usize>() > 1
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn unnamed(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<IpAddr, usize>>> {
        self.unnamed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn reindex(&mut self) {
        self.index.clear();
        for (at, source) in self.sources.iter().enumerate() {
            for (position, reading) in source.readings.iter().enumerate() {
                for key in keys(source, reading) {
                    self.index.entry(key).or_default().push((at, position));
                }
            }
        }
    }

    /// The fresh readings of a replica's GPUs, each GPU and instance once.
    fn readings(&self, wanted: &Wanted, now: Instant, oldest: Duration) -> Vec<&Reading> {
        let mut found: Vec<&Reading> = Vec::new();
        let mut take = |key: &Key, fits: &dyn Fn(&Reading) -> bool| {
            for (source, position) in self.index.get(key).into_iter().flatten() {
                let fresh = self.sources.get(*source).map(|source| source.fresh(now, oldest));
                let Some(reading) = fresh.and_then(|fresh| fresh.get(*position)) else { continue };
                let known = |other: &&Reading| same_gpu(other, reading);
                if fits(reading) && !found.iter().any(known) {
                    found.push(reading);
                }
            }
        };
        let pod = wanted.pod.clone().map(Key::Pod).filter(|pod| self.index.contains_key(pod));
        if wanted.selectors.is_empty() {
            take(&pod.unwrap_or(Key::Host(wanted.host)), &|_| true);
        }
        for selector in &wanted.selectors {
            let key = match selector {
                GpuSelector::Uuid { uuid, .. } => Key::Uuid(uuid.clone()),
                GpuSelector::Slot { host, index, .. } => Key::Slot(host.clone(), *index),
                GpuSelector::Pod(pod) => Key::Pod(pod.clone()),
            };
            // Heat and faults are of the whole GPU, whichever instance of it is meant.
            let instance = selector.instance();
            take(&key, &|one| instance.is_none() || one.instance == instance || !one.is_part());
        }
        self.add_whole(found, now, oldest)
    }

    /// A MIG device that is named by its own UUID, with what is known of its GPU.
    fn add_whole<'a>(
        &'a self,
        mut found: Vec<&'a Reading>,
        now: Instant,
        oldest: Duration,
    ) -> Vec<&'a Reading> {
        let parts: Vec<&Reading> = found.iter().copied().filter(|one| one.is_part()).collect();
        let all = || self.sources.iter().flat_map(|source| source.fresh(now, oldest));
        for part in parts {
            let whole = |one: &&Reading| !one.is_part() && one.uuid == part.uuid;
            if !part.uuid.is_empty() && !found.iter().any(whole) {
                found.extend(all().find(whole));
            }
        }
        found
    }
}

/// Whether both are of one GPU or instance: two sources may show it.
fn same_gpu(one: &Reading, other: &Reading) -> bool {
    let place = |of: &Reading| match of.uuid.is_empty() {
        true => (String::new(), of.host.clone(), of.index),
        false => (of.uuid.clone(), String::new(), None),
    };
    place(one) == place(other) && (one.instance, &one.mig_uuid) == (other.instance, &other.mig_uuid)
}

fn keys<'a>(source: &'a Source, reading: &'a Reading) -> impl Iterator<Item = Key> + 'a {
    let uuids = [Some(&reading.uuid), reading.mig_uuid.as_ref()].into_iter().flatten();
    let uuids = uuids.filter(|uuid| !uuid.is_empty()).cloned().map(Key::Uuid);
    let slot = reading.index.map(|index| Key::Slot(reading.host.clone(), index));
    let pods = reading.pods.iter().flat_map(|pod| {
        let name = pod.rsplit('/').next().unwrap_or_default();
        [pod.as_str(), name].map(|pod| Key::Pod(pod.to_owned()))
    });
    let hosts = source.hosts.iter().copied().map(Key::Host);
    uuids.chain(slot).chain(pods).chain(hosts)
}

/// GPUs among `readings`, whatever the number of their instances.
fn devices(readings: &[&Reading]) -> usize {
    let places: std::collections::BTreeSet<_> =
        readings.iter().map(|one| (&one.uuid, &one.host, one.index)).collect();
    places.len()
}

#[cfg(test)]
mod tests;
