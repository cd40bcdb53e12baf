//! How Envoy is run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How Envoy is run.
#[derive(Clone, Debug)]
pub struct EnvoyOptions {
    /// Worker threads.
    pub concurrency: u32,
    /// `trace`, `debug`, `info`, `warning`, `error`.
    pub log_level: String,
    /// Levels of single components, such as `wasm:debug`; may be empty.
    pub component_log_level: String,
    /// Environment variables of the process.
    pub environment: Vec<(String, String)>,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// The binary; the one of [`crate::workspace::envoy`] when absent.
    pub binary: Option<PathBuf>,
}

impl Default for EnvoyOptions {
    fn default() -> Self {
        Self {
            concurrency: 2,
            log_level: "warning".to_owned(),
            component_log_level: "wasm:info".to_owned(),
            environment: Vec::new(),
            arguments: Vec::new(),
            binary: None,
        }
    }
}

impl EnvoyOptions {
    /// The same with one environment variable more.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn command_line(&self, config: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--config-path".into(), config.into()];
        // Hot restart shares memory between Envoys of one base id; tests run many side by side.
        arguments.push("--disable-hot-restart".into());
        arguments.extend(["--concurrency".into(), self.concurrency.to_string().into()]);
        arguments.extend(["--log-level".into(), self.log_level.clone().into()]);
        if !self.component_log_level.is_empty() {
            let levels = self.component_log_level.clone();
            arguments.extend(["--component-log-level".into(), levels.into()]);
        }
        arguments.extend(self.arguments.iter().map(OsString::from));
        arguments
    }
}
