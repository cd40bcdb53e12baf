//! The real binary: command line, signals, log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::support::{Dns, Intake, Replica, eventually, get, vllm, yaml};

pub(crate) struct Binary {
    pub(crate) folder: TempDir,
}

impl Binary {
    pub(crate) fn with(yaml: &str) -> Self {
        let binary = Self { folder: tempfile::tempdir().unwrap() };
        binary.configure(yaml);
        binary
    }

    pub(crate) fn configure(&self, yaml: &str) {
        std::fs::write(self.config(), yaml).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("sidecar.yaml")
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-sidecar"));
        command.arg("--config").arg(self.config()).kill_on_drop(true);
        command
    }

    pub(crate) async fn check(&self) -> Output {
        self.command().arg("--check").output().await.unwrap()
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with("WEIR_TEST", "")
    }

    pub(crate) fn start_with(&self, variable: &str, value: &str) -> Running {
        let mut command = self.command();
        let mut child = command.env(variable, value).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, log }
    }
}

pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) log: Lines<BufReader<ChildStderr>>,
}

impl Running {
    /// The next log line with this message, as JSON.
    pub(crate) async fn logged(&mut self, message: &str) -> Value {
        let reading = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).expect(&line);
                if line["message"] == message {
                    return line;
                }
            }
            panic!("the log ended before: {message}")
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), reading).await.expect(message)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

pub(crate) const JSON_LOG: &str = "log: {format: json}";

#[tokio::test]
async fn check_says_what_a_good_configuration_would_do() {
    let address = "127.0.0.1:9001".parse().unwrap();
    let more = "signing_key_file: /dev/null";
    let binary = Binary::with(&yaml(&[address], &["unix:/run/weir/intake.sock"], ""));
    let output = binary.check().await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["pool llama: 1 replicas", "127.0.0.1:9001", "/metrics", "unix:/run/weir/intake.sock"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    binary.configure(&yaml(&[address], &["http://127.0.0.1:1"], more));
    let output = binary.check().await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "weir-sidecar: signing_key_file: the key has 0 bytes, at least 16\n"
    );
}

#[tokio::test]
async fn check_tells_on_demand_which_names_are_not_found_and_never_fails_for_it() {
    let dns = Dns::start().await;
    dns.addresses("vllm.test", 60, &["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()]);
    let yaml = format!(
        "gateways: [{{dns: 'envoy.test:1'}}]\ndns: {{servers: ['{}']}}\npools:\n  llama:\n    discover:\n    \
         - dns: vllm.test:8000\n    - file: /nowhere/replicas.yaml\n",
        dns.address
    );
    let binary = Binary::with(&yaml);
    let output = binary.check().await;
    assert_eq!(output.status.code(), Some(0));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("found"), "nothing was asked for");
    let output = binary.command().args(["--check", "--resolve"]).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("warning: ")).collect();
    let named = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(named("envoy.test") && named("/nowhere/replicas.yaml"), "{text}");
    let found = |line: &str| line.contains("vllm.test:8000") && line.ends_with(": 2 found");
    assert!(lines.len() == 2 && text.lines().any(found), "{text}");
}

#[tokio::test]
async fn view_shows_what_each_gateway_keeps_and_fails_where_one_does_not() {
    let address = "127.0.0.1:9001".parse().unwrap();
    let intake = Intake::tcp().await;
    intake.require(b"0123456789abcdef");
    let key = "signing_key_env: WEIR_TEST";
    let binary = Binary::with(&yaml(&[address], &[&intake.target], key));
    let view = async |value: &str| {
        binary.command().env("WEIR_TEST", value).arg("--view").output().await.unwrap()
    };
    let output = view("0123456789abcdef").await;
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), &b"{\"pools\":[]}\n"[..])
    );
    let output = view("another key of 16 bytes").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&intake.target) && said.contains("status 401: x-weir-signature"),
        "{said}"
    );
}

#[tokio::test]
async fn check_names_what_is_wrong_with_a_bad_configuration() {
    let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
    let good = yaml(&[address], &["unix:/x"], "");
    let cases = [
        (good.replace("10ms", "1ms"), "pools.llama.poll_interval: \"1ms\" must be 10ms to 60s"),
        (good.replace("timeout", "time_out"), "time_out"),
        (good.replace("unix:", "tcp:"), "gateways[0]"),
        (good.replace("9001", "0"), "pools.llama.endpoints[0].address"),
        (String::new(), "cannot read the configuration"),
    ];
    for (yaml, expected) in cases {
        let output = Binary::with(&yaml).check().await;
        assert_eq!(output.status.code(), Some(2), "{expected}");
        assert_eq!(output.stdout, b"");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(expected) && text.lines().count() == 1, "{text}");
    }
}

#[tokio::test]
async fn every_shipped_configuration_can_be_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_ours = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains("sidecar");
    let shipped: Vec<PathBuf> = files.filter(is_ours).collect();
    assert!(!shipped.is_empty());
    for path in shipped {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir-sidecar"));
        command.arg("--check").arg("--config").arg(&path);
        command.env("WEIR_INTAKE_KEY", "0123456789abcdef");
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}: {output:?}", path.display());
    }
}

#[tokio::test]
async fn help_names_every_field_of_the_configuration() {
    let output = Command::new(env!("CARGO_BIN_EXE_weir-sidecar")).arg("--help").output().await;
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    for part in ["--config", "--check", "SIGTERM", "SIGHUP", "poll_interval", "signing_key_file"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (_, example) = text.split_once("with what it is if not given:\n").unwrap();
    let settings = weir_settings::sidecar::SidecarSettings::from_yaml(example.as_bytes()).unwrap();
    assert_eq!((settings.pools.len(), settings.pools[0].discover.len()), (2, 6));
}

#[tokio::test]
async fn sigterm_and_sigint_end_it_cleanly() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let binary = Binary::with(&yaml(&[replica.address], &[&intake.target], JSON_LOG));
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = binary.start();
        let started = running.logged("started").await;
        let address = started["address"].as_str().unwrap().parse().unwrap();
        intake.next(2).await;
        assert_eq!(get(address, "/healthz").await.0, 200);
        running.signal(signal);
        running.logged("ended").await;
        assert_eq!(running.child.wait().await.unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn a_restarted_sidecar_is_taken_at_once() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let binary = Binary::with(&yaml(&[replica.address], &[&intake.target], JSON_LOG));
    let mut running = binary.start();
    let before = intake.next(2).await;
    running.child.kill().await.unwrap();
    let _running = binary.start();
    let after = intake.next(2).await;
    assert!(after.epoch > before.epoch);
    assert_eq!(intake.refused(), []);
}

#[tokio::test]
async fn state_changes_are_logged_once_and_with_the_reason() {
    let replica = Replica::start(vllm(1, 2)).await;
    let intake = Intake::tcp().await;
    let binary = Binary::with(&yaml(&[replica.address], &[&intake.target], JSON_LOG));
    let mut running = binary.start();
    let change = running.logged("replica changed state").await;
    assert_eq!((&change["level"], &change["to"]), (&"INFO".into(), &"ready".into()));
    assert_eq!(running.logged("gateway takes snapshots").await["gateway"], intake.target.as_str());
    intake.next(10).await;
    drop(replica);
    // The next change is this one: nothing was logged per poll.
    let change = running.logged("replica changed state").await;
    assert_eq!((&change["from"], &change["to"]), (&"ready".into(), &"unreachable".into()));
    assert!(change["reason"].as_str().unwrap().contains("Connection refused"), "{change}");
    assert_eq!(change["level"], "WARN");
}

#[tokio::test]
async fn sighup_takes_over_a_good_configuration_and_refuses_a_bad_one() {
    let (first, second) = (Replica::start(vllm(1, 2)).await, Replica::start(vllm(3, 4)).await);
    let intake = Intake::tcp().await;
    let targets = [intake.target.as_str()];
    let binary = Binary::with(&yaml(&[first.address], &targets, JSON_LOG));
    let mut running = binary.start();
    running.logged("started").await;
    intake.next(2).await;
    binary.configure("pools: 3");
    running.signal(Signal::HUP);
    let refused = running.logged("the new configuration is refused, the old one goes on").await;
    assert!(refused["error"].as_str().unwrap().contains("cannot read the configuration"));
    assert_eq!(intake.next(2).await.endpoints[0].waiting, Some(1));
    binary.configure(&yaml(&[second.address], &targets, JSON_LOG));
    running.signal(Signal::HUP);
    running.logged("took over the new configuration").await;
    // The replica of before is still shown, as one that drains.
    eventually("the new replica", async || {
        let snapshot = intake.taken().last().cloned()?;
        snapshot.endpoints.iter().any(|it| it.waiting == Some(3)).then_some(())
    })
    .await;
    assert_eq!(intake.refused(), []);
}

#[tokio::test]
async fn metrics_are_read_over_https_from_servers_with_a_trusted_certificate_only() {
    let certified = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (theirs, other) = (certified(), certified());
    let replica = Replica::start_tls(&theirs, vllm(6, 2)).await;
    let intake = Intake::tcp().await;
    let (address, port) = (replica.address, replica.address.port());
    let url = format!("{address}\n        metrics_url: https://localhost:{port}/metrics");
    let config = yaml(&[address], &[&intake.target], JSON_LOG);
    let binary = Binary::with(&config.replace(&format!("'{address}'"), &url));
    let trusted = binary.folder.path().join("trusted.pem");
    std::fs::write(&trusted, theirs.cert.pem()).unwrap();
    let running = binary.start_with("SSL_CERT_FILE", trusted.to_str().unwrap());
    eventually("metrics over https", async || {
        (intake.taken().last()?.endpoints[0].waiting == Some(6)).then_some(())
    })
    .await;
    drop(running);
    std::fs::write(&trusted, other.cert.pem()).unwrap();
    let mut running = binary.start_with("SSL_CERT_FILE", trusted.to_str().unwrap());
    let change = running.logged("replica changed state").await;
    assert_eq!(change["to"], "unreachable");
    assert!(change["reason"].as_str().unwrap().contains("certificate"), "{change}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let config = yaml(&[address], &["unix:/x"], JSON_LOG);
    let binary =
        Binary::with(&config.replace("listen: 127.0.0.1:0", &format!("listen: {address}")));
    let mut running = binary.start();
    let error = running.logged("cannot go on").await["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with(&format!("listen: cannot listen on {address}: ")), "{error}");
    assert_eq!(running.child.wait().await.unwrap().code(), Some(1));
}
