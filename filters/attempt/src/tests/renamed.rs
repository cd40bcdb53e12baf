//! Endpoints that serve another model than the one that was asked for.

use weir_host::Body;

use super::*;

const BODY: &str = r#"{"model":"llama","messages":[{"role":"user","content":"x"}],"model_x":1}"#;

impl Vm {
    /// An attempt that asks `path` with `body` of an endpoint that serves `model`, until its headers have come.
    fn asks(&self, model: &str, path: &str, body: &str) -> (Box<dyn HttpContext>, Action) {
        let host = &self.host;
        let place = ["xds", "upstream_host_metadata", "filter_metadata", "weir", "model"];
        host.set_property(&place, model.as_bytes());
        let length = body.len().to_string();
        let headers = [(":method", "POST"), (":path", path), ("content-length", &length)];
        for (name, value) in headers.into_iter().chain([("content-digest", "sha-256=:eA==:")]) {
            host.set_header(HeaderMap::Request, name, value.as_bytes()).unwrap();
        }
        host.set_body(Body::Request, body.as_bytes());
        let mut stream = self.root.create_http_context(7);
        let action = stream.on_http_request_headers(4, false);
        (stream, action)
    }

    fn sent(&self, name: &str) -> Option<String> {
        let value = self.host.header_now(HeaderMap::Request, name)?;
        Some(String::from_utf8(value).unwrap())
    }

    fn renamed(&self, done: &str) -> Option<i64> {
        self.host.metric(&format!("weir_attempts_renamed_total.done.{done}"))
    }
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn the_model_is_replaced_where_the_endpoint_says_so_and_the_body_stays_otherwise() {
    let vm = Vm::new(r#"{"rename":true}"#);
    let (mut stream, action) = vm.asks("qwen \"2\"", CHAT, BODY);
    assert_eq!(action, Action::Pause);
    assert_eq!(stream.on_http_request_body(20, false), Action::Pause);
    assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
    let expected = BODY.replacen("\"llama\"", r#""qwen \"2\"""#, 1);
    assert_eq!(vm.host.body_now(Body::Request), expected.as_bytes());
    assert_eq!(vm.sent("content-length"), Some(expected.len().to_string()));
    assert_eq!((vm.sent("content-digest"), vm.renamed("yes")), (None, Some(1)));
    stream.on_end();
}

#[test]
fn trailers_end_the_body_too() {
    let vm = Vm::new(r#"{"rename":true}"#);
    let (mut stream, _) = vm.asks("qwen", CHAT, BODY);
    assert_eq!(stream.on_http_request_body(BODY.len(), false), Action::Pause);
    assert_eq!(stream.on_http_request_trailers(1), Action::Continue);
    let expected = BODY.replacen("llama", "qwen", 1);
    assert_eq!(vm.host.body_now(Body::Request), expected.as_bytes());
    assert_eq!((vm.renamed("yes"), vm.renamed("no")), (Some(1), None));
}

#[test]
fn a_model_in_the_path_is_replaced_there() {
    let vm = Vm::new(r#"{"rename":true}"#);
    let path = "/v1beta/models/llama:generateContent?key=1";
    let (_, action) = vm.asks("a/b", path, "{}");
    assert_eq!(action, Action::Continue);
    let expected = "/v1beta/models/a%2Fb:generateContent?key=1";
    assert_eq!((vm.sent(":path").as_deref(), vm.renamed("yes")), (Some(expected), Some(1)));
}

#[test]
fn what_says_nothing_or_is_no_request_for_an_answer_passes_as_it_came() {
    for (settings, model, path) in [
        (r#"{"rename":true}"#, "", CHAT),
        ("{}", "qwen", CHAT),
        (r#"{"rename":true}"#, "qwen", "/metrics"),
    ] {
        let vm = Vm::new(settings);
        let (mut stream, action) = vm.asks(model, path, BODY);
        assert_eq!(action, Action::Continue, "{settings} {path}");
        assert_eq!(stream.on_http_request_body(BODY.len(), true), Action::Continue);
        assert_eq!(vm.host.body_now(Body::Request), BODY.as_bytes());
        assert_eq!((vm.renamed("yes"), vm.renamed("no")), (None, None));
    }
}

#[test]
fn a_body_that_cannot_be_read_goes_on_and_is_counted() {
    let vm = Vm::new(r#"{"rename":true}"#);
    for body in ["{\"model\":", "[1]", "\u{feff}{}"] {
        let (mut stream, action) = vm.asks("qwen", CHAT, body);
        assert_eq!(action, Action::Pause);
        assert_eq!(stream.on_http_request_body(body.len(), true), Action::Continue, "{body}");
        assert_eq!(vm.host.body_now(Body::Request), body.as_bytes());
    }
    assert_eq!((vm.renamed("yes"), vm.renamed("no")), (None, Some(3)));
    assert!(vm.host.logs().iter().any(|(_, line)| line.contains("serves another")));
}
