//! The examples of `envoy-config/examples`: each is loaded as it is shipped, and does what it says.

mod access;
mod aws;
mod certificates;
mod cloud;
mod live;
mod log;
mod pools;
mod route_policies;
mod server;
mod shadow;
mod split;
mod tls;
mod tools;
mod tracing;

use std::collections::BTreeSet;
use std::fs;

use weir_harness::workspace;

use crate::stack::Plan;

/// An example by its name.
fn example(name: &str) -> Plan {
    Plan::shipped(&path(name))
}

fn path(name: &str) -> String {
    format!("envoy-config/examples/{name}.yaml")
}

/// What the tests below this module start, by file.
const TESTED: [&str; 21] = [
    "access-log",
    "api-keys",
    "aws",
    "canary",
    "cloud",
    "fallback-model",
    "fallback-pool",
    "ip-allow",
    "jwt",
    "live-update",
    "lora",
    "mcp",
    "original-dst",
    "rbac",
    "realtime-batch",
    "resilience",
    "response-size",
    "route-policies",
    "shadow",
    "tls",
    "tracing",
];

/// The YAML files of a folder of the examples, by their names without the ending.
fn files(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(workspace::file(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect()
}

#[test]
fn every_example_has_a_test_and_a_line_in_the_table_of_what_there_is() {
    let names = files("envoy-config/examples");
    assert_eq!(names, TESTED.map(str::to_owned).into());
    let page = fs::read_to_string(workspace::file("README.md")).unwrap();
    for name in &names {
        assert!(page.contains(&format!("| `envoy-config/examples/{name}.yaml`")), "{name}");
        let uses = [format!("example(\"{name}\")"), format!("path(\"{name}\")")];
        let module = workspace::file("integration/e2e/tests/e2e/examples");
        let used = fs::read_dir(module).unwrap().any(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            uses.iter().any(|call| text.contains(call))
        });
        assert!(used, "no test starts {name}");
    }
}

/// Another test runs the same commands with the files beside the folder.
#[test]
fn every_example_begins_with_the_commands_that_start_it() {
    for name in files("envoy-config/examples") {
        let path = path(&name);
        let text = fs::read_to_string(workspace::file(&path)).unwrap();
        let head = text.lines().take_while(|line| line.starts_with('#'));
        let commands: Vec<&str> = head.filter_map(|line| line.strip_prefix("#   ")).collect();
        let key = "export WEIR_INTAKE_KEY=$(head -c 32 /dev/urandom | base64)";
        assert_eq!(commands, [key, &format!("envoy -c {path}")], "{path}");
        let sidecar = match files("envoy-config/examples/sidecar").contains(&name) {
            true => format!("envoy-config/examples/sidecar/{name}.yaml"),
            false => "envoy-config/sidecar.yaml".to_owned(),
        };
        assert!(text.contains(&sidecar), "{path} does not name {sidecar}");
    }
}

#[test]
fn the_sidecars_files_are_taken_by_the_program_they_are_for() {
    for name in files("envoy-config/examples/sidecar") {
        let path = workspace::file(format!("envoy-config/examples/sidecar/{name}.yaml"));
        let sidecar = workspace::binary("weir-sidecar").unwrap();
        let mut command = std::process::Command::new(sidecar);
        command.arg("--config").arg(&path).arg("--check");
        let output = command.env(crate::stack::KEY_VARIABLE, crate::stack::KEY).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
