//! EndpointSlices of a Service (`discovery.k8s.io/v1`).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;
use weir_settings::sidecar::{EndpointSettings, MetricsUrl, ServicePort};

use super::api::Api;
use super::objects::{Meta, Object, encoded};
use super::watch::{Kind, follow};
use crate::discover::board::Spoken;
use crate::discover::found::{Found, Readiness};

/// One slice, as far as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    #[serde(default)]
    metadata: Meta,
    #[serde(default, rename = "addressType")]
    address_type: String,
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    #[serde(default, rename = "targetRef")]
    target: Option<Target>,
    #[serde(default)]
    zone: Option<String>,
}

/// What is missing is as good as said: `ready` and `serving` unknown mean true, `terminating` false.
#[derive(Debug, Default, Deserialize)]
struct Conditions {
    #[serde(default)]
    ready: Option<bool>,
    #[serde(default)]
    serving: Option<bool>,
    #[serde(default)]
    terminating: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Target {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct Port {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    port: Option<u16>,
}

impl Object for Slice {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// The endpoints of one Service.
#[derive(Debug)]
pub(in crate::discover) struct Slices {
    service: String,
    port: Option<ServicePort>,
    metrics_url: MetricsUrl,
    slot: Spoken,
}

impl Slices {
    /// Those of `service`, said at `slot`.
    pub(in crate::discover) fn new(
        service: &str,
        port: Option<ServicePort>,
        metrics_url: MetricsUrl,
        slot: Spoken,
    ) -> Self {
        Self { service: service.to_owned(), port, metrics_url, slot }
    }

    /// Follows them for ever.
    pub(in crate::discover) async fn watch(self, api: Arc<Api>, namespace: String) {
        let kind = Kind {
            path: format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"),
            selector: format!(
                "labelSelector={}",
                encoded(&format!("kubernetes.io/service-name={}", self.service))
            ),
        };
        let known = |slices: &BTreeMap<String, Slice>| match self.found(slices.values()) {
            Ok(found) => self.slot.say(found),
            Err(problem) => self.slot.fail(&problem),
        };
        follow(&api, &kind, known, |error| self.slot.fail(error)).await;
    }

    /// All endpoints of the slices, in order of their addresses; those of IPv6 only where there are no others, since
    /// a pod with two addresses is one replica.
    fn found<'a>(&self, slices: impl Iterator<Item = &'a Slice>) -> Result<Vec<Found>, String> {
        let (mut four, mut six) = (BTreeMap::new(), BTreeMap::new());
        let mut without_port = false;
        for slice in slices {
            let all = match slice.address_type.as_str() {
                "IPv4" => &mut four,
                "IPv6" => &mut six,
                // By name: another source's business.
                _ => continue,
            };
            let endpoints = slice.endpoints.iter().flatten();
            for endpoint in endpoints.filter(|endpoint| !endpoint.addresses.is_empty()) {
                let Some(port) = self.port_of(slice)? else {
                    without_port = true;
                    continue;
                };
                let Some(found) = self.one(endpoint, port) else { continue };
                // While a pod moves between slices it stands in two of them: the better one counts.
                let better = |known: &Found| rank(known.readiness) <= rank(found.readiness);
                if !all.get(&found.address()).is_some_and(better) {
                    all.insert(found.address(), found);
                }
            }
        }
        let all = if four.is_empty() { six } else { four };
        if all.is_empty() && without_port {
            let service = &self.service;
            return Err(format!(
                "service {service} has no such port: look at the names of its ports"
            ));
        }
        Ok(all.into_values().collect())
    }

    /// Pods whose ports differ stand in different slices, so one without the port says nothing of the others.
    fn port_of(&self, slice: &Slice) -> Result<Option<u16>, String> {
        let mut ports = slice.ports.iter().flatten();
        let found = match &self.port {
            Some(ServicePort::Number(number)) => Some(*number),
            Some(ServicePort::Name(wanted)) => ports
                .find(|port| port.name.as_deref().unwrap_or_default() == wanted)
                .and_then(|port| port.port),
            None => match (ports.next(), ports.next()) {
                (Some(only), None) => only.port,
                (Some(_), Some(_)) => {
                    return Err(format!("service {} has several ports: name one", self.service));
                }
                (None, _) => None,
            },
        };
        Ok(found.filter(|port| *port != 0))
    }

    fn one(&self, endpoint: &Endpoint, port: u16) -> Option<Found> {
        // All addresses of an endpoint are the same pod; the API says to use the first.
        let ip: IpAddr = endpoint.addresses.first()?.parse().ok()?;
        let address = SocketAddr::new(ip, port);
        let pod = endpoint.target.as_ref().filter(|target| target.kind == "Pod");
        let metrics_url = self.metrics_url.of(address);
        Some(Found {
            endpoint: EndpointSettings { address, metrics_url, gpus: Vec::new() },
            readiness: readiness(&endpoint.conditions),
            pod: pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            zone: endpoint.zone.clone().filter(|zone| (1..=256).contains(&zone.len())),
        })
    }
}

fn readiness(conditions: &Conditions) -> Readiness {
    if conditions.terminating == Some(true) {
        return Readiness::Terminating;
    }
    match conditions.ready.or(conditions.serving) {
        Some(false) => Readiness::NotReady,
        _ => Readiness::Ready,
    }
}

fn rank(readiness: Readiness) -> u8 {
    match readiness {
        Readiness::Ready => 0,
        Readiness::NotReady => 1,
        Readiness::Terminating => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::board::Board;

    fn slices(port: Option<ServicePort>) -> Slices {
        let yaml = b"gateways: ['unix:/x']\npools: {p: {endpoints: [{address: '10.0.0.1:1'}]}}";
        let settings = weir_settings::sidecar::SidecarSettings::from_yaml(yaml).unwrap();
        let slot = Board::new().add("test".into(), "p", None);
        Slices::new("vllm", port, settings.pools[0].metrics_url.clone(), slot)
    }

    fn slice(json: &str) -> Slice {
        serde_json::from_str(json).unwrap()
    }

    fn shown(found: Result<Vec<Found>, String>) -> Result<Vec<(String, Readiness)>, String> {
        Ok(found?.into_iter().map(|it| (it.address().to_string(), it.readiness)).collect())
    }

    const PODS: &str = r#"{"metadata": {"name": "a"}, "addressType": "IPv4", "ports": [{"name": "http", "port": 8000}],
        "endpoints": [
            {"addresses": ["10.0.0.4"], "conditions": {"ready": true}, "zone": "z1",
             "targetRef": {"kind": "Pod", "namespace": "ns", "name": "vllm-0"}, "nodeName": "n"},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false, "serving": false, "terminating": false}},
            {"addresses": ["10.0.0.1"]}, {"addresses": ["x"]}, {"addresses": []}]}"#;

    #[test]
    fn endpoints_have_the_states_that_their_conditions_say() {
        let found = slices(None).found([slice(PODS)].iter());
        let first = found.as_ref().unwrap().last().unwrap();
        assert_eq!((first.pod.as_deref(), first.zone.as_deref()), (Some("ns/vllm-0"), Some("z1")));
        let expected = [
            ("10.0.0.1:8000", Readiness::Ready),
            ("10.0.0.2:8000", Readiness::NotReady),
            ("10.0.0.3:8000", Readiness::Terminating),
            ("10.0.0.4:8000", Readiness::Ready),
        ];
        let expected = expected.map(|(address, readiness)| (address.to_owned(), readiness));
        assert_eq!(shown(found), Ok(expected.to_vec()));
    }

    #[test]
    fn the_port_is_the_named_one_any_number_or_the_only_one() {
        let two = r#"{"addressType": "IPv4", "ports": [{"name": "http", "port": 8000}, {"name": "m", "port": 9}],
            "endpoints": [{"addresses": ["10.0.0.1"]}]}"#;
        let name = |name: &str| Some(ServicePort::Name(name.to_owned()));
        for (port, expected) in [
            (name("m"), Ok("10.0.0.1:9")),
            (Some(ServicePort::Number(7)), Ok("10.0.0.1:7")),
            (name("x"), Err("no such port")),
            (None, Err("several ports")),
        ] {
            match (shown(slices(port).found([slice(two)].iter())), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found[0].0, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        let other =
            two.replace("\"m\", \"port\": 9", "\"m\", \"port\": 10").replace("0.0.1", "0.0.2");
        let without = PODS.replace("10.0.0", "10.0.1");
        let all = [slice(two), slice(&without), slice(&other)];
        let found = shown(slices(name("m")).found(all.iter())).unwrap();
        let addresses: Vec<_> = found.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(addresses, ["10.0.0.1:9", "10.0.0.2:10"], "one slice lacks the port");
        let none = slice(r#"{"addressType": "IPv4", "endpoints": null, "ports": null}"#);
        assert_eq!(shown(slices(None).found([none].iter())), Ok(Vec::new()));
    }

    #[test]
    fn a_pod_with_two_addresses_or_in_two_slices_is_one_replica() {
        let six = PODS.replace("IPv4", "IPv6").replace("10.0.0.", "fd00::");
        let found = slices(None).found([slice(PODS), slice(&six)].iter()).unwrap();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|found| found.address().is_ipv4()));
        let found = slices(None).found([slice(&six)].iter()).unwrap();
        assert_eq!(found[0].endpoint.metrics_url.to_string(), "http://[fd00::1]:8000/metrics");
        let ready = r#"{"addressType": "IPv4", "ports": [{"port": 8000}],
            "endpoints": [{"addresses": ["10.0.0.3"], "conditions": {"ready": true}}]}"#;
        for pair in [[slice(PODS), slice(ready)], [slice(ready), slice(PODS)]] {
            let found = shown(slices(None).found(pair.iter())).unwrap();
            assert_eq!(found[2], ("10.0.0.3:8000".to_owned(), Readiness::Ready));
        }
    }
}
