//! What a filter of a cluster can ask about its attempt. (Filter state goes both ways: [`Host::state`], [`Host::set_state`].)
//!
//! Envoy shows such a filter the attributes of the client's stream, besides those of `upstream`.

use crate::Host;

/// `ip:port` of the replica that the attempt goes to; known with the request headers, also where nobody listens.
pub fn address<H: Host>(host: &H) -> Option<Vec<u8>> {
    host.property(&["upstream", "address"]).ok().flatten().filter(|address| !address.is_empty())
}

/// The number of the attempt, from 1. Also known without `include_request_attempt_count`.
pub fn attempt_number<H: Host>(host: &H) -> Option<u32> {
    let count = host.property(&["upstream", "request_attempt_count"]).ok().flatten()?;
    u32::try_from(u64::from_le_bytes(count.try_into().ok()?)).ok()
}

/// The name of the client's route.
pub fn route_name<H: Host>(host: &H) -> Option<Vec<u8>> {
    host.property(&["xds", "route_name"]).ok().flatten().filter(|name| !name.is_empty())
}

/// Whether the client's stream is over: Envoy tells its duration only then. Where the router ends an attempt to begin the
/// next, or to answer for it, it is not.
pub fn client_stream_ended<H: Host>(host: &H) -> bool {
    host.property(&["request", "duration"]).ok().flatten().is_some()
}

/// `%RESPONSE_CODE_DETAILS%`: who has answered, and why the response has ended. Empty if Envoy does not say.
pub fn code_details<H: Host>(host: &H) -> Vec<u8> {
    host.property(&["response", "code_details"]).ok().flatten().unwrap_or_default()
}

/// Whether they say that the replica ended the response, and not the client or a filter.
pub fn broke_off(code_details: &[u8]) -> bool {
    ["upstream_reset", "upstream_per_try", "upstream_response_timeout"]
        .iter()
        .any(|cause| code_details.starts_with(cause.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;

    #[test]
    fn a_replica_breaks_off_and_a_client_or_a_filter_ends() {
        for (details, broke) in [
            ("upstream_reset_after_response_started{connection_termination}", true),
            ("upstream_per_try_timeout", true),
            ("upstream_response_timeout", true),
            ("downstream_remote_disconnect", false),
            ("weir_no_replica_answered", false),
            ("via_upstream", false),
            ("", false),
        ] {
            assert_eq!(broke_off(details.as_bytes()), broke, "{details}");
        }
    }

    #[test]
    fn what_envoy_does_not_say_or_says_in_odd_bytes_is_not_known() {
        let host = FakeHost::new();
        let known = || (address(&host), attempt_number(&host), route_name(&host));
        assert_eq!((known(), client_stream_ended(&host)), ((None, None, None), false));
        let count = ["upstream", "request_attempt_count"];
        for odd in [&b""[..], b"3", &u64::MAX.to_le_bytes()] {
            host.set_property(&count, odd);
            assert_eq!(attempt_number(&host), None, "{odd:?}");
        }
        host.set_property(&count, &3_u64.to_le_bytes());
        host.set_property(&["upstream", "address"], b"[::1]:9001");
        host.set_property(&["xds", "route_name"], b"llama");
        host.set_property(&["request", "duration"], &[0; 8]);
        let expected = (Some(b"[::1]:9001".to_vec()), Some(3), Some(b"llama".to_vec()));
        assert_eq!((known(), client_stream_ended(&host)), (expected, true));
    }
}
