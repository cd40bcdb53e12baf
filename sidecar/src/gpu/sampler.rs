//! What NVML says of each GPU at one moment.

use std::collections::HashMap;

use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::enums::gpm::GpmMetricId;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::gpm::gpm_metrics_get;
use nvml_wrapper::{Device, EventSet, GpmSample, Nvml};

use super::reading::{Field, Reading};

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// Most faults that are taken of one GPU at a time.
const MAX_EVENTS: usize = 64;

/// What NVML writes for a fault that it has no number for.
const UNKNOWN_XID: f64 = 999.0;

/// Activity as GPM measures it (Hopper and newer), and where it goes.
const ACTIVITY: [(GpmMetricId, Field); 3] = [
    (GpmMetricId::GraphicsUtil, Field::EngineActive),
    (GpmMetricId::AnyTensorUtil, Field::TensorActive),
    (GpmMetricId::DramBwUtil, Field::DramActive),
];

/// All GPUs, with what has to be kept between two looks.
pub(super) struct Sampler<'n> {
    nvml: &'n Nvml,
    host: String,
    kept: HashMap<u32, Kept<'n>>,
}

/// Of one GPU.
struct Kept<'n> {
    /// Tells of faults; `None` where the GPU cannot.
    events: Option<EventSet<'n>>,
    /// The last fault since the start; 0 for none.
    xid: f64,
    /// The sample that the next one is compared with.
    activity: Option<GpmSample<'n>>,
}

impl<'n> Sampler<'n> {
    pub(super) fn new(nvml: &'n Nvml) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { nvml, host, kept: HashMap::new() }
    }

    /// Every GPU, and every MIG device of it. What a GPU cannot tell is left out.
    ///
    /// # Errors
    /// NVML itself fails.
    pub(super) fn sample(&mut self) -> Result<Vec<Reading>, NvmlError> {
        let mut readings = Vec::new();
        for index in 0..self.nvml.device_count()? {
            // One that is lost must not hide the others.
            let Ok(device) = self.nvml.device_by_index(index) else { continue };
            let reading = self.read(&device, index);
            let parts = mig_devices(&device).map(|part| part_of(&reading, &part));
            readings.extend(parts.collect::<Vec<_>>());
            readings.push(reading);
        }
        Ok(readings)
    }

    fn read(&mut self, device: &Device<'n>, index: u32) -> Reading {
        let nvml = self.nvml;
        let mut reading = Reading {
            uuid: device.uuid().unwrap_or_default(),
            index: Some(index),
            host: self.host.clone(),
            model: device.name().unwrap_or_default(),
            ..Reading::default()
        };
        if let Ok(rates) = device.utilization_rates() {
            reading.set(Field::Use, rates.gpu.into());
            reading.set(Field::CopyUse, rates.memory.into());
        }
        note_memory(&mut reading, device);
        let temperature = device.temperature(TemperatureSensor::Gpu).ok().map(f64::from);
        reading.note(Field::Temperature, temperature);
        reading.note(Field::Power, device.power_usage().ok().map(|mw| f64::from(mw) / 1000.0));
        let reasons = device.current_throttle_reasons().ok().map(|reasons| reasons.bits());
        reading.note(Field::ThrottleReasons, reasons.and_then(low_bits));
        let kept = self.kept.entry(index).or_insert_with(|| Kept::of(nvml, device));
        reading.note(Field::Xid, kept.last_xid());
        for (field, share) in kept.activity(nvml, device) {
            reading.set(field, share);
        }
        reading
    }
}

impl<'n> Kept<'n> {
    fn of(nvml: &'n Nvml, device: &Device<'n>) -> Self {
        let set = nvml.create_event_set().ok();
        let events =
            set.and_then(|set| device.register_events(EventTypes::CRITICAL_XID_ERROR, set).ok());
        Self { events, xid: 0.0, activity: None }
    }

    /// The last fault; `None` where none would be told.
    fn last_xid(&mut self) -> Option<f64> {
        let events = self.events.as_ref()?;
        for _ in 0..MAX_EVENTS {
            // None waits, mostly.
            let Ok(event) = events.wait(0) else { break };
            match event.event_data {
                Some(XidError::Value(xid)) => self.xid = low_bits(xid).unwrap_or(UNKNOWN_XID),
                Some(XidError::Unknown) => self.xid = UNKNOWN_XID,
                None => {}
            }
        }
        Some(self.xid)
    }

    /// Shares of the time since the last look.
    fn activity(&mut self, nvml: &'n Nvml, device: &Device<'n>) -> Vec<(Field, f64)> {
        if !device.gpm_support().unwrap_or(false) {
            return Vec::new();
        }
        let Ok(sample) = device.gpm_sample() else { return Vec::new() };
        let before = self.activity.replace(sample);
        let (Some(before), Some(now)) = (before, &self.activity) else { return Vec::new() };
        let ids = ACTIVITY.map(|(id, _)| id);
        let metrics = gpm_metrics_get(nvml, &before, now, &ids).unwrap_or_default();
        let known = ACTIVITY.iter().zip(metrics).filter_map(|((_, field), metric)| {
            let share = metric.ok()?.value / 100.0;
            (0.0..=1.0).contains(&share).then_some((*field, share))
        });
        known.collect()
    }
}

fn mig_devices<'n>(device: &Device<'n>) -> impl Iterator<Item = Device<'n>> {
    let most = device.mig_device_count().unwrap_or(0);
    (0..most).filter_map(|index| device.mig_device_by_index(index).ok())
}

fn part_of(whole: &Reading, part: &Device<'_>) -> Reading {
    let mut reading = Reading {
        uuid: whole.uuid.clone(),
        index: whole.index,
        host: whole.host.clone(),
        model: part.name().unwrap_or_default(),
        mig_uuid: part.uuid().ok(),
        ..Reading::default()
    };
    note_memory(&mut reading, part);
    reading
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
fn note_memory(reading: &mut Reading, device: &Device<'_>) {
    if let Ok(memory) = device.memory_info() {
        let mib = |bytes: u64| bytes as f64 / BYTES_PER_MIB;
        reading.set(Field::MemoryUsed, mib(memory.used));
        reading.set(Field::MemoryFree, mib(memory.free));
        reading.set(Field::MemoryReserved, mib(memory.reserved));
    }
}

/// Numbers and bits of NVML that are in use have far less than 32 bits.
fn low_bits(value: u64) -> Option<f64> {
    u32::try_from(value).ok().map(f64::from)
}
