//! The ABI's numbers against those of the official SDK, which is used for nothing else here.

use proxy_wasm::types::{
    Action as SdkAction, BufferType, GrpcStatusCode, LogLevel as SdkLevel, MapType, MetricType,
    Status, StreamType,
};

use crate::wasm::grpc_status;
use crate::{Action, Body, Config, Direction, HeaderMap, HostError, LogLevel, MetricKind};

#[test]
fn maps_buffers_and_streams_have_the_sdks_numbers() {
    for (ours, sdk) in [
        (HeaderMap::Request, MapType::HttpRequestHeaders),
        (HeaderMap::RequestTrailers, MapType::HttpRequestTrailers),
        (HeaderMap::Response, MapType::HttpResponseHeaders),
        (HeaderMap::ResponseTrailers, MapType::HttpResponseTrailers),
        (HeaderMap::CallAnswer, MapType::HttpCallResponseHeaders),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
    for (ours, sdk) in [
        (Body::Request, BufferType::HttpRequestBody),
        (Body::Response, BufferType::HttpResponseBody),
        (Body::CallAnswer, BufferType::HttpCallResponseBody),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
    for (ours, sdk) in [
        (Config::Vm, BufferType::VmConfiguration),
        (Config::Plugin, BufferType::PluginConfiguration),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
    for (ours, sdk) in [
        (Direction::Request, StreamType::HttpRequest),
        (Direction::Response, StreamType::HttpResponse),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
}

#[test]
fn levels_metrics_and_actions_have_the_sdks_numbers() {
    for (ours, sdk) in [
        (LogLevel::Debug, SdkLevel::Debug),
        (LogLevel::Info, SdkLevel::Info),
        (LogLevel::Warn, SdkLevel::Warn),
        (LogLevel::Error, SdkLevel::Error),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
    for (ours, sdk) in [
        (MetricKind::Counter, MetricType::Counter),
        (MetricKind::Gauge, MetricType::Gauge),
        (MetricKind::Histogram, MetricType::Histogram),
    ] {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
    for (ours, sdk) in [(Action::Continue, SdkAction::Continue), (Action::Pause, SdkAction::Pause)]
    {
        assert_eq!(ours as u32, sdk as u32, "{ours:?}");
    }
}

#[test]
fn each_status_of_the_sdk_is_read_as_what_it_is() {
    for (sdk, ours) in [
        (Status::Ok, Ok(())),
        (Status::NotFound, Err(HostError::NotFound)),
        (Status::BadArgument, Err(HostError::BadArgument)),
        (Status::SerializationFailure, Err(HostError::Status(3))),
        (Status::ParseFailure, Err(HostError::Status(4))),
        (Status::Empty, Err(HostError::Empty)),
        (Status::CasMismatch, Err(HostError::CasMismatch)),
        (Status::InternalFailure, Err(HostError::Failed)),
    ] {
        assert_eq!(HostError::check(sdk as u32), ours, "{sdk:?}");
    }
}

#[test]
fn a_quota_is_told_to_grpc_clients_as_an_exhausted_resource() {
    assert_eq!(grpc_status(429), GrpcStatusCode::ResourceExhausted as i32);
    // No code of gRPC: Envoy says by the HTTP status.
    assert_eq!(grpc_status(503), -1);
}
