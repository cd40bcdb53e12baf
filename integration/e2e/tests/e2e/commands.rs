//! The code blocks of the documents: commands are run as they stand, and nothing else is left unread.
//!
//! A block of commands is fenced as `sh`. It runs in a folder that looks like the repository, with the
//! configurations moved to free ports, until it has ended well or what it starts is ready. One that
//! cannot run here says why in a comment before it, `<!-- not run: REASON -->`, and its commands must be
//! ones to which the reason can apply.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use weir_harness::{ChildProcess, EnvoyConfig, HttpClient, Ports, Request, workspace};

use crate::stack::KEY;

/// How long a block may take until it has ended or serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reasons for not running a block, and what each of its commands must begin with.
const REASONS: [(&str, &[&str]); 3] = [
    (
        "installs and builds",
        &[
            "cargo xtask ",
            "cargo test -p ",
            "cargo install --locked ",
            "cargo fetch ",
            "cargo deny ",
        ],
    ),
    ("goes on until it is ended, and wants a driver", &["weir-sidecar agent "]),
    (
        "needs a Kubernetes cluster",
        &[
            "kubectl apply -f ",
            "kubectl apply -k ",
            "kubectl logs ",
            "kubectl get ",
            "helm upgrade --install ",
            "istioctl proxy-config ",
            "egctl config ",
        ],
    ),
];

/// Pages whose YAML blocks another test runs, with their number: `documents`, `unix_socket`, `istio`, `attempts`.
const YAML: [(&str, usize); 4] = [
    ("README.md", 3),
    ("sidecar/README.md", 7),
    ("envoy-config/istio/README.md", 1),
    ("filters/README.md", 2),
];

/// Pages whose Rust blocks are compiled as tests of a crate that has the page for its documentation.
const RUST: [(&str, usize); 1] = [("filters/sdk/README.md", 1)];

/// A fenced block.
struct Block {
    language: String,
    /// Why it is not run.
    reason: Option<String>,
    text: String,
}

/// All pages of the repository, by their paths in it.
fn pages() -> Vec<PathBuf> {
    let (root, mut folders, mut pages) = (workspace::root(), vec![workspace::root()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(".md") {
                pages.push(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    pages.sort();
    pages
}

fn read(page: &Path) -> String {
    fs::read_to_string(workspace::file(page)).unwrap()
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut open, mut before) = (false, "");
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                let reason = before.strip_prefix("<!-- not run: ");
                let reason = reason.and_then(|rest| rest.strip_suffix(" -->")).map(str::to_owned);
                blocks.push(Block { language: language.to_owned(), reason, text: String::new() });
                open = true;
            }
            None if open => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            None => before = line,
        }
    }
    assert!(!open, "a block without an end");
    blocks
}

#[test]
fn every_block_of_the_documents_is_run_or_says_why_not() {
    for page in pages() {
        let (text, name) = (read(&page), page.display());
        let blocks = blocks(&text);
        for (language, known) in [("yaml", &YAML[..]), ("rust,no_run", &RUST[..])] {
            let count = blocks.iter().filter(|block| block.language == language).count();
            let known = known.iter().find(|(known, _)| Path::new(known) == page);
            let known = known.map_or(0, |(_, count)| *count);
            assert_eq!(count, known, "{name}: which test runs its {language}?");
        }
        for block in &blocks {
            let languages = ["sh", "yaml", "rust,no_run"];
            assert!(languages.contains(&block.language.as_str()), "{name}: {}", block.text);
            if let Some(reason) = &block.reason {
                assert_reason_holds(reason, &block.text);
            }
        }
        // An indented block is a picture: commands are fenced, or nobody would run them.
        let indented = text.lines().filter(|line| line.starts_with("    "));
        let fenced = |line: &str| blocks.iter().any(|block| block.text.contains(line));
        for line in indented.filter(|line| !fenced(line)) {
            assert!(
                line.contains(['─', '│', '└', '►', '◄', '→', '…']) || is_caption(&text, line),
                "{name}: {line}"
            );
        }
    }
}

/// Whether an indented line stands next to one with arrows: the words of a picture.
fn is_caption(text: &str, line: &str) -> bool {
    let paragraph = text.split("\n\n").find(|paragraph| paragraph.contains(line));
    paragraph.is_some_and(|paragraph| paragraph.contains(['►', '◄']))
}

fn assert_reason_holds(reason: &str, text: &str) {
    let starts = REASONS.iter().find(|(known, _)| *known == reason);
    let (_, starts) = starts.unwrap_or_else(|| panic!("{reason:?} is no reason"));
    for line in text.lines() {
        assert!(starts.iter().any(|start| line.starts_with(start)), "{reason}: {line}");
        let words = line.split_whitespace().take_while(|word| *word != "#");
        match words.skip_while(|word| *word != "xtask").nth(1) {
            Some(task) => assert!(is_task(task), "cargo xtask {task}"),
            None => assert_files_exist(line),
        }
    }
}

fn is_task(task: &str) -> bool {
    let xtask = workspace::binary("xtask").unwrap();
    Command::new(xtask).args([task, "--help"]).output().unwrap().status.success()
}

fn assert_files_exist(command: &str) {
    for file in command.split_whitespace().filter(|word| word.ends_with(".yaml")) {
        assert!(workspace::file(file).exists(), "{command}");
    }
}

/// What runs as a folder that looks like the repository.
struct Checkout {
    folder: TempDir,
    ports: Ports,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { folder: TempDir::new().unwrap(), ports: Ports::allocate().unwrap() };
        checkout.configurations();
        let built = workspace::binary("weir-sidecar").unwrap();
        fs::create_dir(checkout.path("target")).unwrap();
        symlink(built.parent().unwrap(), checkout.path("target/release")).unwrap();
        // Envoys of the other tests run beside this one.
        let envoy = workspace::envoy().unwrap();
        let options = "--disable-hot-restart --concurrency 1 --log-level warning";
        let envoy = format!("#!/bin/sh\nexec {} \"$@\" {options}\n", envoy.display());
        checkout.program("envoy", &envoy);
        fs::create_dir_all(checkout.path("target/venv/bin")).unwrap();
        symlink(checkout.path("bin/envoy"), checkout.path("target/venv/bin/envoy")).unwrap();
        let sidecar = format!("#!/bin/sh\nexec {} \"$@\"\n", built.display());
        checkout.program("weir-sidecar", &sidecar);
        checkout
    }

    fn configurations(&self) {
        fs::create_dir(self.path("envoy-config")).unwrap();
        for path in configurations() {
            let config = EnvoyConfig::from_file(&path).unwrap().with_ports(self.ports.clone());
            fs::write(self.path(path.to_str().unwrap()), config.rendered().unwrap()).unwrap();
        }
    }

    fn program(&self, name: &str, script: &str) {
        fs::create_dir_all(self.path("bin")).unwrap();
        let path = self.path(&format!("bin/{name}"));
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs commands until they have ended well or serve, on the ports of Envoy's admin or the sidecar.
    async fn run(&self, commands: &str) {
        let folder = self.folder.path().display();
        fs::write(self.path("block.sh"), commands).unwrap();
        // A group of its own, so that what the commands started ends with them.
        let script = format!(
            "cd {folder}; PATH={folder}/bin:$PATH; set -m\nbash -euo pipefail block.sh & \
             trap 'kill -- -$!' TERM; wait $!"
        );
        let environment =
            ["WEIR_INTAKE_KEY", "WEIR_HASH_KEY"].map(|name| (name.into(), KEY.into()));
        let (bash, log) = (Path::new("/bin/bash"), self.path("log"));
        let mut process = ChildProcess::start(bash, ["-c", &script], &environment, &log).unwrap();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = process.exit_status() {
                assert!(status.success(), "{commands}\n{status}\n{}", process.log());
                return;
            }
            let envoy = commands.contains("envoy -c");
            let (port, path) = if envoy { (9901, "/ready") } else { (9500, "/healthz") };
            if self.serves(port, path).await {
                process.stop();
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{commands}\nneither ended nor served\n{}", process.log());
    }

    async fn serves(&self, port: u16, path: &str) -> bool {
        let address = ([127, 0, 0, 1], self.ports.actual(port)).into();
        let reply = HttpClient::http1().send(address, Request::get(path)).await;
        reply.is_ok_and(|reply| reply.status == 200)
    }
}

/// The shipped configurations, by their paths in the repository.
fn configurations() -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace::file("envoy-config")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let yaml = names.filter(|name| name.ends_with(".yaml"));
    yaml.map(|name| Path::new("envoy-config").join(name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_documents_work_as_they_stand() {
    let mut count = 0;
    for page in pages() {
        let blocks = blocks(&read(&page));
        for block in blocks.iter().filter(|block| block.language == "sh" && block.reason.is_none())
        {
            Checkout::new().run(&block.text).await;
            count += 1;
        }
    }
    assert!(count >= 3, "{count} blocks were found");
}

/// What `cargo xtask demo` runs once all is installed and built. Its times are not judged here.
#[test]
fn the_demo_runs_to_its_table() {
    let demo = workspace::binary("weir-demo").unwrap();
    let output = Command::new(demo).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let table = shown.split("Side by side").nth(1).unwrap_or_else(|| panic!("{shown}"));
    for placement in ["Weir", "round robin"] {
        let row = table.lines().find(|line| line.trim_start().starts_with(placement));
        assert!(row.is_some_and(|row| row.contains('%') && row.contains("ms")), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "exit status: 3")]
async fn a_command_that_fails_in_the_middle_is_noticed() {
    Checkout::new().run("(exit 3)\ntrue\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_at_the_top_of_each_configuration_work_as_they_stand() {
    for path in configurations() {
        let text = read(&path);
        let head = text.lines().take_while(|line| line.starts_with('#'));
        let commands: Vec<&str> = head.filter_map(|line| line.strip_prefix("#   ")).collect();
        let last = commands.last().unwrap_or_else(|| panic!("{} names no command", path.display()));
        assert!(last.contains(path.to_str().unwrap()), "{last}");
        Checkout::new().run(&commands.join("\n")).await;
    }
}
