//! Load that a replica reports with a response: ORCA's header `endpoint-load-metrics`, in the formats TEXT and JSON.
//!
//! ```text
//! TEXT named_metrics.kv_cache_usage_perc=0.4, named_metrics.num_requests_waiting=3
//! JSON {"named_metrics":{"kv_cache_usage_perc":0.4,"num_requests_waiting":3}}
//! ```
//!
//! vLLM sends these two (its change #24905) to whoever asks with `endpoint-load-metrics-format`, Triton
//! `kv_cache_utilization` (#7839). What else a report says (ORCA's own `cpu_utilization`, `rps_fractional`, …) is passed
//! over. ORCA's third format, BIN, is a protobuf that no model server sends; it counts as malformed.

use serde_json::{Map, Value};

/// Longest header that is read, in bytes. vLLM's has some 90.
pub const MAX_ORCA_BYTES: usize = 4096;

/// A share may be over 1 by this much through rounding.
const ROUNDING: f64 = 1e-3;

/// What the named metrics of TEXT begin with.
const NAMED: &str = "named_metrics.";

/// What a replica reports of itself; what it doesn't report is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadReport {
    /// Requests in the queue.
    pub waiting: Option<u32>,
    /// Requests being served.
    pub running: Option<u32>,
    /// Share of the KV cache in use, 0 to 1.
    pub kv_cache_use: Option<f32>,
}

/// Why a header is no report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrcaError {
    /// Longer than any report.
    #[error("{0} bytes, at most {MAX_ORCA_BYTES}")]
    TooLong(usize),
    /// Neither `TEXT` nor `JSON`, or no text.
    #[error("the format is neither TEXT nor JSON")]
    Format,
    /// What follows is not of the format.
    #[error("not of its own format")]
    Malformed,
    /// A value that cannot be.
    #[error("the value of {0} is out of range")]
    OutOfRange(&'static str),
}

/// A metric that means something to a pick.
enum Meaning {
    Waiting,
    Running,
    KvCacheUse,
}

/// Names of vLLM, and for the cache Triton's.
const NAMES: [(&str, Meaning); 4] = [
    ("num_requests_waiting", Meaning::Waiting),
    ("num_requests_running", Meaning::Running),
    ("kv_cache_usage_perc", Meaning::KvCacheUse),
    ("kv_cache_utilization", Meaning::KvCacheUse),
];

impl LoadReport {
    /// Reads the value of the header. A report without a metric that is known here is an empty one.
    ///
    /// # Errors
    /// [`OrcaError`]; then nothing of it is to be used.
    pub fn parse(header: &[u8]) -> Result<Self, OrcaError> {
        if header.len() > MAX_ORCA_BYTES {
            return Err(OrcaError::TooLong(header.len()));
        }
        let text = std::str::from_utf8(header).map_err(|_| OrcaError::Format)?.trim();
        let (format, rest) = text.split_once(' ').ok_or(OrcaError::Format)?;
        if format.eq_ignore_ascii_case("TEXT") {
            Self::of_text(rest)
        } else if format.eq_ignore_ascii_case("JSON") {
            Self::of_json(rest)
        } else {
            Err(OrcaError::Format)
        }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn of_text(text: &str) -> Result<Self, OrcaError> {
        let mut report = Self::default();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(OrcaError::Malformed)?;
            let value = value.trim().parse::<f64>().map_err(|_| OrcaError::Malformed)?;
            if let Some(name) = name.trim().strip_prefix(NAMED) {
                report.note(name, value)?;
            }
        }
        Ok(report)
    }

    fn of_json(text: &str) -> Result<Self, OrcaError> {
        let read: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| OrcaError::Malformed)?;
        let mut report = Self::default();
        let named = match read.get("named_metrics") {
            None => return Ok(report),
            Some(Value::Object(named)) => named,
            Some(_) => return Err(OrcaError::Malformed),
        };
        for (name, value) in named {
            report.note(name, value.as_f64().ok_or(OrcaError::Malformed)?)?;
        }
        Ok(report)
    }

    fn note(&mut self, name: &str, value: f64) -> Result<(), OrcaError> {
        let Some((name, meaning)) = NAMES.iter().find(|(known, _)| *known == name) else {
            return Ok(());
        };
        let invalid = OrcaError::OutOfRange(name);
        match meaning {
            Meaning::Waiting => self.waiting = Some(count(value).ok_or(invalid)?),
            Meaning::Running => self.running = Some(count(value).ok_or(invalid)?),
            Meaning::KvCacheUse => self.kv_cache_use = Some(share(value).ok_or(invalid)?),
        }
        Ok(())
    }
}

/// A float to an integer saturates, and the value was checked.
fn count(value: f64) -> Option<u32> {
    (0.0..=f64::from(u32::MAX)).contains(&value).then_some(value as u32)
}

fn share(value: f64) -> Option<f32> {
    (0.0..=1.0 + ROUNDING).contains(&value).then_some(value.min(1.0) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(not(target_arch = "wasm32"))]
    use proptest::prelude::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn report(waiting: Option<u32>, running: Option<u32>, cache: Option<f32>) -> LoadReport {
        LoadReport { waiting, running, kv_cache_use: cache }
    }

    #[test]
    fn both_formats_say_the_same() {
        let both = report(Some(3), None, Some(0.4));
        for (header, expected) in [
            (
                "TEXT named_metrics.kv_cache_usage_perc=0.4,named_metrics.num_requests_waiting=3",
                both,
            ),
            (
                "TEXT named_metrics.num_requests_waiting=3.0, named_metrics.kv_cache_usage_perc=0.4",
                both,
            ),
            (
                r#"JSON {"named_metrics":{"kv_cache_usage_perc":0.4,"num_requests_waiting":3}}"#,
                both,
            ),
            (
                r#"json {"cpu_utilization":0.3,"named_metrics":{"kv_cache_utilization":0.4,"num_requests_waiting":3,"max_token_capacity":9}}"#,
                both,
            ),
            (
                "TEXT named_metrics.num_requests_running=7, cpu_utilization=0.2,",
                report(None, Some(7), None),
            ),
            ("TEXT named_metrics.kv_cache_usage_perc=1.0004", report(None, None, Some(1.0))),
            ("TEXT cpu_utilization=0.3", LoadReport::default()),
            // Not among the named ones, so it is somebody else's.
            ("TEXT num_requests_waiting=3", LoadReport::default()),
            ("JSON {}", LoadReport::default()),
        ] {
            assert_eq!(LoadReport::parse(header.as_bytes()), Ok(expected), "{header}");
        }
        assert!(LoadReport::default().is_empty() && !both.is_empty());
    }

    #[test]
    fn what_is_no_report_is_refused_whole() {
        let long = format!("TEXT {}", "x".repeat(MAX_ORCA_BYTES));
        for (header, expected) in [
            (&b""[..], OrcaError::Format),
            (b"TEXT", OrcaError::Format),
            (b"BIN CgI=", OrcaError::Format),
            (b"\xff\xfe x", OrcaError::Format),
            (long.as_bytes(), OrcaError::TooLong(MAX_ORCA_BYTES + 5)),
            (b"TEXT named_metrics.num_requests_waiting", OrcaError::Malformed),
            (b"TEXT named_metrics.num_requests_waiting=many", OrcaError::Malformed),
            (b"JSON {\"named_metrics\":{\"num_requests_waiting\":\"3\"}}", OrcaError::Malformed),
            (b"JSON {\"named_metrics\":", OrcaError::Malformed),
            (b"JSON []", OrcaError::Malformed),
            (b"JSON {\"named_metrics\":[]}", OrcaError::Malformed),
            (
                b"TEXT named_metrics.num_requests_waiting=-1",
                OrcaError::OutOfRange("num_requests_waiting"),
            ),
            (
                b"TEXT named_metrics.num_requests_waiting=4294967296",
                OrcaError::OutOfRange("num_requests_waiting"),
            ),
            (
                b"TEXT named_metrics.kv_cache_usage_perc=NaN",
                OrcaError::OutOfRange("kv_cache_usage_perc"),
            ),
            (
                b"TEXT named_metrics.kv_cache_usage_perc=inf",
                OrcaError::OutOfRange("kv_cache_usage_perc"),
            ),
            (
                b"JSON {\"named_metrics\":{\"kv_cache_usage_perc\":1.1}}",
                OrcaError::OutOfRange("kv_cache_usage_perc"),
            ),
        ] {
            assert_eq!(
                LoadReport::parse(header),
                Err(expected),
                "{}",
                String::from_utf8_lossy(header)
            );
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest! {
        #[test]
        fn any_bytes_are_a_report_within_its_ranges_or_none(bytes in any::<Vec<u8>>(), format in "TEXT |JSON |json |") {
            let header = [format.as_bytes(), &bytes].concat();
            if let Ok(report) = LoadReport::parse(&header) {
                prop_assert!(report.kv_cache_use.is_none_or(|used| (0.0..=1.0).contains(&used)));
            }
        }

        #[test]
        fn what_a_replica_writes_is_read(waiting in any::<u32>(), running in any::<u32>(), used in 0.0_f32..=1.0) {
            let text = format!("TEXT named_metrics.num_requests_waiting={waiting}, named_metrics.num_requests_running={running},named_metrics.kv_cache_usage_perc={used}");
            let json = format!(r#"JSON {{"named_metrics":{{"num_requests_waiting":{waiting},"num_requests_running":{running},"kv_cache_usage_perc":{used}}}}}"#);
            let expected = Ok(report(Some(waiting), Some(running), Some(used)));
            prop_assert_eq!(LoadReport::parse(text.as_bytes()), expected);
            prop_assert_eq!(LoadReport::parse(json.as_bytes()), expected);
        }
    }
}
