//! Listeners in a file of their own, which Envoy reads again when it changes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::HarnessError;

const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

/// The listeners of a running Envoy, as JSON.
#[derive(Debug)]
pub struct DynamicListeners {
    file: PathBuf,
    version: u64,
    listeners: Vec<Value>,
}

impl DynamicListeners {
    /// Moves the static listeners of `yaml` into a file in `folder`; returns them and the rest of the
    /// configuration, which names that file.
    ///
    /// # Errors
    /// When the YAML is malformed or has no static listeners, or the file can't be written.
    pub fn split(name: &str, yaml: &str, folder: &Path) -> Result<(Self, String), HarnessError> {
        let config = |problem: String| HarnessError::Config { name: name.to_owned(), problem };
        let parsed: Result<Value, _> = serde_saphyr::from_str(yaml);
        let mut whole = parsed.map_err(|error| config(error.to_string()))?;
        let listeners = whole.pointer_mut("/static_resources/listeners").map(Value::take);
        let Some(Value::Array(listeners)) = listeners else {
            return Err(config("it has no static_resources.listeners".to_owned()));
        };
        let mut dynamic = Self { file: folder.join("listeners.json"), version: 0, listeners };
        dynamic.write()?;
        point_to(&mut whole, &dynamic.file, folder);
        Ok((dynamic, whole.to_string()))
    }

    /// Changes the listeners and replaces the file, which makes Envoy read it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<Value>)) -> Result<(), HarnessError> {
        change(&mut self.listeners);
        self.write()
    }

    fn write(&mut self) -> Result<(), HarnessError> {
        self.version = self.version.saturating_add(1);
        let resources = self.listeners.iter().map(typed);
        let resources = resources.collect::<Vec<_>>();
        let document = json!({"version_info": self.version.to_string(), "resources": resources});
        // Envoy watches for a file that is moved into place.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, document.to_string()).map_err(HarnessError::file(&fresh))?;
        fs::rename(&fresh, &self.file).map_err(HarnessError::file(&self.file))
    }
}

fn typed(listener: &Value) -> Value {
    let mut listener = listener.clone();
    if let Some(fields) = listener.as_object_mut() {
        fields.insert("@type".to_owned(), LISTENER.into());
    }
    listener
}

fn point_to(whole: &mut Value, file: &Path, folder: &Path) {
    let source = json!({
        "resource_api_version": "V3",
        "path_config_source": {"path": file, "watched_directory": {"path": folder}},
    });
    if let Some(fields) = whole.as_object_mut() {
        if let Some(resources) = fields.get_mut("static_resources").and_then(Value::as_object_mut) {
            resources.remove("listeners");
        }
        fields.insert("dynamic_resources".to_owned(), json!({"lds_config": source}));
        // Without a node, Envoy refuses dynamic resources.
        fields.entry("node").or_insert_with(|| json!({"id": "weir", "cluster": "weir"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_move_to_their_file_and_change_there() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = "static_resources:\n  listeners:\n  - &a {name: a}\n  - *a\n  clusters: []\n";
        let (mut dynamic, rest) = DynamicListeners::split("t", yaml, folder.path()).unwrap();
        assert!(!rest.contains("\"listeners\":") && rest.contains("lds_config"), "{rest}");
        dynamic.change(|listeners| listeners[1]["name"] = "b".into()).unwrap();
        let written = fs::read(folder.path().join("listeners.json")).unwrap();
        let written: Value = serde_json::from_slice(&written).unwrap();
        let listener = |name: &str| json!({"name": name, "@type": LISTENER});
        let expected = json!({"version_info": "2", "resources": [listener("a"), listener("b")]});
        assert_eq!(written, expected);
    }

    #[test]
    fn a_configuration_without_listeners_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for yaml in ["static_resources: {}", "a: [", ""] {
            assert!(DynamicListeners::split("t", yaml, folder.path()).is_err(), "{yaml}");
        }
    }
}
