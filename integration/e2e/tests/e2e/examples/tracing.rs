//! `tracing.yaml`, with a collector that reads what comes.

use std::collections::BTreeMap;

use prost::Message as _;
use serde_json::json;

use super::example;
use super::server::Server;
use crate::stack::{chat, eventually};

/// The parts of OpenTelemetry's protocol that are looked at (opentelemetry-proto, trace.proto and common.proto).
mod otlp {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ExportTraceServiceRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) resource_spans: Vec<ResourceSpans>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ResourceSpans {
        #[prost(message, optional, tag = "1")]
        pub(super) resource: Option<Resource>,
        #[prost(message, repeated, tag = "2")]
        pub(super) scope_spans: Vec<ScopeSpans>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Resource {
        #[prost(message, repeated, tag = "1")]
        pub(super) attributes: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct ScopeSpans {
        #[prost(message, repeated, tag = "2")]
        pub(super) spans: Vec<Span>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Span {
        #[prost(bytes = "vec", tag = "1")]
        pub(super) trace_id: Vec<u8>,
        #[prost(string, tag = "5")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "9")]
        pub(super) attributes: Vec<KeyValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct KeyValue {
        #[prost(string, tag = "1")]
        pub(super) key: String,
        #[prost(message, optional, tag = "2")]
        pub(super) value: Option<AnyValue>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct AnyValue {
        #[prost(string, optional, tag = "1")]
        pub(super) string_value: Option<String>,
    }
}

fn texts(attributes: Vec<otlp::KeyValue>) -> BTreeMap<String, String> {
    let pairs = attributes.into_iter();
    pairs.filter_map(|pair| Some((pair.key, pair.value?.string_value?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_has_model_pool_endpoint_tokens_and_findings_as_the_collector_reads_it() {
    // Spans go out at once, not in fives or after 5 s.
    let plan = example("tracing").edited(|config| {
        let layer =
            json!({"name": "tests", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}});
        config["layered_runtime"] = json!({"layers": [layer]});
    });
    let port = plan.ports().actual(4318);
    let collector = Server::start(port, "application/x-protobuf", "").await;
    let stack = plan.start().await;
    let _sidecar = stack.sidecar().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = chat("gpt-4o", "mail ann@example.com").header("traceparent", parent);
    let reply = stack.send(request.header("x-weir-output-tokens", "9")).await;
    assert_eq!(reply.status, 200);
    let spans = eventually("a span at the collector", async || {
        let (head, body) = collector.received().into_iter().next()?;
        assert!(head.starts_with("post /v1/traces "), "{head}");
        Some(otlp::ExportTraceServiceRequest::decode(body.as_slice()).unwrap())
    });
    let spans = spans.await.resource_spans.pop().unwrap();
    assert_eq!(texts(spans.resource.unwrap().attributes)["service.name"], "weir");
    let span = spans.scope_spans[0].spans[0].clone();
    let id: String = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(id, "0af7651916cd43dd8448eb211c80319c", "the client's own trace goes on");
    let all = texts(span.attributes);
    assert_eq!(all["gen_ai.request.model"], "gpt-4o");
    assert_eq!(all["weir.pool"], "llama");
    assert_eq!(all["weir.endpoint"], reply.header("x-weir-replica"));
    assert_eq!(all["weir.decision"], "alias=llama-3.1-8b-instruct");
    assert!(all["weir.tokens"].contains("completion=9"), "{all:?}");
    assert!(all["weir.guard"].to_ascii_lowercase().contains("email"), "{all:?}");
    assert!(!format!("{all:?}").contains("ann@"), "{all:?}");
}
