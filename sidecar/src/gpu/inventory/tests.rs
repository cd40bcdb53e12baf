use weir_settings::sidecar::SidecarSettings;

use super::super::reading::Field;
use super::*;

/// Replicas with the GPUs that they name (none: by host), and two pages: of 10.0.0.7 and of nobody.
fn inventory(endpoints: &[(&str, &[&str])]) -> (Inventory, Vec<Wanted>) {
    let mut yaml = "gateways: ['unix:/x']\ngpus: {exporters: [{url: 'http://10.0.0.7:9400/m'}, \
                    {url: 'http://node-8:9400/m'}]}\npools:\n  p:\n    endpoints:\n"
        .to_owned();
    for (address, gpus) in endpoints {
        yaml.push_str(&format!("    - {{address: '{address}', gpus: {gpus:?}}}\n"));
    }
    let settings = SidecarSettings::from_yaml(yaml.as_bytes()).unwrap();
    let endpoints = &settings.pools[0].endpoints;
    let wanted: Vec<Wanted> = endpoints.iter().map(|it| Wanted::of(it, None)).collect();
    let inventory = Inventory::new(&settings.gpus, None);
    let mut unnamed = BTreeMap::new();
    for wanted in wanted.iter().filter(|wanted| !wanted.names_gpus()) {
        *unnamed.entry(wanted.host).or_default() += 1;
    }
    inventory.unnamed_of("p", unnamed);
    (inventory, wanted)
}

fn reading(host: &str, index: u32, uuid: &str, busy: f64) -> Reading {
    let (uuid, host) = (uuid.to_owned(), host.to_owned());
    let mut reading = Reading { uuid, host, index: Some(index), ..Reading::default() };
    reading.set(Field::Use, busy);
    reading
}

fn part(of: &Reading, instance: u32, busy: f64) -> Reading {
    let mut part = Reading { instance: Some(instance), ..of.clone() };
    part.mig_uuid = Some(format!("MIG-{instance}"));
    part.values = Default::default();
    part.set(Field::EngineActive, busy);
    part
}

fn uses(inventory: &Inventory, wanted: &[Wanted], now: Instant) -> Vec<(usize, Option<f64>)> {
    let joined = wanted.iter().map(|wanted| inventory.joined(wanted, now));
    joined.map(|joined| (joined.found, joined.load.gpu_use)).collect()
}

#[test]
fn gpus_are_joined_by_host_uuid_place_and_pod() {
    let (inventory, wanted) = inventory(&[
        ("10.0.0.7:8000", &[]),
        ("10.0.0.9:8000", &["GPU-b"]),
        ("10.0.0.9:8001", &["node-8/1"]),
        ("10.0.0.9:8002", &["pod=vllm-0", "GPU-a"]),
        ("10.0.0.9:8003", &["pod=ns/vllm-0"]),
        ("10.0.0.9:8004", &["GPU-none"]),
        ("10.0.0.9:8005", &[]),
    ]);
    let now = Instant::now();
    let mut first = reading("node-7", 0, "GPU-a", 10.0);
    first.set(Field::Xid, 79.0);
    inventory.record(0, Ok(vec![first, reading("node-7", 1, "GPU-b", 20.0)]), now);
    let mut placed = reading("node-8", 1, "GPU-c", 50.0);
    placed.pods.push("ns/vllm-0".into());
    inventory.record(1, Ok(vec![placed]), now);
    let expected = [
        (2, Some(0.2)),
        (1, Some(0.2)),
        (1, Some(0.5)),
        (2, Some(0.5)),
        (1, Some(0.5)),
        (0, None),
        (0, None),
    ];
    assert_eq!(uses(&inventory, &wanted, now), expected);
    let reason = |at: usize| inventory.joined(&wanted[at], now).reason;
    assert_eq!((reason(0), reason(6)), (None, None));
    assert_eq!(reason(5), Some("no page has the GPUs that are named"));
    let failed = |at: usize| inventory.joined(&wanted[at], now).load.failed;
    assert_eq!((failed(0), failed(1)), (Some(true), None));
}

#[test]
fn replicas_that_share_a_host_share_its_one_gpu_and_have_to_name_several() {
    let (inventory, wanted) =
        inventory(&[("10.0.0.7:1", &[]), ("10.0.0.7:2", &[]), ("10.0.0.7:3", &["GPU-b"])]);
    let now = Instant::now();
    let one = reading("h", 0, "GPU-a", 10.0);
    inventory.record(0, Ok(vec![one.clone()]), now);
    assert_eq!(uses(&inventory, &wanted, now), [(1, Some(0.1)), (1, Some(0.1)), (0, None)]);
    inventory.record(0, Ok(vec![one, reading("h", 1, "GPU-b", 20.0)]), now);
    assert_eq!(uses(&inventory, &wanted, now), [(0, None), (0, None), (1, Some(0.2))]);
    assert!(inventory.joined(&wanted[0], now).reason.unwrap().contains("name each one's gpus"));
}

#[test]
fn an_instance_is_joined_with_the_health_of_its_gpu() {
    let (inventory, wanted) = inventory(&[
        ("10.0.0.7:1", &["GPU-a/1"]),
        ("10.0.0.7:2", &["MIG-2"]),
        ("10.0.0.7:3", &["h/0"]),
    ]);
    let now = Instant::now();
    let mut whole = reading("h", 0, "GPU-a", 99.0);
    whole.set(Field::Temperature, 70.0);
    let parts = [part(&whole, 1, 0.3), part(&whole, 2, 0.6)];
    inventory.record(0, Ok([parts.to_vec(), vec![whole]].concat()), now);
    assert_eq!(uses(&inventory, &wanted, now), [(2, Some(0.3)), (2, Some(0.6)), (3, Some(0.6))]);
    let hot = |wanted| inventory.joined(wanted, now).load.temperature;
    assert!(wanted.iter().all(|wanted| hot(wanted) == Some(70)));
}

#[test]
fn a_gpu_that_two_pages_show_counts_once() {
    let (inventory, wanted) = inventory(&[("10.0.0.7:1", &["GPU-a"])]);
    let now = Instant::now();
    let mut one = reading("h", 0, "GPU-a", 10.0);
    one.set(Field::Power, 100.0);
    inventory.record(0, Ok(vec![one.clone()]), now);
    inventory.record(1, Ok(vec![one]), now);
    let joined = inventory.joined(&wanted[0], now);
    assert_eq!((joined.found, joined.load.power), (1, Some(100)));
}

#[test]
fn what_a_page_said_is_kept_through_failed_polls_and_then_forgotten() {
    let (inventory, wanted) = inventory(&[("10.0.0.7:1", &[])]);
    let now = Instant::now();
    assert_eq!(inventory.unavailable(now).as_deref(), Some("not read yet"));
    inventory.record(0, Ok(vec![reading("h", 0, "GPU-a", 10.0)]), now);
    assert_eq!(inventory.unavailable(now), None);
    let later = now + Duration::from_secs(4);
    inventory.record(0, Err(PollError::Status(500)), later);
    assert_eq!(uses(&inventory, &wanted, later), [(1, Some(0.1))]);
    let late = now + Duration::from_millis(4001);
    assert_eq!(uses(&inventory, &wanted, late), [(0, None)]);
    assert_eq!(inventory.unavailable(late).as_deref(), Some("status 500"));
    assert!(inventory.readings(late).is_empty());
}

#[test]
fn a_replica_whose_pod_is_known_has_the_gpus_that_a_page_labels_with_it_or_its_hosts() {
    let (inventory, _) = inventory(&[("10.0.0.7:8000", &[])]);
    let endpoint = |address: &str| {
        let yaml = format!(
            "gateways: ['unix:/x']\npools: {{p: {{endpoints: [{{address: '{address}'}}]}}}}"
        );
        SidecarSettings::from_yaml(yaml.as_bytes()).unwrap().pools.remove(0).endpoints.remove(0)
    };
    let now = Instant::now();
    let mut placed = reading("node-7", 1, "GPU-b", 50.0);
    placed.pods.push("ns/vllm-0".into());
    inventory.record(0, Ok(vec![reading("node-7", 0, "GPU-a", 10.0), placed]), now);
    let wanted = [
        Wanted::of(&endpoint("10.1.2.3:8000"), Some("ns/vllm-0")),
        Wanted::of(&endpoint("10.1.2.4:8000"), Some("ns/vllm-1")),
        Wanted::of(&endpoint("10.0.0.7:8000"), Some("ns/vllm-1")),
    ];
    assert_eq!(uses(&inventory, &wanted, now), [(1, Some(0.5)), (0, None), (2, Some(0.5))]);
}

#[test]
fn what_a_source_said_goes_on_after_a_reload_and_that_of_another_does_not() {
    let settings = |url: &str| {
        let yaml = format!(
            "gateways: ['unix:/x']\ngpus: {{exporters: [{{url: '{url}'}}]}}\npools: {{p: {{endpoints: [{{address: '10.0.0.7:1'}}]}}}}"
        );
        SidecarSettings::from_yaml(yaml.as_bytes()).unwrap()
    };
    let (same, other) = (settings("http://10.0.0.7:9400/m"), settings("http://10.0.0.7:9401/m"));
    let (before, now) = (Inventory::new(&same.gpus, None), Instant::now());
    before.record(0, Ok(vec![reading("node-7", 0, "GPU-a", 10.0)]), now);
    let wanted = [Wanted::of(&same.pools[0].endpoints[0], None)];
    for (settings, expected) in [(&same, (1, Some(0.1))), (&other, (0, None))] {
        let after = Inventory::new(&settings.gpus, Some(&before));
        assert_eq!(uses(&after, &wanted, now), [expected]);
    }
}
