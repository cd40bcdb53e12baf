//! A minimal ext_proc server that only finds the model: the baseline of `bench overhead`.
//!
//! It is as fast as such a server can simply be: nothing logged, no tree of the body, small
//! messages sent at once, and HTTP/2 windows that a whole body fits into.

mod answer;
mod model;

use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use tokio_stream::StreamExt;
use tokio_stream::adapters::Map;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// Bodies of the benchmark are 256 KB at most; windows and messages hold several.
const ROOM: u32 = 4 << 20;

/// Listens on loopback for Envoy's ext_proc filter and names the model of each request.
#[derive(Debug, Parser)]
struct Options {
    /// The TCP port of 127.0.0.1 to listen on.
    #[arg(long)]
    port: u16,
    /// Threads that serve; with one, no work moves between threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let mut runtime = match options.workers {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if options.workers > 1 {
        runtime.worker_threads(options.workers);
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    runtime.enable_all().build()?.block_on(serve(address))?;
    Ok(())
}

async fn serve(address: SocketAddr) -> Result<(), tonic::transport::Error> {
    let room = usize::try_from(ROOM).unwrap_or(usize::MAX);
    let service = ExternalProcessorServer::new(ModelFinder).max_decoding_message_size(room);
    Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(ROOM)
        .initial_connection_window_size(ROOM)
        .serve(address, service)
        .await
}

/// Answers each message of a stream by itself.
struct ModelFinder;

type Answer = fn(Result<ProcessingRequest, Status>) -> Result<ProcessingResponse, Status>;

#[tonic::async_trait]
impl ExternalProcessor for ModelFinder {
    type ProcessStream = Map<Streaming<ProcessingRequest>, Answer>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let answer: Answer = |message| message.map(answer::to_message);
        Ok(Response::new(request.into_inner().map(answer)))
    }
}
