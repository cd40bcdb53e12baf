//! Log lines on standard error, as text or JSON.

use std::io::{IsTerminal, stderr};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use weir_settings::sidecar::{LogFormat, LogLevel, LogSettings};

/// Starts logging; to be called once.
///
/// # Errors
/// [`TryInitError`] if it has been started before.
pub fn start(settings: LogSettings) -> Result<(), TryInitError> {
    // Libraries speak up only about what is wrong with them.
    let targets = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("weir_sidecar", level(settings.level));
    let registry = tracing_subscriber::registry().with(targets);
    match settings.format {
        LogFormat::Text => {
            let lines = fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal());
            registry.with(lines).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().with_writer(stderr).json().flatten_event(true)).try_init()
        }
    }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
