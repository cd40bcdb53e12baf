//! The configuration: mistakes by their place, what is in force, changes while the sidecar runs.

use std::net::SocketAddr;

use rustix::process::Signal;
use weir_settings::sidecar::SidecarSettings;

use crate::process::{Binary, JSON_LOG};
use crate::support::{Behaviour, Intake, Replica, eventually, get, vllm, yaml};

/// What `--print-config` prints.
async fn printed(binary: &Binary) -> String {
    let mut command = binary.command();
    command.arg("--print-config").env("WEIR_TEST", "0123456789abcdef");
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_mistake_is_told_with_file_line_and_field() {
    let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
    let good = yaml(&[address], &["unix:/x"], "");
    let line = |text: &str, part: &str| {
        text.lines().enumerate().filter(|(_, line)| line.contains(part)).last().unwrap().0 + 1
    };
    for (from, to, field) in [
        ("poll_interval: 10ms", "poll_interval: 1ms", "pools.llama.poll_interval"),
        ("127.0.0.1:9001", "127.0.0.1:0", "pools.llama.endpoints[0].address"),
        ("unix:/x", "tcp:/x", "gateways[0]"),
    ] {
        let bad = good.replace(from, to);
        let binary = Binary::with(&bad);
        let output = binary.check().await;
        let said = String::from_utf8(output.stderr).unwrap();
        let place = format!("{}:{}: {field}: ", binary.config().display(), line(&bad, to));
        assert!(said.contains(&place), "{place} in {said}");
    }
    // What is no such field has its line by itself.
    let binary = Binary::with(&good.replace("timeout:", "time_out:"));
    let said = String::from_utf8(binary.check().await.stderr).unwrap();
    assert!(said.contains("time_out") && said.contains("line 7"), "{said}");
}

#[tokio::test]
async fn what_is_in_force_is_printed_without_secrets_and_can_be_read_again() {
    let text = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../envoy-config/sidecar-reference.yaml"),
    )
    .unwrap();
    let text = text
        .replace("WEIR_INTAKE_KEY\n", "WEIR_TEST\n")
        .replace(":9000/metrics", ":9000/metrics?token=hunter2");
    let binary = Binary::with(&text);
    let first = printed(&binary).await;
    assert!(!first.contains("hunter2") && !first.contains("0123456789abcdef"), "{first}");
    let read = |text: &str| SidecarSettings::from_yaml(text.as_bytes()).unwrap();
    let mut expected = read(&text.replace("?token=hunter2", ""));
    let mut found = read(&first);
    // Names stand with the sources, or with the endpoints: the same in another order.
    for settings in [&mut expected, &mut found] {
        for pool in &mut settings.pools {
            pool.discover.sort_by_key(ToString::to_string);
        }
    }
    assert_eq!(found, expected);
    binary.configure(&first);
    assert_eq!(printed(&binary).await, first);
}

#[tokio::test]
async fn the_reference_has_every_field() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../envoy-config/sidecar-reference.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    // What serde says that it expected are the fields of each level.
    let fields = |yaml: &str| -> Vec<String> {
        let error = SidecarSettings::from_yaml(yaml.as_bytes()).unwrap_err().to_string();
        let (_, expected) = error.split_once("expected ").unwrap_or_else(|| panic!("{error}"));
        let quoted: Vec<String> = expected
            .split(['`', ',', ' '])
            .filter(|word| {
                word.len() > 2
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
            })
            .filter(|word| !["one", "of", "line", "column", "at"].contains(word))
            .map(str::to_owned)
            .collect();
        assert!(!quoted.is_empty(), "{error}");
        quoted
    };
    let in_pool = |inside: &str| format!("gateways: []\npools: {{p: {{{inside}}}}}");
    for (level, least) in [
        ("zzz: 1".to_owned(), 10),
        (in_pool("zzz: 1"), 11),
        (in_pool("access: {zzz: 1}"), 6),
        (in_pool("endpoints: [{zzz: 1}]"), 3),
        (in_pool("discover: [{zzz: 1}]"), 5),
        (in_pool("discover: [{endpoint_slices: {zzz: 1}}]"), 3),
        (in_pool("discover: [{inference_pool: {zzz: 1}}]"), 2),
        (in_pool("series: {zzz: 1}"), 5),
        (in_pool("series: {waiting: {zzz: 1}}"), 3),
        ("dns: {zzz: 1}".to_owned(), 3),
        ("kubernetes: {zzz: 1}".to_owned(), 4),
        ("gpus: {zzz: 1}".to_owned(), 6),
        ("gpus: {nvml: {zzz: 1}}".to_owned(), 2),
        ("gpus: {exporters: [{zzz: 1}]}".to_owned(), 2),
        ("log: {zzz: 1}".to_owned(), 2),
        ("redis: {zzz: 1}".to_owned(), 13),
    ] {
        let fields = fields(&level);
        assert!(fields.len() >= least, "{level}: {fields:?}");
        for field in fields {
            assert!(text.contains(&format!("{field}:")), "{field} of {level}");
        }
    }
}

#[tokio::test]
async fn a_changed_file_is_taken_over_by_itself_and_what_is_known_goes_on() {
    let (stays, comes) = (Replica::start(vllm(1, 2)).await, Replica::start(vllm(3, 4)).await);
    let intake = Intake::tcp().await;
    let targets = [intake.target.as_str()];
    let binary = Binary::with(&yaml(&[stays.address], &targets, JSON_LOG));
    let mut running = binary.start();
    let started = running.logged("started").await;
    let http: SocketAddr = started["address"].as_str().unwrap().parse().unwrap();
    let before = intake.next(5).await;
    let polls = async |address: SocketAddr| -> f64 {
        let (_, metrics) = get(http, "/metrics").await;
        let series = format!(
            "weir_sidecar_polls_total{{pool=\"llama\",endpoint=\"{address}\",outcome=\"ok\"}} "
        );
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series).map(str::to_owned));
        value.unwrap().parse().unwrap()
    };
    let counted = polls(stays.address).await;
    // A replica that hangs from now on would show as new if what is known did not go on.
    stays.set(Behaviour::Hang);
    binary.configure(&yaml(&[comes.address, stays.address], &targets, JSON_LOG));
    running.logged("took over the new configuration").await;
    let after = intake.next(1).await;
    assert_eq!((after.epoch, after.sender), (before.epoch, before.sender));
    assert!(after.sequence > before.sequence);
    let of = |address: SocketAddr| {
        after.endpoints.iter().find(|one| one.address == address.to_string()).cloned().unwrap()
    };
    assert_eq!(of(stays.address).waiting, Some(1));
    assert!(polls(stays.address).await >= counted);
    assert_eq!(intake.refused(), []);
    eventually("the new one", async || {
        let message = intake.taken().pop()?;
        (message.endpoints[0].waiting == Some(3)).then_some(())
    })
    .await;
    // The file is read once for each change.
    binary.configure("pools: 3");
    running.signal(Signal::HUP);
    running.logged("the new configuration is refused, the old one goes on").await;
    assert_eq!(intake.next(20).await.epoch, before.epoch);
}

#[tokio::test]
async fn keys_are_changed_one_gateway_after_the_other_and_a_key_file_is_read_again() {
    const OLD: &[u8] = b"0123456789abcdef";
    const NEW: &[u8] = b"fedcba9876543210";
    let replica = Replica::start(vllm(1, 2)).await;
    let intakes = [Intake::tcp().await, Intake::tcp().await];
    intakes.iter().for_each(|intake| intake.require(OLD));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, key: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, key).unwrap();
        path.display().to_string()
    };
    let (first, second) = (file("first", OLD), file("second", NEW));
    let more = format!("{JSON_LOG}\nsigning_key_file: {first}\nsecond_key_file: {second}");
    let targets: Vec<&str> = intakes.iter().map(|intake| intake.target.as_str()).collect();
    let binary = Binary::with(&yaml(&[replica.address], &targets, &more));
    let mut running = binary.start();
    for intake in &intakes {
        intake.next(2).await;
    }
    // One gateway after the other gets the new key.
    intakes[0].require(NEW);
    intakes[0].next(2).await;
    intakes[1].next(2).await;
    let said = running.logged("gateway takes the other key").await;
    assert_eq!((&said["gateway"], &said["key"]), (&targets[0].into(), &2.into()));
    intakes[1].require(NEW);
    intakes[1].next(2).await;
    // The files change places; nobody has to tell the sidecar.
    file("first", NEW);
    file("second", OLD);
    running.logged("took over the new configuration").await;
    for intake in &intakes {
        intake.next(2).await;
    }
}
