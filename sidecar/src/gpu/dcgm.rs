//! Pages under the names of NVIDIA's DCGM exporter: read from it, and written by the agent.

use std::collections::HashMap;

use super::reading::{Field, Reading};
use crate::exposition::{Exposition, Kind};
use crate::scrape::{PageError, Sample, lines, text_of};

/// What the names of all series start with: other lines are skipped unread.
const PREFIX: &str = "DCGM_";

/// Most GPUs and instances of one page: 16 GPUs of seven instances are 128.
const MAX_READINGS: usize = 1024;

/// Longest label that is kept, in characters: names of pods have 253.
const MAX_LABEL_CHARS: usize = 256;

/// Faults counted over a window, each with its number as a label.
const XID_COUNTS: &str = "DCGM_EXP_XID_ERRORS_COUNT";

/// A series of the exporter (`etc/default-counters.csv` of version 4.8; throttle reasons are commented out there).
struct Series {
    name: &'static str,
    field: Field,
    /// Greatest value that can be true; what is over it is DCGM's sign for "no value", or nonsense.
    most: f64,
    help: &'static str,
}

const fn series(name: &'static str, field: Field, most: f64, help: &'static str) -> Series {
    Series { name, field, most, help }
}

/// Every series that is read or written. Of two with one field the first is written.
const SERIES: [Series; 13] = [
    series("DCGM_FI_DEV_GPU_UTIL", Field::Use, 100.0, "GPU utilization in percent."),
    series(
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        Field::EngineActive,
        1.0,
        "Share of time the engine was active.",
    ),
    series(
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        Field::TensorActive,
        1.0,
        "Share of time the tensor cores were active.",
    ),
    series(
        "DCGM_FI_PROF_DRAM_ACTIVE",
        Field::DramActive,
        1.0,
        "Share of time the memory was active.",
    ),
    series("DCGM_FI_DEV_MEM_COPY_UTIL", Field::CopyUse, 100.0, "Memory utilization in percent."),
    series("DCGM_FI_DEV_FB_USED", Field::MemoryUsed, 1e8, "Used memory in MiB."),
    series("DCGM_FI_DEV_FB_FREE", Field::MemoryFree, 1e8, "Free memory in MiB."),
    series("DCGM_FI_DEV_FB_RESERVED", Field::MemoryReserved, 1e8, "Reserved memory in MiB."),
    series("DCGM_FI_DEV_GPU_TEMP", Field::Temperature, 200.0, "Temperature in C."),
    series("DCGM_FI_DEV_POWER_USAGE", Field::Power, 1e5, "Power draw in W."),
    series("DCGM_FI_DEV_XID_ERRORS", Field::Xid, 65535.0, "Last Xid; 0 for none."),
    series(
        "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
        Field::ThrottleReasons,
        1e15,
        "Bits of why clocks are low.",
    ),
    series(
        "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS",
        Field::ThrottleReasons,
        1e15,
        "The same under its older name.",
    ),
];

/// Reads a page. Values that make no sense are left out.
///
/// # Errors
/// [`PageError`] if it is no text, or has no GPU.
pub(crate) fn read(page: &[u8]) -> Result<Vec<Reading>, PageError> {
    let (mut readings, mut places) = (Vec::new(), HashMap::new());
    for line in lines(text_of(page)?).filter(|line| line.starts_with(PREFIX)) {
        let name = line.split(['{', ' ', '\t']).next().unwrap_or_default();
        let Some(sample) = line.get(name.len()..).and_then(Sample::parse) else { continue };
        let value =
            if name == XID_COUNTS { counted_xid(&sample) } else { value_of(name, sample.value) };
        if let Some((field, value)) = value
            && let Some(reading) = reading_of(&sample, &mut readings, &mut places)
        {
            reading.set(field, value);
        }
    }
    if readings.is_empty() { Err(PageError::NoGpus) } else { Ok(readings) }
}

fn value_of(name: &str, value: f64) -> Option<(Field, f64)> {
    let series = SERIES.iter().find(|series| series.name == name)?;
    (0.0..=series.most).contains(&value).then_some((series.field, value))
}

/// A fault that was counted in the window, if there was one; that none was counted says nothing.
fn counted_xid(sample: &Sample<'_>) -> Option<(Field, f64)> {
    let xid: u16 = sample.label("xid")?.parse().ok()?;
    (sample.value > 0.0).then_some((Field::Xid, xid.into()))
}

/// The reading that a sample belongs to, made if it is the first.
fn reading_of<'r>(
    sample: &Sample<'_>,
    readings: &'r mut Vec<Reading>,
    places: &mut HashMap<[String; 4], usize>,
) -> Option<&'r mut Reading> {
    let text = |names: &[&str]| label(sample, names);
    let (uuid, gpu) = (text(&["UUID"]), text(&["gpu"]));
    let (instance, mig) = (text(&["GPU_I_ID"]), text(&["MIG_UUID"]));
    let index = gpu.parse().ok();
    // What is no GPU (a switch, a link, the host's CPU) has neither.
    if uuid.is_empty() && index.is_none() {
        return None;
    }
    let next = readings.len();
    let key = [uuid.clone(), gpu, instance.clone(), mig.clone()];
    let place = match places.get(&key) {
        Some(place) => *place,
        None if next >= MAX_READINGS => return None,
        None => {
            places.insert(key, next);
            let named = Reading {
                uuid,
                index,
                instance: instance.parse().ok(),
                mig_uuid: (!mig.is_empty()).then_some(mig),
                ..place_of(sample)
            };
            readings.push(named);
            next
        }
    };
    let reading = readings.get_mut(place)?;
    note_pod(sample, reading);
    Some(reading)
}

/// The value of the first of `names` that the sample has, cut to the longest label that is kept.
fn label(sample: &Sample<'_>, names: &[&str]) -> String {
    let value = names.iter().find_map(|name| sample.label(name)).unwrap_or_default();
    value.chars().take(MAX_LABEL_CHARS).collect()
}

/// A reading of which only the machine and the model are known.
fn place_of(sample: &Sample<'_>) -> Reading {
    Reading {
        // `Hostname` before release 4.7.
        host: label(sample, &["hostname", "Hostname"]),
        model: label(sample, &["modelName"]),
        ..Reading::default()
    }
}

/// Notes the pod that the sample says uses the GPU.
fn note_pod(sample: &Sample<'_>, reading: &mut Reading) {
    let namespace = label(sample, &["namespace", "pod_namespace"]);
    let pod = format!("{namespace}/{}", label(sample, &["pod", "pod_name"]));
    if !pod.ends_with('/') && reading.pods.len() < MAX_READINGS && !reading.pods.contains(&pod) {
        reading.pods.push(pod);
    }
}

/// Writes `readings` under the exporter's names.
pub(crate) fn write(page: &mut Exposition, readings: &[Reading]) {
    for (at, series) in SERIES.iter().enumerate() {
        let first = SERIES.iter().position(|other| other.field == series.field) == Some(at);
        if !first || readings.iter().all(|reading| reading.get(series.field).is_none()) {
            continue;
        }
        page.family(series.name, Kind::Gauge, series.help);
        for reading in readings {
            let Some(value) = reading.get(series.field) else { continue };
            let (gpu, instance) = (number(reading.index), number(reading.instance));
            let mut labels = vec![
                ("gpu", gpu.as_str()),
                ("UUID", reading.uuid.as_str()),
                ("modelName", reading.model.as_str()),
                ("hostname", reading.host.as_str()),
            ];
            labels.extend(reading.instance.map(|_| ("GPU_I_ID", instance.as_str())));
            labels.extend(reading.mig_uuid.as_deref().map(|uuid| ("MIG_UUID", uuid)));
            page.sample(series.name, &labels, value);
        }
    }
}

fn number(value: Option<u32>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
