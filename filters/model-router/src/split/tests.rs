use super::*;
use weir_host::FakeHost;
use weir_settings::model_router::RouterSettings;

const POLICY: &[u8] = br#"{"policies":{"default":{"models":[{"name":"chat","split":{"to":[
    {"model":"old","weight":1},{"model":"new","weight":1,"canary":{"failures":2,"within":"10s","probe_after":"30s"}}]}},
    {"name":"old","pool":"a"},{"name":"new","pool":"b"}]}}}"#;

const S: u64 = 1_000_000_000;

struct Router {
    host: FakeHost,
    settings: RouterSettings,
    splits: Splits,
}

impl Router {
    fn new() -> Self {
        let (host, settings) = (FakeHost::new(), RouterSettings::from_json(POLICY).unwrap());
        host.set_now_ns(1000 * S);
        let splits = Splits::of(&settings.policies, "weir.model-router");
        Self { host, settings, splits }
    }

    fn draw(&self, key: u64) -> (usize, Drawn) {
        let policy = self.settings.policies.fallback().unwrap();
        self.splits.draw(&self.host, "chat", policy.split("chat").unwrap(), key)
    }

    /// What Envoy says of how a response came to its end.
    fn says(&self, details: &str) {
        self.host.set_property(&["response", "code_details"], details.as_bytes());
    }

    /// A request whose key falls into the upper half, which the canary serves.
    fn request(&self, status: &str) -> usize {
        self.ends(status, "via_upstream")
    }

    fn ends(&self, status: &str, details: &str) -> usize {
        let (place, drawn) = self.draw(u64::MAX - 7);
        self.host.set_header(HeaderMap::Response, ":status", status.as_bytes()).unwrap();
        self.says(details);
        self.splits.answered(&self.host, &drawn);
        self.splits.ended(&self.host, &drawn);
        place
    }
}

#[test]
fn a_canary_that_fails_loses_its_share_until_a_probe_is_served() {
    let router = Router::new();
    assert_eq!(["200", "404", "429", "501"].map(|status| router.request(status)), [1; 4]);
    assert_eq!(["500", "503"].map(|status| router.request(status)), [1, 1]);
    assert_eq!(router.request("200"), 0, "cut");
    assert_eq!(router.draw(7).0, 0, "the other share keeps its keys");
    router.host.set_now_ns(1030 * S);
    // One asks; until it has ended, others go elsewhere.
    let (place, probe) = router.draw(u64::MAX - 7);
    assert_eq!((place, router.draw(u64::MAX - 7).0), (1, 0));
    router.host.set_header(HeaderMap::Response, ":status", b"502").unwrap();
    router.splits.answered(&router.host, &probe);
    router.splits.ended(&router.host, &probe);
    assert_eq!(router.request("200"), 0);
    router.host.set_now_ns(1060 * S);
    assert_eq!(router.ends("429", "weir_token_limit"), 1);
    assert_eq!(router.request("200"), 0, "a limit's answer is none of the share's");
    router.host.set_now_ns(1090 * S);
    assert_eq!(router.ends("503", "weir_no_replica_answered"), 1);
    assert_eq!(router.request("200"), 0, "that none of its replicas has answered is");
    router.host.set_now_ns(1120 * S);
    assert_eq!([router.request("200"), router.request("200")], [1, 1]);
    let counted =
        |name: &str| router.host.metric(&format!("weir_router_split_{name}_total.share.new"));
    assert_eq!((counted("failures"), counted("cuts")), (Some(4), Some(1)));
    let logs = router.host.logs();
    assert!(logs.len() == 1 && logs[0].1.contains("\"new\" of a split is cut: 2 failures"));
}

#[test]
fn an_answer_that_the_replica_breaks_off_is_a_failure_and_a_client_that_leaves_is_none() {
    for (cause, place) in [("downstream_remote_disconnect", 1), ("upstream_reset_after", 0)] {
        let router = Router::new();
        router.ends("200", cause);
        router.ends("200", cause);
        assert_eq!(router.request("200"), place, "{cause}");
    }
    let router = Router::new();
    for _ in 0..9 {
        let (place, drawn) = router.draw(u64::MAX - 7);
        router.splits.ended(&router.host, &drawn);
        assert_eq!(place, 1, "nobody was answered");
    }
}

#[test]
fn a_value_that_cannot_be_read_is_counted_and_cuts_nothing() {
    let router = Router::new();
    router.host.set_shared(keys::CANARIES, b"garbage", None).unwrap();
    assert_eq!(router.request("500"), 1);
    assert_eq!(router.host.metric("weir_undecodable_total"), Some(1));
    assert_eq!([router.request("500"), router.request("500")], [1, 0]);
}
