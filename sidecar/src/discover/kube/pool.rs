//! InferencePools (`inference.networking.k8s.io/v1`) and the pods that they select.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tracing::warn;
use weir_settings::sidecar::{EndpointSettings, MetricsUrl};

use super::api::Api;
use super::objects::{Meta, Object, encoded};
use super::watch::{Kind, follow};
use crate::discover::board::Spoken;
use crate::discover::found::{Found, Readiness};

#[derive(Debug, Deserialize)]
struct InferencePool {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: PoolSpec,
}

#[derive(Debug, Default, Deserialize)]
struct PoolSpec {
    #[serde(default)]
    selector: Selector,
    #[serde(default, rename = "targetPorts")]
    ports: Vec<TargetPort>,
    #[serde(default, rename = "endpointPickerRef")]
    picker: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct Selector {
    #[serde(default, rename = "matchLabels")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct TargetPort {
    number: u16,
}

impl Object for InferencePool {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

#[derive(Debug, Deserialize)]
struct Pod {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
struct PodStatus {
    #[serde(default)]
    phase: String,
    #[serde(default, rename = "podIP")]
    ip: Option<String>,
    #[serde(default)]
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

impl Object for Pod {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

/// What is to be followed for a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// Not known yet.
    Unknown,
    /// There is no such pool, or another picker's.
    Nothing,
    /// Pods with these labels, at these ports.
    Pods { selector: String, ports: Vec<u16> },
}

/// Says the pods of InferencePool `name` for ever. One that names an endpoint picker is somebody else's: it has none.
pub(in crate::discover) async fn watch_pool(
    api: Arc<Api>,
    namespace: String,
    name: String,
    metrics_url: MetricsUrl,
    slot: Spoken,
) {
    let (sender, mut wanted) = watch::channel(Wanted::Unknown);
    let kind = Kind {
        path: format!("/apis/inference.networking.k8s.io/v1/namespaces/{namespace}/inferencepools"),
        selector: format!("fieldSelector={}", encoded(&format!("metadata.name={name}"))),
    };
    let known = |pools: &BTreeMap<String, InferencePool>| {
        let now = pools.get(&name).map_or(Wanted::Nothing, |pool| wanted_of(&name, pool));
        sender.send_if_modified(|before| {
            let changed = *before != now;
            before.clone_from(&now);
            changed
        });
    };
    let pool = follow(&api, &kind, known, |error| slot.fail(error));
    let pods = async {
        loop {
            let now = wanted.borrow_and_update().clone();
            tokio::select! {
                () = follow_pods(&api, &namespace, &now, &metrics_url, &slot) => {}
                changed = wanted.changed() => if changed.is_err() { return },
            }
        }
    };
    tokio::join!(pool, pods);
}

fn wanted_of(name: &str, pool: &InferencePool) -> Wanted {
    let PoolSpec { selector, ports, picker } = &pool.spec;
    if picker.as_ref().is_some_and(|picker| !picker.is_null()) {
        warn!(
            pool = name,
            "the InferencePool names an endpoint picker of its own: it is not Weir's"
        );
        return Wanted::Nothing;
    }
    // A selector without labels would be every pod of the namespace.
    if selector.labels.is_empty() || pool.metadata.deleted_at.is_some() {
        return Wanted::Nothing;
    }
    let pairs = selector.labels.iter().map(|(label, value)| format!("{label}={value}"));
    let selector = pairs.collect::<Vec<_>>().join(",");
    Wanted::Pods { selector, ports: ports.iter().map(|port| port.number).collect() }
}

/// Follows the pods that are wanted, for ever.
async fn follow_pods(
    api: &Api,
    namespace: &str,
    wanted: &Wanted,
    metrics_url: &MetricsUrl,
    slot: &Spoken,
) {
    let (selector, ports) = match wanted {
        Wanted::Unknown => return std::future::pending().await,
        Wanted::Nothing => {
            slot.say(Vec::new());
            return std::future::pending().await;
        }
        Wanted::Pods { selector, ports } => (selector, ports),
    };
    let kind = Kind {
        path: format!("/api/v1/namespaces/{namespace}/pods"),
        selector: format!("labelSelector={}", encoded(selector)),
    };
    let known = |pods: &BTreeMap<String, Pod>| {
        let found = pods.values().flat_map(|pod| found(namespace, pod, ports, metrics_url));
        slot.say(found.collect());
    };
    follow(api, &kind, known, |error| slot.fail(error)).await;
}

/// The replicas of a pod: one for each port.
fn found<'a>(
    namespace: &'a str,
    pod: &'a Pod,
    ports: &'a [u16],
    metrics_url: &'a MetricsUrl,
) -> impl Iterator<Item = Found> + 'a {
    let ended = ["Succeeded", "Failed"].contains(&pod.status.phase.as_str());
    let ip: Option<IpAddr> = pod.status.ip.as_deref().and_then(|ip| ip.parse().ok());
    let ip = ip.filter(|_| !ended);
    ip.into_iter().flat_map(move |ip| {
        ports.iter().filter(|port| **port != 0).map(move |port| {
            let address = SocketAddr::new(ip, *port);
            let metrics_url = metrics_url.of(address);
            Found {
                endpoint: EndpointSettings { address, metrics_url, gpus: Vec::new() },
                readiness: readiness(pod),
                pod: Some(format!("{namespace}/{}", pod.metadata.name)),
                zone: None,
            }
        })
    })
}

fn readiness(pod: &Pod) -> Readiness {
    if pod.metadata.deleted_at.is_some() {
        return Readiness::Terminating;
    }
    let mut conditions = pod.status.conditions.iter().flatten();
    match conditions.find(|condition| condition.kind == "Ready") {
        Some(ready) if ready.status == "True" => Readiness::Ready,
        _ => Readiness::NotReady,
    }
}
