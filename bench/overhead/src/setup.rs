//! The names of what is compared.

use serde::Serialize;

/// What stands between client and upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Setup {
    /// Envoy alone.
    Bare,
    /// Envoy with Weir's router and picker in one filter, as shipped.
    Chain,
    /// Envoy with the ext_proc server that only finds the model.
    ExtProc,
    /// As `Chain`, of an earlier build.
    Before,
    /// As `Chain`, with limits of tokens and of requests.
    Limited,
    /// As `Chain`, with a filter for each attempt in its clusters.
    Attempt,
}

impl Setup {
    /// What is compared as a rule.
    pub(crate) const ALL: [Setup; 3] = [Setup::Bare, Setup::Chain, Setup::ExtProc];

    /// What is compared where an earlier build is given.
    pub(crate) const BESIDE_BEFORE: [Setup; 3] = [Setup::Bare, Setup::Chain, Setup::Before];

    /// What is compared where it is asked what limits add.
    pub(crate) const BESIDE_LIMITED: [Setup; 3] = [Setup::Bare, Setup::Chain, Setup::Limited];

    /// What is compared where the filter of an attempt is measured.
    pub(crate) const WITH_ATTEMPT: [Setup; 3] = [Setup::Bare, Setup::Chain, Setup::Attempt];

    /// Whether it is Weir's.
    pub(crate) fn is_weir(self) -> bool {
        matches!(self, Setup::Chain | Setup::Before | Setup::Limited | Setup::Attempt)
    }

    /// The name in tables and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Setup::Bare => "bare",
            Setup::Chain => "chain",
            Setup::ExtProc => "ext_proc",
            Setup::Before => "before",
            Setup::Limited => "limited",
            Setup::Attempt => "attempt",
        }
    }

    /// The Envoy configuration, as a path in the repository, or in the folder of an earlier build.
    pub(crate) fn envoy_config(self) -> &'static str {
        match self {
            Setup::Bare => "bench/overhead/config/bare.yaml",
            Setup::Chain | Setup::Limited => "envoy-config/one-filter.yaml",
            Setup::ExtProc => "bench/overhead/config/ext_proc.yaml",
            Setup::Before => "one-filter.yaml",
            Setup::Attempt => "envoy-config/failover.yaml",
        }
    }
}

/// The kind of response that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResponseKind {
    /// One document.
    Json,
    /// A stream of events.
    Sse,
}

impl ResponseKind {
    /// Both of them.
    pub(crate) const ALL: [ResponseKind; 2] = [ResponseKind::Json, ResponseKind::Sse];

    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ResponseKind::Json => "json",
            ResponseKind::Sse => "sse",
        }
    }
}
