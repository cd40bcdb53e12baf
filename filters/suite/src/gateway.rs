//! The root of `root_id: gateway`: model-router, token-limit, guardrail and endpoint-picker in one Envoy
//! filter.

use weir_endpoint_picker as endpoint_picker;
use weir_guardrail as guardrail;
use weir_host::hold::HoldProbe;
use weir_host::tick::Ticker;
use weir_host::{CallAnswer, Config, Host, HttpContext, LogLevel, RootContext};
use weir_model_router as model_router;
use weir_request::{FilterGroup, Handover};
use weir_token_limit as token_limit;

use crate::chain::Chain;
use crate::settings::GatewaySettings;

/// `root_id` of this filter.
pub(crate) const ROOT_ID: &str = "gateway";

pub(crate) struct Gateway<H: Host> {
    host: H,
    router: model_router::Root<H>,
    limits: Option<token_limit::Root<H>>,
    guardrail: Option<guardrail::Root<H>>,
    picker: endpoint_picker::Root<H>,
}

impl<H: Host> Gateway<H> {
    pub(crate) fn new(host: H) -> Self {
        let router = model_router::Root::new(host.clone());
        let picker = endpoint_picker::Root::new(host.clone());
        Self { host, router, limits: None, guardrail: None, picker }
    }

    /// Configures all filters; false, with the reason in the log, if one refuses.
    fn configure(&mut self, raw: &GatewaySettings) -> bool {
        let ticker = Ticker::new();
        let (guarded, limited) = (raw.guardrail.is_some(), raw.token_limit.is_some());
        let handover = Handover::for_filters(guarded, guarded || limited);
        let probe = HoldProbe::new(&ticker);
        let (state_keys, asks_route) = (raw.state_keys, raw.asks_route);
        let busy = ticker.part();
        let mut group = FilterGroup { handover, probe, busy, state_keys, asks_route, limits: None };
        self.limits = raw.token_limit.as_ref().map(|_| token_limit::Root::new(self.host.clone()));
        if let (Some(filter), Some(configuration)) = (&mut self.limits, &raw.token_limit) {
            filter.join(group.clone());
            if !filter.configure(configuration.to_string().as_bytes()) {
                return false;
            }
            group.limits = filter.limits();
        }
        self.router.join(group.clone());
        self.guardrail = raw.guardrail.as_ref().map(|_| guardrail::Root::new(self.host.clone()));
        let guarded = match (&mut self.guardrail, &raw.guardrail) {
            (Some(filter), Some(configuration)) => {
                filter.join(group.clone());
                filter.configure(configuration.to_string().as_bytes())
            }
            _ => true,
        };
        self.picker.join(group);
        guarded
            && self.router.configure(raw.model_router.to_string().as_bytes())
            && self.picker.configure(raw.endpoint_picker.to_string().as_bytes())
    }
}

impl<H: Host> RootContext for Gateway<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let raw = GatewaySettings::read(&self.host.configuration(Config::Plugin));
        match raw {
            Ok(raw) => self.configure(&raw),
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.gateway: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        // The picker last: it may stop the tick, and what waits elsewhere must be out by then.
        self.router.on_tick();
        self.limits.iter_mut().for_each(RootContext::on_tick);
        self.guardrail.iter_mut().for_each(RootContext::on_tick);
        self.picker.on_tick();
    }

    fn on_http_call_response(&mut self, answer: &CallAnswer) {
        // Whoever has asked knows the call's token.
        self.router.on_http_call_response(answer);
        self.limits.iter_mut().for_each(|filter| filter.on_http_call_response(answer));
        self.guardrail.iter_mut().for_each(|filter| filter.on_http_call_response(answer));
        self.picker.on_http_call_response(answer);
    }

    fn on_end(&mut self) {
        self.router.on_end();
        self.limits.iter_mut().for_each(RootContext::on_end);
        self.guardrail.iter_mut().for_each(RootContext::on_end);
        self.picker.on_end();
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        let mut filters = vec![self.router.create_http_context(context_id)];
        let limits = self.limits.iter().map(|filter| filter.create_http_context(context_id));
        filters.extend(limits);
        let guardrail = self.guardrail.iter().map(|filter| filter.create_http_context(context_id));
        filters.extend(guardrail);
        filters.push(self.picker.create_http_context(context_id));
        Box::new(Chain::new(filters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::{Action, Body, FakeHost, HeaderMap};

    const CONFIG: &str = r#""model-router":{"policies":{"default":{"models":[{"name":"m","pool":"p"}]}}},
        "endpoint-picker":{"policies":{"default":{}}}"#;

    const BODY: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;

    /// Begins a chat through a gateway with this configuration.
    fn chat(host: &FakeHost, config: &str) -> Box<dyn HttpContext> {
        host.set_configuration(Config::Plugin, config.as_bytes());
        let mut gateway = Gateway::new(host.clone());
        assert!(gateway.on_configure(0), "{:?}", host.logs());
        for (name, value) in [(":method", "POST"), (":path", "/v1/chat/completions")] {
            host.set_header(HeaderMap::Request, name, value.as_bytes()).unwrap();
        }
        host.set_body(Body::Request, BODY);
        let mut stream = gateway.create_http_context(7);
        assert_eq!(stream.on_http_request_headers(2, false), Action::Pause);
        stream
    }

    #[test]
    fn the_picker_knows_the_facts_without_filter_state() {
        let host = FakeHost::new();
        let mut stream = chat(&host, &format!("{{{CONFIG}}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        assert_eq!(host.state(weir_request::FACTS).unwrap(), None);
        // It looked for an endpoint of the pool; without facts it would have let the request pass.
        assert_eq!(host.metric("weir_picks_total.basis.none.pool.p"), Some(1));
        assert_eq!(host.state("weir.pool").unwrap().as_deref(), Some(&b"p"[..]));
    }

    #[test]
    fn a_guardrail_between_them_edits_what_the_picker_places() {
        let host = FakeHost::new();
        let rule = r#"{"rules":["custom"],"action":"redact"}"#;
        let words = r#"{"id":"greetings","entity":"GREETING","terms":["Hi"]}"#;
        let guardrail = format!(
            r#""guardrail":{{"policies":{{"default":{{"rules":[{rule}],"dictionaries":[{words}]}}}}}}"#
        );
        let mut stream = chat(&host, &format!("{{{CONFIG},{guardrail}}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        let body = String::from_utf8(host.body_now(Body::Request)).unwrap();
        assert!(body.contains("[GREETING]"), "{body}");
        assert_eq!(host.metric("weir_picks_total.basis.none.pool.p"), Some(1));
    }

    #[test]
    fn holding_a_response_leaves_the_pickers_tick_alone() {
        let host = FakeHost::new();
        let rule = r#"{"rules":["pii"],"action":"redact","direction":"response"}"#;
        let guardrail = format!(r#""guardrail":{{"policies":{{"default":{{"rules":[{rule}]}}}}}}"#);
        let mut stream = chat(&host, &format!("{{{CONFIG},{guardrail}}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        host.set_tick_ms(50).unwrap();
        host.set_header(HeaderMap::Response, "content-type", b"application/json").unwrap();
        assert_eq!(stream.on_http_response_headers(1, false), Action::Pause);
        host.set_body(Body::Response, b"{}");
        stream.on_http_response_body(2, true);
        assert_eq!(host.tick_ms(), 50);
    }

    #[test]
    fn facts_are_left_for_filters_that_follow_if_that_is_wanted() {
        let host = FakeHost::new();
        let mut stream = chat(&host, &format!("{{{CONFIG},\"leave-state\":[\"facts\"]}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        assert!(host.state(weir_request::FACTS).unwrap().is_some());
        assert_eq!(host.state("weir.pool").unwrap(), None);
    }

    #[test]
    fn routes_are_not_asked_where_all_have_the_default_policy() {
        let host = FakeHost::new();
        let route = ["xds", "route_metadata", "filter_metadata", "weir", "policy"];
        host.set_property(&route, b"batch");
        let mut stream = chat(&host, &format!("{{{CONFIG},\"policy-by-route\":false}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);

        let batch =
            format!("{{{},\"policy-by-route\":false}}", CONFIG.replacen("default", "batch", 1));
        host.set_configuration(Config::Plugin, batch.as_bytes());
        assert!(!Gateway::new(host.clone()).on_configure(0));
        assert!(host.logs().last().unwrap().1.contains("policy-by-route"));
    }

    #[test]
    fn the_picker_goes_by_the_policy_that_the_route_named_to_the_router() {
        let host = FakeHost::new();
        let route = ["xds", "route_metadata", "filter_metadata", "weir", "policy"];
        host.set_property(&route, b"batch");
        let batch = CONFIG.replacen("default", "batch", 1);
        let mut stream = chat(&host, &format!("{{{batch}}}"));
        // The router has that policy, the picker has not: it fails closed.
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Pause);
        assert_eq!(host.local_reply().unwrap().status, 500);
        let said = host.logs().pop().unwrap().1;
        assert!(said.starts_with("weir.endpoint-picker: route \"\": its metadata"), "{said}");
        assert!(said.contains("\"batch\"") && said.ends_with("none of: default"), "{said}");
        assert_eq!(host.metric("weir_picker_misconfigured_total"), Some(1));
    }

    const LIMITS: &str = r#""token-limit":{"policies":{"default":{"limits":[
        {"name":"t","tokens":1000,"window":"1m","reserve":"full"},
        {"name":"r","models":["m"],"requests":1,"window":"1m","on_exceed":"downgrade(small)"}]}}}"#;

    const TWO_MODELS: &str = r#""model-router":{"policies":{"default":{"models":[
        {"name":"m","pool":"p"},{"name":"small","pool":"q","rewrite":"small-7b"}]}}},
        "endpoint-picker":{"policies":{"default":{}}}"#;

    #[test]
    fn a_limit_is_asked_before_the_body_is_edited_and_settled_by_what_was_read() {
        let host = FakeHost::new();
        let mut stream = chat(&host, &format!("{{{TWO_MODELS},{LIMITS}}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        assert_eq!(
            host.body_now(Body::Request),
            BODY,
            "nothing is edited for who asks for no stream"
        );
        let answer = br#"{"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
        host.set_header(HeaderMap::Response, ":status", b"200").unwrap();
        assert_eq!(stream.on_http_response_headers(1, false), Action::Continue);
        host.set_body(Body::Response, answer);
        assert_eq!(stream.on_http_response_body(answer.len(), true), Action::Continue);
        stream.on_end();
        assert_eq!(
            host.state("weir.tokens").unwrap().unwrap(),
            b"prompt=9 cached=0 completion=4 reasoning=0"
        );
        assert_eq!(host.metric("weir_limit_tokens_total.limit.t.type.prompt"), Some(9));
        assert!(host.header_now(HeaderMap::Response, "x-ratelimit-remaining-tokens").is_some());

        // The second one gets the model that the limit gives; all that hangs on the model follows.
        let mut stream = chat(&host, &format!("{{{TWO_MODELS},{LIMITS}}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        let body = String::from_utf8(host.body_now(Body::Request)).unwrap();
        assert!(body.contains(r#""model":"small-7b""#), "{body}");
        let name = host.header_now(HeaderMap::Request, "x-gateway-model-name").unwrap();
        assert_eq!(name, b"small");
        assert_eq!(host.state("weir.decision").unwrap().unwrap(), b"limit=small; alias=small-7b");
        assert_eq!(host.state("weir.pool").unwrap().unwrap(), b"q");
        assert_eq!(host.metric("weir_limit_requests_total.limit.r.decision.downgraded"), Some(1));
    }

    #[test]
    fn a_model_that_the_router_does_not_give_is_a_refusal_in_the_limits_words() {
        let host = FakeHost::new();
        let limits = LIMITS.replace("downgrade(small)", "downgrade(team)");
        let router = TWO_MODELS
            .replacen('{', r#"{"trust":{"consumer":[{"header":"x-c"}]},"#, 1)
            .replace(r#""name":"small""#, r#""name":"team","consumers":["ann"]"#);
        for status in [None, Some(429)] {
            let before = host.local_reply().is_some();
            let mut stream = chat(&host, &format!("{{{router},{limits}}}"));
            stream.on_http_request_body(BODY.len(), true);
            let reply = host.local_reply().filter(|_| !before).map(|reply| reply.status);
            assert_eq!(reply, status);
        }
        let reply = host.local_reply().unwrap();
        assert!(reply.headers.iter().any(|(name, _)| name == "retry-after-ms"), "{reply:?}");
        assert!(!String::from_utf8(reply.body).unwrap().contains("team"));
    }

    #[test]
    fn access_logs_say_which_model_and_pool_a_limit_has_refused() {
        let limits = LIMITS.replace("1000", "1");
        let keys =
            |host: &FakeHost| ["weir.model", "weir.pool"].map(|key| host.state(key).unwrap());
        for (leave, left) in [
            ("[\"model\",\"pool\"]", [Some(b"m".to_vec()), Some(b"p".to_vec())]),
            ("[]", [None, None]),
        ] {
            let host = FakeHost::new();
            let config = format!("{{{TWO_MODELS},{limits},\"leave-state\":{leave}}}");
            let mut stream = chat(&host, &config);
            stream.on_http_request_body(BODY.len(), true);
            assert_eq!(host.local_reply().unwrap().status, 429);
            assert_eq!(keys(&host), left);
        }
    }
}
