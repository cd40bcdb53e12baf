//! This machine's GPUs through NVML, which the driver brings: loaded when the sidecar runs, so that it also
//! starts where there is no driver.

use std::ffi::OsStr;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nvml_wrapper::Nvml as Library;
use nvml_wrapper::error::NvmlError;

use super::reading::Reading;
use super::sampler::Sampler;

/// How often it is tried again where there is no driver.
const RETRY: Duration = Duration::from_secs(60);

/// What is loaded unless configured. `libnvidia-ml.so`, without the number, comes with the CUDA toolkit alone.
pub(crate) const LIBRARY: &str = "libnvidia-ml.so.1";

/// A thread that reads the GPUs: calls into the driver may take seconds, and cannot be given up. Dropping it
/// lets the thread end.
#[derive(Debug)]
pub(crate) struct Nvml {
    _stop: Sender<()>,
}

/// Why NVML says nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NvmlFailure {
    /// No library, or no symbol in it.
    #[error("no NVML here ({0}): no NVIDIA driver, or not in this container, or a static binary")]
    Library(String),
    /// The driver refuses.
    #[error("NVML: {0}")]
    Driver(NvmlError),
}

impl From<NvmlError> for NvmlFailure {
    fn from(error: NvmlError) -> Self {
        match error {
            NvmlError::LibloadingError(_) | NvmlError::FailedToLoadSymbol(_) => {
                Self::Library(error.to_string())
            }
            error => Self::Driver(error),
        }
    }
}

impl Nvml {
    /// Reads the GPUs every `interval` and gives `sink` what there is.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        library: Option<&str>,
        interval: Duration,
        sink: impl FnMut(Result<Vec<Reading>, NvmlFailure>) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let library = library.unwrap_or(LIBRARY).to_owned();
        let thread = std::thread::Builder::new().name("nvml".to_owned());
        thread.spawn(move || read_for_ever(&library, interval, sink, &stopped))?;
        Ok(Self { _stop: stop })
    }
}

fn read_for_ever(
    library: &str,
    interval: Duration,
    mut sink: impl FnMut(Result<Vec<Reading>, NvmlFailure>),
    stopped: &Receiver<()>,
) {
    loop {
        let opened = Library::builder().lib_path(OsStr::new(library)).init();
        let ended = match opened {
            Ok(nvml) => read_until_failure(&nvml, interval, &mut sink, stopped),
            Err(error) => Some(error),
        };
        let Some(error) = ended else { return };
        sink(Err(error.into()));
        if is_stopped(stopped, RETRY) {
            return;
        }
    }
}

/// Reads until asked to end (`None`), or until the driver is gone, as after an update.
fn read_until_failure(
    nvml: &Library,
    interval: Duration,
    sink: &mut impl FnMut(Result<Vec<Reading>, NvmlFailure>),
    stopped: &Receiver<()>,
) -> Option<NvmlError> {
    let mut sampler = Sampler::new(nvml);
    loop {
        match sampler.sample() {
            Ok(readings) => sink(Ok(readings)),
            Err(error) => return Some(error),
        }
        if is_stopped(stopped, interval) {
            return None;
        }
    }
}

fn is_stopped(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
}
