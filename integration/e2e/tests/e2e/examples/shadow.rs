//! `shadow.yaml`, with an endpoint picker that speaks ext_proc and knows one endpoint.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    CommonResponse, HeaderMutation, HeadersResponse, ProcessingRequest, ProcessingResponse,
    processing_request, processing_response,
};
use tokio_stream::StreamExt as _;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::example;
use crate::stack::{LLAMA, chat, echoed};

/// Names the same endpoint for every request, and keeps the models that it was told.
struct Picker {
    endpoint: String,
    models: Arc<Mutex<Vec<String>>>,
}

type Answers =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<ProcessingResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalProcessor for Picker {
    type ProcessStream = Answers;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let (endpoint, models) = (self.endpoint.clone(), Arc::clone(&self.models));
        let answers = request.into_inner().map(move |message| {
            if let Some(processing_request::Request::RequestHeaders(sent)) = message?.request {
                let headers = sent.headers.unwrap_or_default().headers;
                let model = headers.into_iter().find(|one| one.key == "x-gateway-model-name");
                let model = model.map(|one| String::from_utf8_lossy(&one.raw_value).into_owned());
                models.lock().unwrap().extend(model);
            }
            Ok(picked(&endpoint))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn picked(endpoint: &str) -> ProcessingResponse {
    let header = HeaderValueOption {
        header: Some(HeaderValue {
            key: "x-gateway-destination-endpoint".into(),
            raw_value: endpoint.as_bytes().to_vec(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    let mutation = HeaderMutation { set_headers: vec![header], ..HeaderMutation::default() };
    let response = CommonResponse { header_mutation: Some(mutation), ..CommonResponse::default() };
    let headers = HeadersResponse { response: Some(response) };
    let response = Some(processing_response::Response::RequestHeaders(headers));
    ProcessingResponse { response, ..ProcessingResponse::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_picker_goes_on_choosing_and_weir_counts_what_it_would_have_done() {
    let plan = example("shadow").long_fresh();
    let port = plan.ports().actual(9200);
    // The second replica of pool `llama`, whatever is asked.
    let endpoint = SocketAddr::from(([127, 0, 0, 1], plan.ports().actual(9002)));
    let models = Arc::new(Mutex::new(Vec::new()));
    let picker = Picker { endpoint: endpoint.to_string(), models: Arc::clone(&models) };
    let service = ExternalProcessorServer::new(picker);
    tokio::spawn(Server::builder().serve(([127, 0, 0, 1], port).into(), service));
    let stack = plan.start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    for number in 0..24 {
        let reply = stack.send(chat(LLAMA, &format!("{number} of many"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-weir-replica"), endpoint.to_string());
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!(echoed(echo, "x-gateway-destination-endpoint"), endpoint.to_string());
    }
    assert_eq!(*models.lock().unwrap(), vec![LLAMA; 24]);
    let agreed = stack.stat("weir_shadow_picks_total.agrees.yes").await;
    let differed = stack.stat("weir_shadow_picks_total.agrees.no").await;
    assert_eq!(agreed + differed, 24);
    // Weir spreads what has nothing in common, and the old picker does not.
    assert!(differed > 0, "{agreed} and {differed}");
    stack.assert_no_trap().await;
}
