//! What is not as it should be, as sidecar and Envoy say it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_harness::{HttpClient, Request};

use crate::load::Tally;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(50);

/// A look that is not answered by then was not answered.
const PATIENCE: Duration = Duration::from_millis(500);

/// The replica that faults hit, one of three, gets no requests if none has come to it for so long.
const NO_REQUESTS: Duration = Duration::from_secs(1);

/// So many looks in a row without anything amiss say that all is well: 400 ms.
const WELL: u32 = 8;

/// Looks at sidecar and Envoy.
pub(crate) struct Watch {
    sidecar: SocketAddr,
    admin: SocketAddr,
    http: HttpClient,
    /// Picks so far: by load, by affinity alone, not at all.
    picks: Option<[u64; 3]>,
    tally: Arc<Tally>,
    /// What had come to the replica that faults hit, and when that last grew.
    at_hit: (u64, Instant),
}

/// What was amiss, in the order in which it came, and how long after the beginning.
pub(crate) type Amiss = Vec<(String, Duration)>;

impl Watch {
    /// Looks at the sidecar with this address of its own HTTP, and at the Envoy with this one of its admin.
    /// `tally` counts where requests go.
    pub(crate) fn new(sidecar: SocketAddr, admin: SocketAddr, tally: &Arc<Tally>) -> Self {
        let http = HttpClient::http1().with_limit(PATIENCE);
        let (tally, at_hit) = (Arc::clone(tally), (tally.counts().at_hit, Instant::now()));
        Self { sidecar, admin, http, picks: None, tally, at_hit }
    }

    /// Looks for so long; adds what is amiss to `amiss`.
    pub(crate) async fn for_long(&mut self, time: Duration, began: Instant, amiss: &mut Amiss) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            for what in self.look().await {
                note(amiss, what, began.elapsed());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks until all is well: since when it is, or what is still amiss after `most`.
    ///
    /// # Errors
    /// What is amiss.
    pub(crate) async fn until_well(
        &mut self,
        most: Duration,
        began: Instant,
        amiss: &mut Amiss,
    ) -> Result<Instant, String> {
        let until = Instant::now() + most;
        let (mut since, mut looks) = (Instant::now(), 0);
        loop {
            let at = Instant::now();
            let found = self.look().await;
            if found.is_empty() {
                (since, looks) = if looks == 0 { (at, 1) } else { (since, looks + 1) };
            } else {
                looks = 0;
            }
            if looks >= WELL {
                return Ok(since);
            }
            let now = found.join(", ");
            for what in found {
                note(amiss, what, began.elapsed());
            }
            if at > until {
                return Err(now);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn look(&mut self) -> Vec<String> {
        let (status, picks) = tokio::join!(self.json(self.sidecar, "/status"), self.picks());
        let mut amiss = match status {
            Some(status) => in_status(&status),
            None => vec!["the sidecar does not answer".to_owned()],
        };
        match picks {
            None => amiss.push("Envoy does not answer".to_owned()),
            Some(now) => amiss.extend(self.picked(now)),
        }
        let (at_hit, now) = (self.tally.counts().at_hit, Instant::now());
        if at_hit > self.at_hit.0 {
            self.at_hit = (at_hit, now);
        } else if now - self.at_hit.1 > NO_REQUESTS {
            amiss.push("no requests to it".to_owned());
        }
        amiss
    }

    /// What is amiss with the picks since the last look.
    fn picked(&mut self, now: [u64; 3]) -> Vec<String> {
        let before = self.picks.replace(now).unwrap_or(now);
        let grown = |at: usize| now.get(at) > before.get(at);
        let names = [(1, "picks by affinity alone"), (2, "no picks: Envoy's fallback policy")];
        names.iter().filter(|(at, _)| grown(*at)).map(|(_, name)| (*name).to_owned()).collect()
    }

    async fn picks(&self) -> Option<[u64; 3]> {
        let page = self.json(self.admin, "/stats?format=json&filter=weir_picks_total").await?;
        let stats = page.get("stats")?.as_array()?;
        let sum = |basis: &str| {
            let of = |stat: &&Value| stat["name"].as_str().is_some_and(|name| name.contains(basis));
            stats.iter().filter(of).filter_map(|stat| stat["value"].as_u64()).sum()
        };
        Some(["basis.load", "basis.affinity", "basis.none"].map(sum))
    }

    async fn json(&self, address: SocketAddr, path: &str) -> Option<Value> {
        let request = Request::get(path).header("accept", "application/json");
        self.http.send(address, request).await.ok()?.json().ok()
    }
}

fn note(amiss: &mut Amiss, what: String, after: Duration) {
    if !amiss.iter().any(|(known, _)| *known == what) {
        amiss.push((what, after));
    }
}

/// What the sidecar's `/status` says is amiss.
fn in_status(status: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut amiss = Vec::new();
    for pool in &list(&status["pools"]) {
        for (index, endpoint) in list(&pool["endpoints"]).iter().enumerate() {
            match endpoint["state"].as_str() {
                Some("ready") => {}
                state => amiss.push(format!("`{}`", state.unwrap_or("no state"))),
            }
            // The third is found by name and has no GPU.
            if index < 2 && endpoint["gpu_use"].is_null() {
                amiss.push("GPUs unknown".to_owned());
            }
        }
        if list(&pool["sources"]).iter().any(|source| !source["error"].is_null()) {
            amiss.push("the source says why".to_owned());
        }
        if list(&pool["endpoints"]).len() != 3 {
            amiss.push("a replica is missing".to_owned());
        }
    }
    if list(&status["gateways"]).iter().any(|gateway| !gateway["behind"].is_null()) {
        amiss.push("`/readyz` is 503".to_owned());
    }
    amiss
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_status_says_is_amiss() {
        let status = |state: &str, gpu: Value, behind: Value| {
            let endpoint = |state: &str, gpu: &Value| json!({"state": state, "gpu_use": gpu});
            json!({
                "pools": [{"endpoints": [
                    endpoint(state, &gpu), endpoint("ready", &json!(0.5)), endpoint("ready", &json!(null)),
                ]}],
                "gateways": [{"behind": behind}],
            })
        };
        assert!(in_status(&status("ready", json!(0.1), json!(null))).is_empty());
        let found = in_status(&status("degraded", json!(null), json!("late")));
        assert_eq!(found, ["`degraded`", "GPUs unknown", "`/readyz` is 503"]);
        assert_eq!(in_status(&json!({"pools": [{}]})), ["a replica is missing"]);
    }

    #[test]
    fn picks_without_load_are_amiss_from_the_second_look_on() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut watch = Watch::new(nowhere, nowhere, &Arc::default());
        assert!(watch.picked([9, 9, 9]).is_empty());
        assert!(watch.picked([10, 9, 9]).is_empty());
        assert_eq!(watch.picked([10, 10, 9]), ["picks by affinity alone"]);
        // Another Envoy counts from nothing.
        assert!(watch.picked([1, 0, 0]).is_empty());
    }
}
