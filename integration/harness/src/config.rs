//! Envoy configurations as shipped, moved to free ports and to the modules that were built.

use std::path::Path;

use serde_json::Value;

use crate::error::HarnessError;
use crate::ports::Ports;
use crate::workspace;

/// A configuration file under preparation.
#[derive(Clone, Debug)]
pub struct EnvoyConfig {
    name: String,
    text: String,
    ports: Ports,
}

impl EnvoyConfig {
    /// Reads a file of the repository, such as `envoy-config/quickstart.yaml`, and finds a free port
    /// for each that it names.
    ///
    /// # Errors
    /// When the file can't be read or there are no free ports.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, HarnessError> {
        let path = workspace::file(path);
        let text = std::fs::read_to_string(&path).map_err(HarnessError::file(&path))?;
        Self::from_text(path.display().to_string(), text)
    }

    /// Takes YAML as a test wrote it, with the same well-known ports and module paths as the shipped
    /// files; `name` is shown in errors.
    ///
    /// # Errors
    /// When there are no free ports.
    pub fn from_text(
        name: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<Self, HarnessError> {
        Ok(Self { name: name.into(), text: text.into(), ports: Ports::allocate()? })
    }

    /// Which port stands for which; also rewrites files that belong to this one, like the sidecar's.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Changes which port stands for which.
    pub fn ports_mut(&mut self) -> &mut Ports {
        &mut self.ports
    }

    /// The same configuration on other ports, for two Envoys that share replicas.
    pub fn with_ports(self, ports: Ports) -> Self {
        Self { ports, ..self }
    }

    /// Replaces a piece of the text as shipped.
    ///
    /// # Errors
    /// When the piece does not occur, so that a changed file can't silently drop what a test needs.
    pub fn replace(mut self, from: &str, to: &str) -> Result<Self, HarnessError> {
        if !self.text.contains(from) {
            let problem = format!("the text to be replaced does not occur: {from}");
            return Err(HarnessError::Config { name: self.name, problem });
        }
        self.text = self.text.replace(from, to);
        Ok(self)
    }

    /// Changes the configuration as data. Its text is JSON from then on, which is YAML too.
    ///
    /// # Errors
    /// When the text is no YAML.
    pub fn edited(mut self, change: impl FnOnce(&mut Value)) -> Result<Self, HarnessError> {
        let mut value: Value = serde_saphyr::from_str(&self.text).map_err(|error| {
            HarnessError::Config { name: self.name.clone(), problem: error.to_string() }
        })?;
        change(&mut value);
        self.text = format!("{value:#}");
        Ok(self)
    }

    /// Where the text comes from.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The YAML for Envoy: actual ports, actual modules; for an Envoy before 1.40 without the filters that unpack
    /// compressed bodies, as `cargo xtask configs --older` writes it.
    ///
    /// # Errors
    /// When a module that it names is missing or stale, or there is no Envoy.
    pub fn rendered(&self) -> Result<String, HarnessError> {
        let text = rewrite_modules(&self.ports.rewrite(&self.text), workspace::module)?;
        if workspace::envoy_version()? >= UNPACKS {
            return Ok(text);
        }
        let mut value: Value = serde_saphyr::from_str(&text).map_err(|error| {
            HarnessError::Config { name: self.name.clone(), problem: error.to_string() }
        })?;
        without_unpacking(&mut value);
        Ok(format!("{value:#}"))
    }
}

/// The first Envoy that can bound compressed bodies.
const UNPACKS: (u32, u32) = (1, 40);

/// Removes the filters that unpack compressed bodies, wherever they are.
fn without_unpacking(value: &mut Value) {
    let unpacks = |item: &Value| {
        let name = item.get("name").and_then(Value::as_str).unwrap_or_default();
        name == "weir.compressed-limit" || name.starts_with("weir.decompressor-")
    };
    match value {
        Value::Array(items) => {
            items.retain(|item| !unpacks(item));
            items.iter_mut().for_each(without_unpacking);
        }
        Value::Object(members) => members.values_mut().for_each(without_unpacking),
        _ => {}
    }
}

/// Replaces every path that ends in `NAME.wasm` or `weir_NAME.wasm` by what `locate` finds for NAME.
fn rewrite_modules(
    text: &str,
    locate: impl Fn(&str) -> Result<std::path::PathBuf, HarnessError>,
) -> Result<String, HarnessError> {
    const SUFFIX: &str = ".wasm";
    let mut rewritten = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(SUFFIX) {
        let (before, after) = rest.split_at(at);
        let after = after.strip_prefix(SUFFIX).unwrap_or(after);
        rest = after;
        let start = before
            .rfind(|character| !is_path(character))
            .map_or(0, |last| last + before[last..].chars().next().map_or(1, char::len_utf8));
        let (before, path) = before.split_at(start);
        // What follows the colon of a URL is no file.
        let is_file = path.contains('/') && !path.starts_with("//") || path.starts_with("weir_");
        if path.is_empty() || !is_file || after.starts_with(is_path) {
            rewritten.extend([before, path, SUFFIX]);
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let name = name.trim_start_matches("weir_").replace('_', "-");
        rewritten.push_str(before);
        rewritten.push_str(&locate(&name)?.display().to_string());
    }
    Ok(rewritten + rest)
}

fn is_path(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '/' | '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_paths_become_those_of_the_build() {
        let cases = [
            ("filename: /etc/weir/suite.wasm}", "filename: <suite>}"),
            ("filename: \"/etc/weir/model-router.wasm\"", "filename: \"<model-router>\""),
            ("f: weir_endpoint_picker.wasm", "f: <endpoint-picker>"),
            ("type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", ""),
            ("name: envoy.wasm", ""),
            ("uri: http://modules.test/suite.wasm", ""),
            ("é/a.wasm and /b.wasm", "<a> and <b>"),
        ];
        for (text, expected) in cases {
            let found = rewrite_modules(text, |name| Ok(format!("<{name}>").into())).unwrap();
            assert_eq!(found, if expected.is_empty() { text } else { expected });
        }
    }

    #[test]
    fn older_envoys_get_no_filters_that_unpack() {
        let filters = ["weir.compressed-limit", "weir.decompressor-gzip", "weir.gateway"];
        let filters = filters.map(|name| serde_json::json!({"name": name}));
        let mut value = serde_json::json!({"a": [{"filters": filters}]});
        without_unpacking(&mut value);
        assert_eq!(value, serde_json::json!({"a": [{"filters": [{"name": "weir.gateway"}]}]}));
    }

    #[test]
    fn replacing_what_is_not_there_is_an_error() {
        let config = EnvoyConfig::from_text("test", "a: 1").unwrap();
        assert!(config.clone().replace("b", "c").is_err());
        assert_eq!(config.replace("1", "2").unwrap().rendered().unwrap(), "a: 2");
    }
}
