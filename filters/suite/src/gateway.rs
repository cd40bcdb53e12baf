//! The root of `root_id: gateway`: model-router, guardrail and endpoint-picker in one Envoy filter.

use serde_json::Value;
use weir_endpoint_picker as endpoint_picker;
use weir_guardrail as guardrail;
use weir_host::{Config, Context, ContextType, Host, HttpContext, LogLevel, RootContext};
use weir_model_router as model_router;
use weir_request::Handover;
use weir_settings::{SettingsError, plugin};

use crate::chain::Chain;

/// `root_id` of this filter.
pub(crate) const ROOT_ID: &str = "gateway";

/// Its configuration: that of each filter under the filter's name.
struct Written {
    /// As for `root_id: model-router`.
    model_router: Value,
    /// As for `root_id: guardrail`; without it nothing is inspected.
    guardrail: Option<Value>,
    /// As for `root_id: endpoint-picker`.
    endpoint_picker: Value,
    /// True to leave the facts of each request in filter state too, for Weir filters that follow in
    /// the chain. The picker in here does not need that.
    leave_facts: bool,
}

impl Written {
    fn read(configuration: &[u8]) -> Result<Self, SettingsError> {
        let mut members = plugin::members(configuration)?;
        let mut take = |name: &str| members.remove(name).filter(|value| !value.is_null());
        let missing = |name: &str| SettingsError::misfit("", format!("missing field `{name}`"));
        let written = Self {
            model_router: take("model-router").ok_or_else(|| missing("model-router"))?,
            guardrail: take("guardrail"),
            endpoint_picker: take("endpoint-picker").ok_or_else(|| missing("endpoint-picker"))?,
            leave_facts: match take("leave-facts") {
                Some(Value::Bool(flag)) => flag,
                None => false,
                Some(other) => {
                    let problem = "must be true or false";
                    return Err(SettingsError::invalid("leave-facts", other, problem));
                }
            },
        };
        match members.keys().next() {
            Some(other) => {
                let names = "`model-router`, `guardrail`, `endpoint-picker` or `leave-facts`";
                let problem = format!("unknown field `{other}`, expected {names}");
                Err(SettingsError::misfit("", problem))
            }
            None => Ok(written),
        }
    }
}

pub(crate) struct Gateway<H: Host> {
    host: H,
    router: model_router::Root<H>,
    guardrail: Option<guardrail::Root<H>>,
    picker: endpoint_picker::Root<H>,
}

impl<H: Host> Gateway<H> {
    pub(crate) fn new(host: H) -> Self {
        let router = model_router::Root::new(host.clone());
        let picker = endpoint_picker::Root::new(host.clone());
        Self { host, router, guardrail: None, picker }
    }

    /// Configures all filters; false, with the reason in the log, if one refuses.
    fn configure(&mut self, raw: &Written) -> bool {
        let handover = Handover::default();
        self.router.hand_over(handover.clone(), raw.leave_facts);
        self.guardrail = raw.guardrail.as_ref().map(|_| guardrail::Root::new(self.host.clone()));
        let guarded = match (&mut self.guardrail, &raw.guardrail) {
            (Some(filter), Some(configuration)) => {
                filter.pass_on(handover.clone());
                filter.configure(configuration.to_string().as_bytes())
            }
            _ => true,
        };
        self.picker.take_over(handover);
        guarded
            && self.router.configure(raw.model_router.to_string().as_bytes())
            && self.picker.configure(raw.endpoint_picker.to_string().as_bytes())
    }
}

impl<H: Host> Context for Gateway<H> {}

impl<H: Host> RootContext for Gateway<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let raw = Written::read(&self.host.configuration(Config::Plugin));
        match raw {
            Ok(raw) => self.configure(&raw),
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.gateway: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.router.on_tick();
        self.guardrail.iter_mut().for_each(RootContext::on_tick);
        self.picker.on_tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let router = self.router.create_http_context(context_id)?;
        let picker = self.picker.create_http_context(context_id)?;
        let filters = match &self.guardrail {
            Some(guardrail) => vec![router, guardrail.create_http_context(context_id)?, picker],
            None => vec![router, picker],
        };
        Some(Box::new(Chain::new(filters)))
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
        let mut stream = gateway.create_http_context(7).unwrap();
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
        assert_eq!(host.metric("weir_picks_total.basis.none"), Some(1));
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
        assert_eq!(host.metric("weir_picks_total.basis.none"), Some(1));
    }

    #[test]
    fn a_mistake_is_refused_and_named_in_the_log() {
        let strict = r#""guardrail":{"policies":{"strict":{"roles":["typo"]}}}"#;
        for (config, expected) in [
            ("{}".to_owned(), "weir.gateway: missing field `model-router`"),
            (
                format!("{{{CONFIG},\"guard\":{{}}}}"),
                "weir.gateway: unknown field `guard`, expected",
            ),
            (
                format!("{{{CONFIG},\"leave-facts\":1}}"),
                "weir.gateway: leave-facts: 1 must be true or false",
            ),
            (
                format!("{{{CONFIG},{strict}}}"),
                "weir.guardrail: policies.strict.roles[0]: \"typo\" is no message role",
            ),
        ] {
            let host = FakeHost::new();
            host.set_configuration(Config::Plugin, config.as_bytes());
            assert!(!Gateway::new(host.clone()).on_configure(0), "{config}");
            let logs = format!("{:?}", host.logs()).replace("\\\"", "\"");
            assert!(logs.contains(expected), "{logs}");
        }
    }

    #[test]
    fn facts_are_left_for_filters_that_follow_if_that_is_wanted() {
        let host = FakeHost::new();
        let mut stream = chat(&host, &format!("{{{CONFIG},\"leave-facts\":true}}"));
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        assert!(host.state(weir_request::FACTS).unwrap().is_some());
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
    }
}
