//! The real modules in real Envoy with two workers: what a client, a replica and an operator see.
//!
//! One binary, because linking costs more than running; each module is a subject. A test starts what
//! it needs through [`stack::Plan`] on free ports, and dropping the stack ends all of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod attempts;
mod bounds;
mod bytes;
mod chain_order;
mod client_headers;
mod clients;
mod commands;
mod configuration;
mod connections;
mod consumers;
mod degrade;
mod digests;
mod documents;
mod envoy_config;
mod errors;
mod examples;
mod failing_replicas;
mod failures;
mod first_token;
mod fleet_faults;
mod fleet_limits;
mod fleet_of_envoys;
mod fleets;
mod gpus;
#[cfg(test)]
mod guardrail;
mod guardrail_fields;
mod guardrail_forms;
mod guardrail_json;
mod guardrail_law;
mod guardrail_recall;
mod guardrail_streams;
mod headers;
mod host_layer;
mod intake;
mod istio;
mod kubernetes;
mod llama_cpp;
mod load_reports;
mod model_names;
mod modules;
mod odd_answers;
mod own_filter;
mod paths;
mod placement;
mod policies;
mod prefix_sharing;
mod privacy;
mod quotas;
mod rate_limit_counter;
mod rate_limit_service;
mod route_policies;
mod routing;
mod side_by_side;
mod silence;
mod soak;
mod soak_faults;
mod spending;
mod stack;
mod token_limits;
mod token_limits_applied;
mod token_limits_fates;
mod token_limits_hammered;
mod token_limits_saturated;
mod transport;
mod unix_socket;
