use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

mod sources;

const POOL: &str = "pools: {llama: {endpoints: [{address: '127.0.0.1:9001'}]}}\n";
const GATEWAY: &str = "gateways: ['unix:/run/weir/intake.sock']\n";

fn read(yaml: &str) -> Result<SidecarSettings, String> {
    SidecarSettings::from_yaml(yaml.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn the_smallest_file_has_the_documented_defaults() {
    let settings = read(&format!("{POOL}{GATEWAY}")).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:9500");
    assert_eq!(settings.log, LogSettings { level: LogLevel::Info, format: LogFormat::Text });
    assert_eq!(settings.signing_key, SigningKey::None);
    assert_eq!(settings.push_timeout, Duration::from_secs(1));
    assert_eq!(settings.gateways, [Gateway::Unix("/run/weir/intake.sock".into())]);
    let pool = &settings.pools[0];
    assert_eq!((pool.name.as_str(), pool.server), ("llama", ModelServerKind::Auto));
    assert_eq!(pool.poll_interval, Duration::from_millis(100));
    assert_eq!(pool.timeout, Duration::from_secs(1));
    assert_eq!(pool.endpoints[0].metrics_url.to_string(), "http://127.0.0.1:9001/metrics");
    assert!(pool.endpoints[0].gpus.is_empty());
    assert_eq!((settings.gpus.poll_interval, settings.gpus.timeout), (pool.timeout, pool.timeout));
    assert_eq!((settings.gpus.exporters.len(), &settings.gpus.nvml), (0, &None));
}

#[test]
fn every_field_is_taken() {
    let settings = read(
        "
listen: '[::1]:9600'
log: {level: debug, format: json}
signing_key_env: WEIR_KEY
push_timeout: 250ms
gateways: ['http://127.0.0.1:10001', 'http://envoy-1.mesh:10001/']
pools:
  qwen:
    server: vllm
    poll_interval: 50ms
    timeout: 2s
    endpoints:
      - address: '[::1]:9001'
        metrics_url: https://metrics.example:9443/replica/1?format=text
        gpus: [GPU-1, node-7/3]
gpus:
  poll_interval: 500ms
  timeout: 2s
  ignore_xids: [63]
  exporters:
      - url: http://10.0.0.7:9400/metrics
      - {url: 'http://node-8:9400/metrics', hosts: [10.0.0.8, '::1']}
      - url: http://node-9:9400/metrics
  nvml: {hosts: [10.0.0.1], library: /opt/libnvidia-ml.so}
",
    )
    .unwrap();
    assert_eq!(settings.listen.to_string(), "[::1]:9600");
    assert_eq!(settings.log, LogSettings { level: LogLevel::Debug, format: LogFormat::Json });
    assert_eq!(settings.signing_key, SigningKey::Env("WEIR_KEY".into()));
    assert_eq!(settings.push_timeout, Duration::from_millis(250));
    let gateways: Vec<String> = settings.gateways.iter().map(ToString::to_string).collect();
    assert_eq!(gateways, ["http://127.0.0.1:10001", "http://envoy-1.mesh:10001"]);
    let pool = &settings.pools[0];
    assert_eq!(pool.poll_interval, Duration::from_millis(50));
    assert_eq!(pool.timeout, Duration::from_secs(2));
    let url = &pool.endpoints[0].metrics_url;
    assert!(url.is_https());
    assert_eq!(url.path(), "/replica/1?format=text");
    assert_eq!(url.without_query(), "https://metrics.example:9443/replica/1");
    assert_eq!(pool.endpoints[0].gpus.len(), 2);
    let gpus = &settings.gpus;
    assert_eq!(gpus.poll_interval, Duration::from_millis(500));
    assert_eq!((gpus.timeout, gpus.ignore_xids.as_slice()), (Duration::from_secs(2), &[63][..]));
    let hosts: Vec<Vec<String>> = (gpus.exporters.iter())
        .map(|exporter| exporter.hosts.iter().map(ToString::to_string).collect())
        .collect();
    assert_eq!(hosts, [vec!["10.0.0.7"], vec!["10.0.0.8", "::1"], vec![]]);
    let nvml = gpus.nvml.as_ref().unwrap();
    assert_eq!(nvml.library.as_deref(), Some("/opt/libnvidia-ml.so"));
}

#[test]
fn a_server_says_where_its_page_is_and_may_have_none() {
    for (pool, url, metrics) in [
        ("server: sglang", "/metrics", MetricsSource::Poll),
        ("server: trtllm", "/prometheus/metrics", MetricsSource::Poll),
        ("server: nim", "/v1/metrics", MetricsSource::Poll),
        ("metrics: none", "/metrics", MetricsSource::None),
    ] {
        let yaml =
            format!("{GATEWAY}pools: {{p: {{{pool}, endpoints: [{{address: '1.1.1.1:1'}}]}}}}\n");
        let settings = read(&yaml).unwrap();
        assert_eq!(settings.pools[0].metrics, metrics);
        assert_eq!(settings.pools[0].endpoints[0].metrics_url.path(), url);
        let kind = settings.pools[0].server.name();
        assert!(pool.contains(kind) || kind == "auto", "{pool}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_limit() {
    let cases = [
        ("listen: localhost", "listen: \"localhost\" is no ip:port"),
        ("push_timeout: 1", "push_timeout: \"1\" is no duration: a whole number and ms, s or m"),
        ("push_timeout: 5ms", "push_timeout: \"5ms\" must be 10ms to 60s"),
        ("signing_key_env: ''", "signing_key_env: \"\" can name no key"),
        ("signing_key_file: ''", "signing_key_file: \"\" can name no key"),
        ("gpus: {timeout: 0s}", "gpus.timeout: \"0s\" must be 10ms to 60s"),
        (
            "gpus: {exporters: [{url: 'http://h/', hosts: [h]}]}",
            "gpus.exporters[0].hosts[0]: \"h\" is no IP address",
        ),
        (
            "gpus: {exporters: [{url: 'http://h/'}, {url: 'http://h/'}]}",
            "gpus.exporters[1].url: the URL stands twice",
        ),
        ("second_key_env: ''", "second_key_env: \"\" can name no key"),
        ("max_polls: 0", "max_polls: 0 must be 1 to 4096"),
        ("dns: {servers: [h]}", "dns.servers[0]: \"h\" is no ip:port"),
        ("dns: {min_ttl: 2s, max_ttl: 1s}", "dns.max_ttl: 1s is shorter than dns.min_ttl"),
        ("kubernetes: {url: 'https://h/x'}", "kubernetes.url: the URL must have no path"),
        ("gpus: {nvml: {library: ''}}", "gpus.nvml.library: \"\" names no library"),
        (
            "signing_key_env: A\nsigning_key_file: b",
            "signing_key_env: \"A\" and signing_key_file exclude each other",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(read(&format!("{POOL}{GATEWAY}{line}\n")).unwrap_err(), expected);
    }
}

#[test]
fn a_wrong_gateway_is_named() {
    let long = format!("unix:/{}", "x".repeat(107));
    let cases = [
        ("unix:relative", "absolute path"),
        (long.as_str(), "108 bytes, at most 107"),
        ("http://127.0.0.1", "with a port"),
        ("http://127.0.0.1:10001/x", "without a path"),
        ("https://127.0.0.1:10001", "only"),
        ("127.0.0.1:10001", "http:// or https://"),
        ("http://127.0.0.1:0", "host and port"),
        ("http://127.0.0.1:+1", "host and port"),
        ("http://:1", "host and port"),
        ("http://[::1:1", "host and port"),
        ("http://[x]:1", "host and port"),
        ("http://a b:1", "host and port"),
    ];
    for (gateway, expected) in cases {
        let error = read(&format!("{POOL}gateways: ['{gateway}']\n")).unwrap_err();
        assert!(error.starts_with("gateways[0]: ") && error.contains(expected), "{error}");
    }
    for (gateway, expected) in [
        ("{file: x}", "gateways[0]: a gateway is found by dns, srv or endpoint_slices only"),
        ("{dns: h}", "gateways[0].dns: \"h\" is no name:port"),
        ("{dsn: 'h:1'}", "dsn"),
        ("3", "unix:/path, http://host:port, or one of dns, srv and endpoint_slices"),
    ] {
        let error = read(&format!("{POOL}gateways: [{gateway}]\n")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let twice = "gateways: ['http://h:1', 'http://h:1']\n";
    assert!(read(&format!("{POOL}{twice}")).unwrap_err().contains("gateways[1]"));
    assert!(read(&format!("{POOL}gateways: []\n")).unwrap_err().contains("1 to 64"));
}

#[test]
fn a_metrics_url_with_a_password_is_refused_without_repeating_it() {
    for url in ["http://u:hunter2@h:1/metrics", "ftp://u:hunter2@h", "http://h/hunter2 x"] {
        let pools =
            format!("{{p: {{endpoints: [{{address: '1.1.1.1:1', metrics_url: '{url}'}}]}}}}");
        let error = read(&format!("{GATEWAY}pools: {pools}\n")).unwrap_err();
        assert!(error.starts_with("pools.p.endpoints[0].metrics_url: the URL "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_url_says_whom_to_dial() {
    let cases = [
        ("http://h/metrics", ("h", 80)),
        ("https://h", ("h", 443)),
        ("http://10.0.0.1:9001?x=1", ("10.0.0.1", 9001)),
        ("https://[::1]/m", ("::1", 443)),
        ("http://[fe80::1]:1/", ("fe80::1", 1)),
    ];
    for (text, expected) in cases {
        let url = HttpUrl::parse("f", text).unwrap();
        assert_eq!((url.host(), url.port_or_default()), expected, "{text}");
    }
}

#[test]
fn what_is_no_such_file_is_refused_with_its_place() {
    let cases = [
        ("colour: red\n", "colour"),
        ("log: {levle: info}\n", "levle"),
        ("log: {level: loud}\n", "loud"),
        ("gateways: ['unix:/x']\n", "gateways"),
        ("\tx", "line"),
        ("&a [*a]", "line"),
    ];
    for (line, expected) in cases {
        let error = read(&format!("{POOL}{GATEWAY}{line}")).unwrap_err();
        assert!(error.starts_with("cannot read the configuration: "), "{error}");
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    let twice = read(&format!("{POOL}{POOL}{GATEWAY}")).unwrap_err();
    assert!(twice.contains("duplicate mapping key: ") && !twice.contains("Options"), "{twice}");
    for yaml in ["", "[]", "x", "pools:\n"] {
        assert!(read(yaml).is_err(), "{yaml:?}");
    }
    assert!(SidecarSettings::from_yaml(b"\xff\xfe").is_err());
    let long = vec![b' '; MAX_YAML_BYTES + 1];
    let error = SidecarSettings::from_yaml(&long).unwrap_err().to_string();
    assert!(error.contains("at most 4194304"), "{error}");
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = SidecarSettings::from_yaml(&bytes);
        }

        #[test]
        fn no_url_panics(text in "(https?://)?\\PC{0,40}") {
            let _ = HttpUrl::parse("f", &text);
        }

        #[test]
        fn a_replica_gets_its_default_url(port in 1_u16.., last in any::<u8>()) {
            let pool = format!("pools: {{p: {{endpoints: [{{address: '10.0.0.{last}:{port}'}}]}}}}");
            let settings = read(&format!("{GATEWAY}{pool}\n")).unwrap();
            let url = settings.pools[0].endpoints[0].metrics_url.to_string();
            prop_assert_eq!(url, format!("http://10.0.0.{last}:{port}/metrics"));
        }
    }
}
