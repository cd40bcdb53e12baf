//! Pools, and where their replicas are found.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_wrong_pool_is_named() {
    let cases = [
        ("{}", "pools: 0 entries, must be 1 to 64"),
        ("{'a b': {endpoints: []}}", "pools (name): \"a b\""),
        ("{p: {endpoints: []}}", "pools.p.endpoints: 0 entries, must be 1 to 4096"),
        ("{p: {}}", "pools.p.endpoints: 0 entries, must be 1 to 4096"),
        ("{p: {endpoints: [{address: 'h'}]}}", "pools.p.endpoints[0].address: \"h\""),
        (
            "{p: {endpoints: [{address: 'h:1'}, {address: 'h:1'}]}}",
            "pools.p.endpoints[1].address: \"h:1\" stands twice",
        ),
        ("{p: {endpoints: [{address: '1.1.1.1:0'}]}}", "a port from 1 to 65535"),
        (
            "{p: {endpoints: [{address: '[::1]:1'}, {address: '[0:0::1]:1'}]}}",
            "pools.p.endpoints[1].address: \"[0:0::1]:1\" stands twice",
        ),
        (
            "{p: {endpoints: [{address: '1.1.1.1:1', gpus: ['0']}]}}",
            "pools.p.endpoints[0].gpus[0]: \"0\" is no GPU-UUID",
        ),
        (
            "{p: {poll_interval: 1ms, endpoints: [{address: '1.1.1.1:1'}]}}",
            "pools.p.poll_interval: \"1ms\" must be 10ms to 60s",
        ),
        ("{p: {discover: [{}]}}", "pools.p.discover[0]: 0 members, needs exactly one"),
        (
            "{p: {discover: [{dns: 'h:1', file: x}]}}",
            "pools.p.discover[0]: 2 members, needs exactly one",
        ),
        ("{p: {discover: [{dns: h}]}}", "pools.p.discover[0].dns: \"h\" is no name:port"),
        ("{p: {discover: [{srv: 10.0.0.1}]}}", "pools.p.discover[0].srv: \"10.0.0.1\""),
        ("{p: {discover: [{file: ''}]}}", "pools.p.discover[0].file: \"\" names no file"),
        (
            "{p: {discover: [{endpoint_slices: {service: 'a,b'}}]}}",
            "pools.p.discover[0].endpoint_slices.service: \"a,b\" is no name",
        ),
        (
            "{p: {discover: [{endpoint_slices: {service: a, namespace: '../x'}}]}}",
            "pools.p.discover[0].endpoint_slices.namespace: \"../x\"",
        ),
        (
            "{p: {discover: [{endpoint_slices: {service: a, port: 0}}]}}",
            "pools.p.discover[0].endpoint_slices.port: 0 must be 1 to 65535",
        ),
        (
            "{p: {discover: [{inference_pool: {name: A}}]}}",
            "pools.p.discover[0].inference_pool.name: \"A\"",
        ),
        (
            "{p: {metrics_url: 'http://{host}/', discover: [{file: x}]}}",
            "pools.p.metrics_url: the URL has no valid host",
        ),
        (
            "{p: {access: {key_file: k}, discover: [{file: x}]}}",
            "pools.p.access: \"k\" needs certificate_file and key_file both",
        ),
        (
            "{p: {access: {ca_file: ''}, discover: [{file: x}]}}",
            "pools.p.access.ca_file: \"\" names nothing",
        ),
        (
            "{p: {series: {blocks: {name: b}}, discover: [{file: x}]}}",
            "pools.p.series: the mapping needs waiting or running",
        ),
        (
            "{p: {series: {waiting: {name: 'a b'}}, discover: [{file: x}]}}",
            "pools.p.series.waiting.name: \"a b\" is no name of a metric",
        ),
        (
            "{p: {series: {waiting: {name: a, scale: 0}}, discover: [{file: x}]}}",
            "pools.p.series.waiting.scale: 0 must be a number greater than 0",
        ),
        (
            "{p: {server: vllm, series: {waiting: {name: a}}, discover: [{file: x}]}}",
            "pools.p.server: vllm and series exclude each other",
        ),
        (
            "{p: {timeout: 2m, endpoints: [{address: '1.1.1.1:1'}]}}",
            "pools.p.timeout: \"2m\" must be 10ms to 60s",
        ),
    ];
    for (pools, expected) in cases {
        let error = read(&format!("{GATEWAY}pools: {pools}\n")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn names_and_sources_are_told_apart_and_have_the_pools_url() {
    let settings = read(&format!(
        "{GATEWAY}dns: {{servers: ['10.0.0.53:53']}}
pools:
  p:
    metrics_url: 'https://{{ip}}:9/m?p={{port}}'
    endpoints:
      - address: 10.0.0.1:8000
      - {{address: 'vllm.test:8000', metrics_url: 'http://{{ip}}:7/x', gpus: [GPU-1]}}
    discover:
      - endpoint_slices: {{service: vllm, port: http}}
      - endpoint_slices: {{service: vllm, namespace: ns, port: 8000}}
      - inference_pool: {{name: llama}}
      - srv: _http._tcp.vllm.test.
"
    ))
    .unwrap();
    let pool = &settings.pools[0];
    assert_eq!(pool.endpoints[0].metrics_url.to_string(), "https://10.0.0.1:9/m?p=8000");
    let sources: Vec<String> = pool.discover.iter().map(ToString::to_string).collect();
    let expected = [
        "dns vllm.test:8000",
        "endpoint_slices vllm:http",
        "endpoint_slices ns/vllm:8000",
        "inference_pool llama",
        "srv _http._tcp.vllm.test.",
    ];
    assert_eq!(sources, expected);
    let Discovery::Dns { metrics_url: Some(url), gpus, .. } = &pool.discover[0] else { panic!() };
    assert_eq!(url.of("[::1]:8000".parse().unwrap()).to_string(), "http://[::1]:7/x");
    assert_eq!(gpus.len(), 1);
    assert!(pool.needs_tls() && pool.surely_needs_tls());
    let ports = pool.discover.iter().filter_map(|one| match one {
        Discovery::EndpointSlices { port, .. } => port.clone(),
        _ => None,
    });
    let expected = [ServicePort::Name("http".into()), ServicePort::Number(8000)];
    assert_eq!(ports.collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_of_replicas_has_addresses_and_names_its_mistakes() {
    let yaml = format!("{GATEWAY}pools: {{p: {{discover: [{{file: x}}]}}}}\n");
    let settings = read(&yaml).unwrap();
    let url = &settings.pools[0].metrics_url;
    let read = |yaml: &str| {
        let endpoints =
            endpoints_of_file(yaml.as_bytes(), url).map_err(|error| error.to_string())?;
        Ok::<_, String>(endpoints.iter().map(|one| one.metrics_url.to_string()).collect::<Vec<_>>())
    };
    let good =
        "endpoints: [{address: '10.0.0.1:1'}, {address: '10.0.0.2:1', metrics_url: 'http://h/'}]";
    assert_eq!(read(good), Ok(vec!["http://10.0.0.1:1/metrics".into(), "http://h/".into()]));
    assert_eq!(read("endpoints: []"), Ok(Vec::new()));
    for (yaml, expected) in [
        ("endpoints: [{address: 'h:1'}]", "endpoints[0].address: \"h:1\" is no ip:port"),
        ("endpoints: [{address: '1.1.1.1:1'}, {address: '1.1.1.1:1'}]", "endpoints[1].address: "),
        ("endpoints: 3", "cannot read the configuration: "),
        ("", "cannot read the configuration: "),
        ("more: []", "more"),
    ] {
        let error = read(yaml).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
