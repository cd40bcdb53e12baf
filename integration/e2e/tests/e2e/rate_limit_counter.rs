//! A rate-limit service as Envoy's `ratelimit` filter asks one (`envoy.service.ratelimit.v3`), which counts hits
//! by descriptor in memory. It is part of these tests alone: the protocol's code takes long to compile. There are no windows: what was hit stays.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService as Service, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// The service on a port of its own. Dropping it ends that.
#[derive(Debug)]
pub(crate) struct RateLimitService {
    address: SocketAddr,
    hits: Arc<Hits>,
    server: AbortHandle,
}

/// What was hit, by descriptor: `domain: key=value, key=value`.
#[derive(Debug)]
struct Hits {
    limit: u64,
    counts: Mutex<BTreeMap<String, Counted>>,
}

/// Hits of one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    hits: u64,
    /// Times that it was asked for or hit.
    asked: u64,
}

impl Drop for RateLimitService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl RateLimitService {
    /// Serves; every descriptor may be hit `limit` times, and is over its limit beyond.
    pub(crate) async fn start(limit: u64) -> Self {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(Hits { limit, counts: Mutex::default() });
        let service = RateLimitServiceServer::new(Counting(Arc::clone(&hits)));
        let server =
            Server::builder().serve_with_incoming(service, TcpListenerStream::new(listener));
        let server = tokio::spawn(async {
            // It ends with the harness.
            let _ = server.await;
        });
        Self { address, hits, server: server.abort_handle() }
    }

    /// Its port of 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How often a descriptor was hit, such as `weir: consumer=ann`.
    pub(crate) fn hits(&self, descriptor: &str) -> u64 {
        self.hits.counts().get(descriptor).map_or(0, |counted| counted.hits)
    }

    /// How often it was asked about that descriptor, with hits or without.
    pub(crate) fn asked(&self, descriptor: &str) -> u64 {
        self.hits.counts().get(descriptor).map_or(0, |counted| counted.asked)
    }
}

impl Hits {
    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, Counted>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hits a descriptor; whether it is over its limit then.
    fn hit(&self, domain: &str, descriptor: &RateLimitDescriptor, otherwise: u32) -> bool {
        let entries =
            descriptor.entries.iter().map(|entry| format!("{}={}", entry.key, entry.value));
        let name = format!("{domain}: {}", entries.collect::<Vec<_>>().join(", "));
        // As the protocol has it: one where nobody says, and a descriptor's own number before the request's.
        let hits = match &descriptor.hits_addend {
            Some(own) => own.value,
            None => u64::from(otherwise.max(1)),
        };
        let mut counts = self.counts();
        let counted = counts.entry(name).or_default();
        counted.hits = counted.hits.saturating_add(hits);
        counted.asked = counted.asked.saturating_add(1);
        counted.hits > self.limit
    }
}

/// Answers Envoy.
struct Counting(Arc<Hits>);

#[tonic::async_trait]
impl Service for Counting {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let RateLimitRequest { domain, descriptors, hits_addend } = request.into_inner();
        let over = |descriptor| self.0.hit(&domain, descriptor, hits_addend);
        let codes: Vec<_> = descriptors.iter().map(over).map(code).collect();
        let overall = code(codes.contains(&code(true)));
        let status = |code: Code| DescriptorStatus { code: code.into(), ..Default::default() };
        Ok(Response::new(RateLimitResponse {
            overall_code: overall.into(),
            statuses: codes.into_iter().map(status).collect(),
            ..Default::default()
        }))
    }
}

fn code(over: bool) -> Code {
    if over { Code::OverLimit } else { Code::Ok }
}
