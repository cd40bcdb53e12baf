//! The request headers that clients may not set, listed once and by exact name.
//!
//! Envoy chooses the first route of a request before any filter has run, and with it what may depend on a
//! route: a policy, a limit, a cluster. So the shipped configurations remove these headers before that
//! (`early_header_mutation_extensions`); `cargo xtask configs` writes both lists there. Both spellings are
//! listed: that of the Gateway API Inference Extension (`x-gateway-`, `x-slo-`) and llm-d's (`x-llm-d-`).
//!
//! No whole prefix is listed, because something before Weir may use other names with it.

/// Headers that only Weir, or what runs behind it, may set.
///
/// - model, base model, rewritten model: by `model-router`, and routes match them;
/// - destination and subset of endpoints: by `endpoint-picker` or a filter before it, and Envoy dials them;
/// - the endpoint that served: by an endpoint picker, on the way back;
/// - `x-prefiller-host-port`, `x-encoder-hosts-ports`, `x-data-parallel-host-port`: addresses that llm-d's
///   sidecar of a replica would dial (its `pkg/common/routing/common.go`);
/// - `x-weir-signature`, `x-weir-challenge`, `x-weir-time`, `x-weir-spending-seen`: by the sidecar, on the intake listener, where
///   they are not removed.
pub const OWNED: [&str; 19] = [
    "x-gateway-model-name",
    "x-gateway-base-model-name",
    "x-gateway-model-name-rewrite",
    "x-gateway-destination-endpoint",
    "x-gateway-destination-endpoint-subset",
    "x-gateway-destination-endpoint-served",
    "x-llm-d-model-name",
    "x-llm-d-base-model-name",
    "x-llm-d-model-name-rewrite",
    "x-llm-d-destination-endpoint",
    "x-llm-d-destination-endpoint-subset",
    "x-llm-d-destination-endpoint-served",
    "x-prefiller-host-port",
    "x-encoder-hosts-ports",
    "x-data-parallel-host-port",
    "x-weir-signature",
    "x-weir-challenge",
    "x-weir-time",
    "x-weir-spending-seen",
];

/// Headers by which a request claims a priority, a share or a latency. They stay only where something
/// before Weir sets or checks them.
pub const CLAIMS: [&str; 8] = [
    "x-gateway-inference-objective",
    "x-gateway-inference-fairness-id",
    "x-slo-ttft-ms",
    "x-slo-tpot-ms",
    "x-llm-d-inference-objective",
    "x-llm-d-inference-fairness-id",
    "x-llm-d-slo-ttft-ms",
    "x-llm-d-slo-tpot-ms",
];

/// Whether only Weir may set the header, in upper or lower case.
pub fn is_owned(name: &[u8]) -> bool {
    OWNED.iter().any(|owned| name.eq_ignore_ascii_case(owned.as_bytes()))
}

/// Whether the header is a claim, in upper or lower case.
pub fn is_claim(name: &[u8]) -> bool {
    CLAIMS.iter().any(|claim| name.eq_ignore_ascii_case(claim.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_are_in_lower_case_and_stand_once() {
        let mut names: Vec<&str> = OWNED.into_iter().chain(CLAIMS).collect();
        let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        assert!(names.iter().all(|name| plain(name)), "{names:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), OWNED.len() + CLAIMS.len());
    }

    #[test]
    fn every_name_of_the_gateway_api_has_its_llm_d_spelling() {
        let spelt = |name: &str| {
            let slo = name.strip_prefix("x-slo-").map(|rest| format!("x-llm-d-slo-{rest}"));
            let gateway = name.strip_prefix("x-gateway-").map(|rest| format!("x-llm-d-{rest}"));
            slo.or(gateway)
        };
        for name in OWNED.into_iter().filter_map(spelt) {
            assert!(is_owned(name.as_bytes()), "{name}");
        }
        for name in CLAIMS.into_iter().filter_map(spelt) {
            assert!(is_claim(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn case_does_not_matter_and_the_whole_name_does() {
        assert!(is_owned(b"X-Gateway-Model-Name") && is_claim(b"X-SLO-TTFT-MS"));
        for name in ["", "x-gateway-model", "x-gateway-model-name-", "x-weir-echo"] {
            assert!(!is_owned(name.as_bytes()) && !is_claim(name.as_bytes()), "{name}");
        }
    }
}
