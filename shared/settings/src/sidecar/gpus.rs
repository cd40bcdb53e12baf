//! Where readings of GPUs come from, and which GPUs a replica runs on.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::Deserialize;

use super::HttpUrl;
use super::access::{AccessSettings, RawAccess};
use super::checks::quoted;
use crate::SettingsError;
use crate::duration::{Bounds, bounded};

/// NVIDIA's exporter samples anew every 30 s unless told otherwise, NVML every 100 ms to 1 s.
const POLL_INTERVAL: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// An exporter that asks its driver for eight GPUs takes some tens of ms.
const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// Most pages of GPUs: one per host of the largest pool.
const MAX_EXPORTERS: usize = 4096;

/// Most GPUs of one replica: more than one NVLink domain has (72).
const MAX_GPUS_PER_REPLICA: usize = 128;

/// Longest name of a GPU, host or pod in bytes.
const MAX_SELECTOR_BYTES: usize = 256;

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGpus {
    /// How often each page, and NVML, is read: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub poll_interval: Option<String>,
    /// How long one poll may take: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Pages of DCGM exporters, or of `weir-sidecar agent`.
    #[serde(default)]
    pub exporters: Vec<RawExporter>,
    /// TLS, token and HTTP version of the polls of these pages.
    #[serde(default)]
    pub access: RawAccess,
    /// This machine's own GPUs, read through NVML.
    #[serde(default)]
    pub nvml: Option<RawNvml>,
    /// Faults (Xid) that don't count as a failed GPU, beside those of programs (13, 31, 43, 45, 68, 109).
    #[serde(default)]
    pub ignore_xids: Vec<u32>,
}

/// One page as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExporter {
    /// Where the page is, such as `http://10.0.0.7:9400/metrics`.
    pub url: String,
    /// IP addresses of the host whose GPUs it shows: replicas there run on them, unless they name
    /// theirs. The URL's own address if not given.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// NVML as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNvml {
    /// IP addresses of this machine in `endpoints`: 127.0.0.1 if not given.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The library to load: `libnvidia-ml.so.1` if not given.
    #[serde(default)]
    pub library: Option<String>,
}

/// Compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuSettings {
    /// Time between two polls of a page.
    pub poll_interval: Duration,
    /// How long one poll may take.
    pub timeout: Duration,
    /// Pages, no URL twice.
    pub exporters: Vec<ExporterSettings>,
    /// TLS, token and HTTP version of the polls.
    pub access: AccessSettings,
    /// This machine's own GPUs.
    pub nvml: Option<NvmlSettings>,
    /// Xids that don't count as a failed GPU.
    pub ignore_xids: Vec<u32>,
}

/// One page of GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterSettings {
    /// Where it is.
    pub url: HttpUrl,
    /// Whose GPUs it shows; empty where only names of GPUs tell.
    pub hosts: Vec<IpAddr>,
}

/// NVML on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NvmlSettings {
    /// This machine's addresses in `endpoints`.
    pub hosts: Vec<IpAddr>,
    /// The library to load instead of the system's.
    pub library: Option<String>,
}

/// Which GPUs a replica runs on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GpuSelector {
    /// `GPU-…` or `MIG-…`, and the id of a GPU instance (MIG) after a `/`.
    Uuid {
        /// As NVIDIA's tools print it.
        uuid: String,
        /// One instance of it; all of the GPU if not given.
        instance: Option<u32>,
    },
    /// `HOST/INDEX`, and the id of a GPU instance after another `/`.
    Slot {
        /// The host's name, as the page labels it.
        host: String,
        /// Number of the GPU on that host.
        index: u32,
        /// One instance of it.
        instance: Option<u32>,
    },
    /// `pod=NAME` or `pod=NAMESPACE/NAME`: what the page labels with that pod.
    Pod(String),
}

impl GpuSelector {
    /// The instance (MIG) that is meant, if it is one.
    #[must_use]
    pub fn instance(&self) -> Option<u32> {
        match self {
            Self::Uuid { instance, .. } | Self::Slot { instance, .. } => *instance,
            Self::Pod(_) => None,
        }
    }

    fn parse(field: &str, text: &str) -> Result<Self, SettingsError> {
        let problem =
            "is no GPU-UUID, MIG-UUID, HOST/INDEX (each with /INSTANCE if need be) or pod=NAME";
        let invalid = || SettingsError::invalid(field, quoted(text), problem);
        if text.len() > MAX_SELECTOR_BYTES || text.chars().any(char::is_control) {
            return Err(invalid());
        }
        if let Some(pod) = text.strip_prefix("pod=") {
            return if pod.is_empty() { Err(invalid()) } else { Ok(Self::Pod(pod.to_owned())) };
        }
        let mut parts = text.split('/');
        let name = parts.next().filter(|name| !name.is_empty()).ok_or_else(invalid)?;
        let mut number = || match parts.next() {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| invalid()),
        };
        let (first, second, more) = (number()?, number()?, number()?);
        let is_uuid = name.starts_with("GPU-") || name.starts_with("MIG-");
        match (first, second, more) {
            (instance, None, None) if is_uuid => Ok(Self::Uuid { uuid: name.to_owned(), instance }),
            (Some(index), instance, None) if !is_uuid => {
                Ok(Self::Slot { host: name.to_owned(), index, instance })
            }
            _ => Err(invalid()),
        }
    }
}

/// The GPUs that one replica names.
pub(super) fn selectors(
    field: &str,
    written: &[String],
) -> Result<Vec<GpuSelector>, SettingsError> {
    if written.len() > MAX_GPUS_PER_REPLICA {
        let problem = format!("entries, at most {MAX_GPUS_PER_REPLICA}");
        return Err(SettingsError::invalid(field, written.len(), problem));
    }
    let numbered = written.iter().enumerate();
    numbered.map(|(at, text)| GpuSelector::parse(&format!("{field}[{at}]"), text)).collect()
}

impl TryFrom<RawGpus> for GpuSettings {
    type Error = SettingsError;

    fn try_from(raw: RawGpus) -> Result<Self, SettingsError> {
        let duration = |field: &str, written: Option<String>, bounds| {
            bounded(&format!("gpus.{field}"), written.as_deref(), bounds)
        };
        Ok(Self {
            poll_interval: duration("poll_interval", raw.poll_interval, &POLL_INTERVAL)?,
            timeout: duration("timeout", raw.timeout, &TIMEOUT)?,
            exporters: exporters(&raw.exporters)?,
            access: raw.access.compile("gpus.access")?,
            nvml: raw.nvml.map(nvml).transpose()?,
            ignore_xids: raw.ignore_xids,
        })
    }
}

fn exporters(written: &[RawExporter]) -> Result<Vec<ExporterSettings>, SettingsError> {
    if written.len() > MAX_EXPORTERS {
        let problem = format!("entries, at most {MAX_EXPORTERS}");
        return Err(SettingsError::invalid("gpus.exporters", written.len(), problem));
    }
    let mut exporters: Vec<ExporterSettings> = Vec::with_capacity(written.len());
    for (at, raw) in written.iter().enumerate() {
        let field = format!("gpus.exporters[{at}]");
        let url = HttpUrl::parse(&format!("{field}.url"), &raw.url)?;
        if exporters.iter().any(|other| other.url == url) {
            return Err(SettingsError::invalid(format!("{field}.url"), "the URL", "stands twice"));
        }
        let mut hosts = addresses(&format!("{field}.hosts"), &raw.hosts)?;
        if raw.hosts.is_empty() {
            hosts.extend(url.host().parse::<IpAddr>().ok());
        }
        exporters.push(ExporterSettings { url, hosts });
    }
    Ok(exporters)
}

fn nvml(raw: RawNvml) -> Result<NvmlSettings, SettingsError> {
    let mut hosts = addresses("gpus.nvml.hosts", &raw.hosts)?;
    if hosts.is_empty() {
        hosts.push(Ipv4Addr::LOCALHOST.into());
    }
    match raw.library {
        Some(library) if library.is_empty() || library.contains('\0') => {
            Err(SettingsError::invalid("gpus.nvml.library", quoted(&library), "names no library"))
        }
        library => Ok(NvmlSettings { hosts, library }),
    }
}

fn addresses(field: &str, written: &[String]) -> Result<Vec<IpAddr>, SettingsError> {
    let numbered = written.iter().enumerate();
    let address = |(at, text): (usize, &String)| {
        let field = format!("{field}[{at}]");
        text.parse().map_err(|_| SettingsError::invalid(field, quoted(text), "is no IP address"))
    };
    numbered.map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(text: &str) -> Option<GpuSelector> {
        GpuSelector::parse("f", text).ok()
    }

    #[test]
    fn a_gpu_is_named_by_uuid_by_place_or_by_pod() {
        let uuid = |uuid: &str, instance| GpuSelector::Uuid { uuid: uuid.to_owned(), instance };
        let slot = |index, instance| GpuSelector::Slot { host: "node-7".into(), index, instance };
        for (text, expected) in [
            ("GPU-a1", Some(uuid("GPU-a1", None))),
            ("GPU-a1/7", Some(uuid("GPU-a1", Some(7)))),
            ("MIG-b2", Some(uuid("MIG-b2", None))),
            ("node-7/0", Some(slot(0, None))),
            ("node-7/3/7", Some(slot(3, Some(7)))),
            ("pod=vllm-0", Some(GpuSelector::Pod("vllm-0".into()))),
            ("pod=ns/vllm-0", Some(GpuSelector::Pod("ns/vllm-0".into()))),
            ("", None),
            ("0", None),
            ("node-7", None),
            ("node-7/x", None),
            ("/0", None),
            ("GPU-a1/1/2", None),
            ("node-7/1/2/3", None),
            ("pod=", None),
            ("a\nb/1", None),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
        assert_eq!(read(&format!("{}/0", "x".repeat(255))), None);
    }
}
