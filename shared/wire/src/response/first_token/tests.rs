//! Beginnings of streams, as servers send them.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{FirstToken, MOST_BYTES, StreamFailure, first_token};

/// What a beginning says: `waiting`, `begun`, or the status of its failure.
fn said(beginning: &str, ended: bool) -> String {
    match first_token(beginning.as_bytes(), ended) {
        FirstToken::Waiting => "waiting".to_owned(),
        FirstToken::Begun => "begun".to_owned(),
        FirstToken::TooLong => "too long".to_owned(),
        FirstToken::Failed(failure) => failure.status.to_string(),
    }
}

const CHUNK: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
const VLLM: &str = "data: {\"error\": {\"message\": \"engine died\", \"type\": \"InternalServerError\", \"param\": null, \"code\": 500}}\n\n";

#[test]
fn an_answer_has_begun_with_its_first_event_and_not_before() {
    for (beginning, expected) in [
        ("", "waiting"),
        ("\u{feff}", "waiting"),
        (": OK\n\n", "waiting"),
        ("data: {\"id\":\"1\"", "waiting"),
        (CHUNK, "begun"),
        ("data: [DONE]\n\n", "begun"),
        ("event: ping\ndata: {\"type\": \"ping\"}\n\n", "waiting"),
        ("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n", "waiting"),
        ("data: {\"type\":\"message_start\",\"message\":{}}\n\n", "waiting"),
        ("event: content_block_start\ndata: {\"type\":\"content_block_start\"}\n\n", "begun"),
        (
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":null}}\n\n",
            "waiting",
        ),
        ("data: {\"type\":\"response.in_progress\",\"response\":{}}\n\n", "waiting"),
        ("data: {\"type\":\"response.output_item.added\"}\n\n", "begun"),
        ("data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n", "begun"),
        ("[{\"candidates\":[", "begun"),
        ("[", "waiting"),
        ("{\"id\":\"chatcmpl-1\",", "begun"),
        ("{\"object\":\"chat.completion\",\"choices\":[]}", "begun"),
        ("data: {\"choices\":[],\"prompt_filter_results\":[{}],\"error\":null}\n\n", "waiting"),
        (
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}]}\n\n",
            "waiting",
        ),
        (
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"a\"}}]}\n\n",
            "begun",
        ),
        ("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]}}]}\n\n", "begun"),
        ("data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", "begun"),
        ("data: {\"choices\":[{\"index\":0,\"text\":\"a\"}]}\n\n", "begun"),
        ("data: text\n\n", "begun"),
    ] {
        assert_eq!(said(beginning, false), expected, "{beginning}");
    }
    let after = format!(": OK\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n{CHUNK}");
    assert_eq!(said(&after, false), "begun");
}

#[test]
fn an_error_in_place_of_the_first_token_is_the_servers_failure() {
    for (beginning, expected) in [
        (VLLM, "500"),
        (
            "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"code\":null}}\n\n",
            "503",
        ),
        ("data: {\"error\":\"out of memory\"}\n\n", "503"),
        (
            "data: {\"object\":\"error\",\"message\":\"x\",\"type\":\"InternalServerError\",\"code\":500}\n\n",
            "500",
        ),
        (
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            "503",
        ),
        ("data: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"x\"}\n\n", "503"),
        ("event: error\ndata: broken\n\n", "503"),
        ("event: error\n\n", "503"),
        (
            "data: {\"type\":\"response.created\"}\n\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n",
            "503",
        ),
        (
            "data: {\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}\n\n",
            "503",
        ),
        ("[{\"error\":{\"code\":500,\"message\":\"x\",\"status\":\"INTERNAL\"}}]", "500"),
        ("[{\"error\":{\"code\":500,\"message\":\"x\",\"status\":\"INTERNAL\"}}", "500"),
        ("{\"error\":{\"message\":\"x\",\"type\":\"server_error\"}}", "503"),
        ("data: {\"error\":{\"message\":\"slow down\",\"code\":429}}\n\n", "503"),
        ("data: {\"error\":{\"message\":\"x\",\"code\":\"529\"}}\n\n", "529"),
    ] {
        assert_eq!(said(beginning, false), expected, "{beginning}");
    }
}

#[test]
fn an_error_that_is_the_requests_fault_is_for_the_client() {
    for beginning in [
        "data: {\"error\":{\"message\":\"too long\",\"type\":\"BadRequestError\",\"code\":400}}\n\n",
        "data: {\"error\":{\"message\":\"x\",\"type\":\"invalid_request_error\",\"code\":null}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"not_found_error\"}}\n\n",
        "data: {\"error\":{\"code\":404,\"status\":\"NOT_FOUND\"}}\n\n",
        "data: {\"error\":{\"message\":\"x\",\"code\":\"context_length_exceeded\"}}\n\n",
        "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"invalid_prompt\"}}}\n\n",
    ] {
        assert_eq!(said(beginning, false), "begun", "{beginning}");
    }
}

#[test]
fn a_stream_that_ends_before_its_first_token_has_failed() {
    for beginning in ["", ": OK\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n", "[]", "[ "] {
        assert_eq!(said(beginning, true), "503", "{beginning}");
    }
    // Clients take an event that no empty line has completed.
    assert_eq!(said(CHUNK.trim_end(), true), "begun");
    assert_eq!(said(VLLM.trim_end(), true), "500");
    assert_eq!(said("{\"error\":", true), "begun", "no document");
}

#[test]
fn the_servers_own_error_is_kept_where_it_has_the_form_of_one() {
    let document = |beginning: &str| match first_token(beginning.as_bytes(), false) {
        FirstToken::Failed(StreamFailure { document, .. }) => document,
        other => panic!("{other:?}"),
    };
    let json = VLLM.trim_start_matches("data: ").trim_end();
    assert_eq!(document(VLLM).as_deref(), Some(json.as_bytes()));
    assert_eq!(document("data: {\"type\":\"response.failed\",\"response\":{}}\n\n"), None);
    assert_eq!(
        document("[{\"error\":{\"code\":500}}]"),
        Some(b"{\"error\":{\"code\":500}}".to_vec())
    );
}

#[test]
fn wherever_a_beginning_is_cut_nothing_is_said_too_early() {
    for whole in [VLLM, CHUNK] {
        for len in 0..whole.len() - 1 {
            assert_eq!(said(&whole[..len], false), "waiting", "{len} of {whole}");
        }
    }
}

#[test]
fn a_beginning_that_is_too_long_is_told_from_a_token() {
    let long = format!(": {}", "x".repeat(MOST_BYTES));
    assert_eq!(said(&long, false), "too long");
    assert_eq!(said(&format!("{CHUNK}{long}"), false), "begun");
}
