//! What Envoy is told for each message of an ext_proc stream.

use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpBody, ProcessingRequest,
    ProcessingResponse, TrailersResponse,
};

use crate::model;

/// The header that routes match on.
const MODEL_HEADER: &str = "x-gateway-model-name";

/// Headers go on as they are; a body gives the model's header and a new choice of route.
pub(crate) fn to_message(message: ProcessingRequest) -> ProcessingResponse {
    let response = message.request.map(|request| match request {
        Request::RequestHeaders(_) => Response::RequestHeaders(HeadersResponse::default()),
        Request::ResponseHeaders(_) => Response::ResponseHeaders(HeadersResponse::default()),
        Request::RequestBody(body) => Response::RequestBody(name_model(&body)),
        Request::ResponseBody(_) => Response::ResponseBody(BodyResponse::default()),
        Request::RequestTrailers(_) => Response::RequestTrailers(TrailersResponse::default()),
        Request::ResponseTrailers(_) => Response::ResponseTrailers(TrailersResponse::default()),
    });
    ProcessingResponse { response, ..Default::default() }
}

fn name_model(body: &HttpBody) -> BodyResponse {
    let Some(model) = model::of_body(&body.body) else {
        return BodyResponse::default();
    };
    let response = CommonResponse {
        header_mutation: Some(HeaderMutation {
            set_headers: vec![header(model.as_bytes())],
            remove_headers: Vec::new(),
        }),
        clear_route_cache: true,
        ..Default::default()
    };
    BodyResponse { response: Some(response) }
}

fn header(value: &[u8]) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: MODEL_HEADER.to_owned(),
            raw_value: value.to_vec(),
            ..Default::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: Request) -> Option<Response> {
        let request = Some(request);
        to_message(ProcessingRequest { request, ..Default::default() }).response
    }

    fn body(text: &str) -> Request {
        let body = text.as_bytes().to_vec();
        Request::RequestBody(HttpBody { body, end_of_stream: true, ..Default::default() })
    }

    #[test]
    fn a_body_gives_the_models_header_and_a_new_route() {
        let Some(Response::RequestBody(answer)) = answer(body(r#"{"model":"llama"}"#)) else {
            panic!("another kind of answer");
        };
        let common = answer.response.unwrap();
        let header = common.header_mutation.unwrap().set_headers.remove(0).header.unwrap();
        assert_eq!(
            (header.key.as_str(), header.raw_value.as_slice()),
            (MODEL_HEADER, &b"llama"[..])
        );
        assert!(common.clear_route_cache);
    }

    #[test]
    fn headers_and_bodies_without_a_model_go_on_as_they_are() {
        let expected = Response::RequestBody(BodyResponse::default());
        assert_eq!(answer(body("[]")), Some(expected));
        let expected = Response::RequestHeaders(HeadersResponse::default());
        assert_eq!(answer(Request::RequestHeaders(Default::default())), Some(expected));
    }
}
