//! The shipped configurations and what README.md tells people to do.

use std::fs;
use std::process::Command;

use regex::Regex;
use serde_json::Value;
use weir_harness::{Envoy, EnvoyConfig, EnvoyOptions, workspace};
use weir_settings::SettingsError;

use crate::configuration::METADATA;
use crate::stack::{KEY, KEY_VARIABLE};

fn read(path: &str) -> String {
    fs::read_to_string(workspace::file(path)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_configuration_is_taken_by_the_program_it_is_for() {
    let folders = ["envoy-config", "envoy-config/containers"];
    let folders = folders.map(|folder| fs::read_dir(workspace::file(folder)).unwrap());
    let files = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    // The engine reads one: `cargo xtask compose-test`. The test below starts the other: older Envoys do not take it.
    let yaml = |path: &std::path::PathBuf| {
        let elsewhere = path.ends_with("docker-compose.yaml") || path.ends_with("failover.yaml");
        path.extension().is_some_and(|ext| ext == "yaml") && !elsewhere
    };
    let mut files: Vec<_> = files.filter(yaml).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("static_resources:") {
            let config = EnvoyConfig::from_file(&path).unwrap();
            let options = EnvoyOptions::default().env(KEY_VARIABLE, KEY).env("WEIR_HASH_KEY", KEY);
            Envoy::start_with(config, options).await.unwrap();
        } else {
            let sidecar = workspace::binary("weir-sidecar").unwrap();
            let mut command = Command::new(sidecar);
            command.arg("--config").arg(&path).arg("--check").env(KEY_VARIABLE, KEY);
            let output = command.output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {errors}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_is_the_one_for_failover() {
    let config = EnvoyConfig::from_file("envoy-config/failover.yaml").unwrap();
    Envoy::start_with(config, EnvoyOptions::default().env(KEY_VARIABLE, KEY)).await.unwrap();
}

/// The fenced blocks of `language`.
pub(crate) fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_yaml_of_the_readme_is_a_configuration_of_the_filter_it_is_about() {
    let readme = read("README.md");
    let blocks = blocks(&readme, "yaml");
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let value: Value = serde_saphyr::from_str(block).unwrap();
        if let Some(parts) = value.as_object().filter(|parts| parts.contains_key("model-router")) {
            assert_eq!(parts.len(), 4);
            parts.iter().for_each(|(filter, part)| read_settings(filter, part));
        } else if block.contains("models:") {
            read_settings("model-router", &value);
        } else {
            read_settings("guardrail", &value);
        }
    }
    // Another test starts Envoy with it.
    assert!(readme.contains(METADATA));
}

/// Reads the configuration of a filter as the filter does.
fn read_settings(filter: &str, value: &Value) {
    let json = value.to_string();
    let json = json.as_bytes();
    match filter {
        "model-router" => {
            drop(weir_settings::model_router::RouterSettings::from_json(json).unwrap())
        }
        "token-limit" => drop(weir_settings::token_limit::policies(json).unwrap()),
        "guardrail" => drop(weir_settings::guardrail::policies(json, |_| None).unwrap()),
        "endpoint-picker" => drop(weir_settings::endpoint_picker::policies(json).unwrap()),
        other => panic!("{other}"),
    }
}

#[test]
fn the_yaml_of_the_filters_page_is_a_routers_setting() {
    let page = read("filters/README.md");
    let blocks = blocks(&page, "yaml");
    // Another test starts Envoy with the one for clusters.
    assert_eq!(blocks.len(), 2);
    let mut value: Value = serde_saphyr::from_str(blocks[0]).unwrap();
    value["policies"] = serde_json::json!({"default": {"models": []}});
    weir_settings::model_router::RouterSettings::from_json(value.to_string().as_bytes()).unwrap();
}

#[test]
fn the_commands_of_the_readme_exist() {
    let (readme, usage, just) = (read("README.md"), read("xtask/src/usage.rs"), read("justfile"));
    let word = |text: &str| {
        let end = text.find(|next: char| !next.is_ascii_alphanumeric() && next != '-');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let after = |start: &str| readme.split(start).skip(1).map(word).collect::<Vec<_>>();
    let tasks = after("cargo xtask ");
    assert!(tasks.contains(&"demo".to_owned()) && tasks.contains(&"test".to_owned()));
    for task in tasks {
        assert!(usage.contains(&format!("\"{task}\"")), "cargo xtask {task}");
    }
    for recipe in after("or: just ") {
        let found = just.lines().any(|line| line.starts_with(&recipe) && line.contains(':'));
        assert!(found, "just {recipe}");
    }
}

/// The members that a policy can have, as the answer to one that none has lists them.
fn members(read: impl Fn(&[u8]) -> Result<(), SettingsError>, json: &str) -> Vec<String> {
    let error = read(json.as_bytes()).unwrap_err().to_string();
    let (_, members) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
    members.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_setting_of_the_filters_is_documented() {
    use weir_settings::{attempt, endpoint_picker, guardrail, intake, model_router, token_limit};
    let router = |json: &[u8]| model_router::RouterSettings::from_json(json).map(drop);
    let picker = |json: &[u8]| endpoint_picker::policies(json).map(drop);
    let guard = |json: &[u8]| guardrail::policies(json, |_| None).map(drop);
    let intake = |json: &[u8]| intake::IntakeSettings::from_json(json, |_| None).map(drop);
    let attempt = |json: &[u8]| attempt::AttemptSettings::from_bytes(json).map(drop);
    let limits = |json: &[u8]| token_limit::policies(json).map(drop);
    let limit = r#"{"policies":{"default":{"limits":[{"?":1}]}}}"#;
    let policy = r#"{"policies":{"default":{"?":1}}}"#;
    let model = r#"{"policies":{"default":{"models":[{"?":1}]}}}"#;
    let split = r#"{"policies":{"default":{"models":[{"name":"a","split":{"?":1}}]}}}"#;
    let canary = r#"{"policies":{"default":{"models":[{"name":"a","split":{"to":[{"model":"b","weight":1,"canary":{"?":1}}]}}]}}}"#;
    let saturated =
        r#"{"policies":{"default":{"models":[{"name":"m","pool":"p","when_saturated":{"?":1}}]}}}"#;
    let rule = r#"{"policies":{"default":{"rules":[{"?":1}]}}}"#;
    for (page, members, least) in [
        ("filters/README.md", members(router, policy), 5),
        ("filters/README.md", members(router, model), 6),
        ("filters/README.md", members(router, split), 2),
        ("filters/README.md", members(router, canary), 3),
        ("filters/README.md", members(router, saturated), 5),
        ("filters/README.md", members(picker, policy), 7),
        ("filters/README.md", members(intake, r#"{"?":1}"#), 3),
        ("filters/README.md", members(attempt, r#"{"?":1}"#), 1),
        ("filters/token-limit/README.md", members(limits, policy), 4),
        ("filters/token-limit/README.md", members(limits, limit), 14),
        ("filters/guardrail/README.md", members(guard, policy), 10),
        ("filters/guardrail/README.md", members(guard, rule), 6),
    ] {
        assert!(members.len() >= least, "{members:?}");
        let text = read(page);
        for member in members {
            assert!(text.contains(&format!("`{member}`")), "{page}: {member}");
        }
    }
}

#[test]
fn every_metric_of_the_filters_is_documented() {
    let page = read("filters/README.md");
    let names = metrics(&workspace::file("filters"));
    assert!(names.len() >= 20, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}")), "{name}");
    }
}

/// The names, without labels, of all metrics that the sources in a folder define.
fn metrics(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(metrics(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            for kind in ["counter(\"weir_", "histogram(\"weir_", "counter(format!(\"weir_"] {
                let end = |text: &str| text.find(|c: char| !c.is_ascii_lowercase() && c != '_');
                let found = source.split(kind).skip(1);
                names.extend(found.map(|rest| format!("weir_{}", &rest[..end(rest).unwrap()])));
            }
        }
    }
    names
}

/// Metrics with labels that the filters' page names, as Envoy calls one of each: `wasmcustom.weir_x.label.value`.
fn labelled(page: &str) -> Vec<(String, Vec<&str>)> {
    let names = page.split('`').skip(1).step_by(2);
    let labelled = names.filter_map(|name| name.strip_suffix('}')?.split_once('{'));
    let filters =
        labelled.filter(|(name, _)| name.starts_with("weir_") && !name.contains("sidecar"));
    filters
        .map(|(name, labels)| {
            let labels: Vec<&str> = labels.split(',').collect();
            let parts = labels.iter().map(|label| format!(".{label}.a"));
            (format!("wasmcustom.{name}{}", parts.collect::<String>()), labels)
        })
        .collect()
}

#[test]
fn the_shipped_labels_are_all_that_metrics_have() {
    let tags: Value =
        serde_saphyr::from_str(&read("envoy-config/source/parts/labels.yaml")).unwrap();
    let tags: Vec<(String, Regex)> = tags["stats_config"]["stats_tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| {
            (tag["tag_name"].to_string(), Regex::new(tag["regex"].as_str().unwrap()).unwrap())
        })
        .collect();
    let page = read("filters/README.md");
    let metrics = labelled(&page);
    assert!(metrics.len() >= 15, "{metrics:?}");
    for (name, labels) in metrics {
        let mut found: Vec<_> = tags
            .iter()
            .filter(|(_, regex)| regex.is_match(&name))
            .map(|(tag, _)| tag.trim_matches('"'))
            .collect();
        let mut labels = labels;
        found.sort_unstable();
        labels.sort_unstable();
        assert_eq!(found, labels, "{name}");
    }
}

#[test]
fn the_paths_of_the_readme_exist() {
    let readme = read("README.md");
    let quoted = readme.split('`').skip(1).step_by(2);
    let is_path = |text: &&str| {
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        plain && text.contains('/') && !text.starts_with('/')
    };
    // What stands below target/ is made by the commands.
    for path in quoted.filter(is_path).filter(|path| !path.starts_with("target/")) {
        assert!(workspace::file(path).exists(), "{path}");
    }
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"] {
        assert!(workspace::file(page).exists(), "{page}");
    }
}
