//! Request headers that say how urgent a request is, and for whom it counts.

/// The headers of the endpoint-picker protocol (Gateway API Inference Extension) and of llm-d that raise
/// or lower a request against others. A client that may set them puts itself before everybody else.
pub const CLAIMS: [&str; 8] = [
    "x-gateway-inference-objective",
    "x-gateway-inference-fairness-id",
    "x-llm-d-inference-objective",
    "x-llm-d-inference-fairness-id",
    "x-slo-ttft-ms",
    "x-slo-tpot-ms",
    "x-llm-d-slo-ttft-ms",
    "x-llm-d-slo-tpot-ms",
];
