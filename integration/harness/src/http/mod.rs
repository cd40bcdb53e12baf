//! A thin HTTP client: whole requests and replies, or pieces as they come.

mod client;
mod reply;
mod request;

pub use client::HttpClient;
pub use reply::{Reply, ReplyStream};
pub use request::Request;
