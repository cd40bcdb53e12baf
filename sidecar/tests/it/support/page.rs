//! What pages of replicas hold, and odd ways to send them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;

/// A good page.
pub(crate) fn page(waiting: u32, running: u32) -> Vec<u8> {
    let page = format!(
        "# TYPE vllm:num_requests_waiting gauge\n\
         vllm:num_requests_waiting{{engine=\"0\"}} {waiting}.0\n\
         vllm:num_requests_running{{engine=\"0\"}} {running}.0\n\
         vllm:kv_cache_usage_perc{{engine=\"0\"}} 0.25\n"
    );
    page.into_bytes()
}

/// The page as Prometheus' Python client makes it: of a part, only the series that are named.
pub(crate) fn filtered(query: Option<&str>, well: bool) -> Vec<u8> {
    let mut whole = String::from_utf8(page(3, 4)).unwrap();
    whole.push_str("vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"100\"} 1.0\n");
    for bucket in 0..1000 {
        whole.push_str(&format!(
            "vllm:e2e_request_latency_seconds_bucket{{le=\"{bucket}.0\"}} 1.0\n"
        ));
    }
    let Some(query) = query else { return whole.into_bytes() };
    let names: Vec<String> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("name%5B%5D="))
        .map(|name| name.replace("%3A", ":"))
        .collect();
    let named = |line: &&str| {
        let end = line.find(['{', ' ']).unwrap_or(line.len());
        well && names.iter().any(|name| *name == line[..end])
    };
    whole.lines().filter(named).map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

/// A body that comes a byte at a time.
pub(crate) struct Drip(pub(crate) Vec<u8>, pub(crate) tokio::time::Interval);

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        std::task::ready!(self.1.poll_tick(context));
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let byte = self.0.remove(0);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![byte])))))
    }
}
