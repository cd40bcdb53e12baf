//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::routers::Router;
use crate::row::{self, Row};

/// Measures how routers place conversations on replicas with prefix caches.
#[derive(Debug, Parser)]
#[command(name = "weir-bench-placement")]
pub(crate) struct Options {
    /// Also write the figures to this file, as a JSON list.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Twelve seconds for each cell: to see that it works, not for figures.
    #[arg(long)]
    quick: bool,
    /// Seconds in which sessions arrive, for each router and row.
    #[arg(long, default_value_t = 60, conflicts_with = "quick", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Rows of the table, with commas between them: sessions a second, or `2-slow`, with two replicas three times
    /// slower.
    #[arg(long, value_delimiter = ',', value_parser = row::named)]
    rows: Vec<Row>,
    /// Routers, with commas between them: weir, sglang-router, vllm-router, round-robin; and, when named, two Envoys with a
    /// sidecar each: weir-two-alone, weir-two-sharing (through a Redis).
    #[arg(long, value_delimiter = ',')]
    routers: Vec<String>,
    /// Measures the memory of a worker instead: with a full prefix index, and with a thousand streams.
    #[arg(long, conflicts_with_all = ["json", "quick", "seconds", "rows", "routers"])]
    pub(crate) memory: bool,
    /// Seed of the sessions.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The program of sglang-router; without it, it is left out.
    #[arg(long, hide = true)]
    sglang_router: Option<PathBuf>,
    /// The program of vllm-router; without it, it is left out.
    #[arg(long, hide = true)]
    vllm_router: Option<PathBuf>,
}

impl Options {
    /// How long sessions arrive, in s.
    pub(crate) fn seconds(&self) -> u64 {
        if self.quick { 12 } else { self.seconds }
    }

    /// The loads to measure.
    pub(crate) fn rows(&self) -> &[Row] {
        if self.rows.is_empty() { &row::ALL } else { &self.rows }
    }

    /// The routers to measure, in their order.
    pub(crate) fn routers(&self) -> Vec<Router> {
        let all = [
            Some(Router::Weir),
            self.sglang_router.clone().map(Router::Sglang),
            self.vllm_router.clone().map(Router::Vllm),
            Some(Router::RoundRobin),
            Some(Router::TwoAlone),
            Some(Router::TwoSharing),
        ];
        let wanted = |router: &Router| match self.routers.is_empty() {
            true => !matches!(router, Router::TwoAlone | Router::TwoSharing),
            false => self.routers.iter().any(|name| name == router.name()),
        };
        all.into_iter().flatten().filter(wanted).collect()
    }
}
