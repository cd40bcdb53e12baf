//! Usage in every form, however a body is cut.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn usage(prompt_tokens: u32, completion_tokens: u32, cached: Option<u32>) -> Option<Usage> {
    let reasoning_tokens = None;
    Some(Usage { prompt_tokens, completion_tokens, cached_tokens: cached, reasoning_tokens })
}

fn reasoned(prompt: u32, completion: u32, cached: Option<u32>, reasoning: u32) -> Option<Usage> {
    let usage = usage(prompt, completion, cached)?;
    Some(Usage { reasoning_tokens: Some(reasoning), ..usage })
}

/// Bodies, and the usage in them.
fn cases() -> Vec<(&'static str, Option<Usage>)> {
    vec![
        ("{}", None),
        ("", None),
        (
            r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,
               "prompt_tokens_details":{"cached_tokens":4}}}"#,
            usage(7, 3, Some(4)),
        ),
        (r#"{"usage":{"prompt_tokens":7,"prompt_tokens_details":null}}"#, usage(7, 0, None)),
        ("{\"usage\" :\n {\"prompt_tokens\":1,\"completion_tokens\":2}}", usage(1, 2, None)),
        (r#"{"content":"say \"usage\":{\"prompt_tokens\":9}"}"#, None),
        (r#"{"content":"usage","n":{"prompt_tokens":9}}"#, None),
        (r#"{"usage":null,"x":{"prompt_tokens":9}}"#, None),
        (r#"{"usage":{"note":"}\"}","prompt_tokens":5}}"#, usage(5, 0, None)),
        (
            r#"{"usage":{"input_tokens":5,"output_tokens":6,"input_tokens_details":{"cached_tokens":2}}}"#,
            usage(5, 6, Some(2)),
        ),
        (
            "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,\
             \"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\n\
             event: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\n",
            usage(25, 9, Some(20)),
        ),
        // A member of that name in what the replica repeats, before its own.
        (
            r#"{"tools":[{"parameters":{"properties":{"usage":{"input_tokens":4294967295,"cached_tokens":9}}}}],
               "usage":{"input_tokens":8,"output_tokens":3}}"#,
            usage(8, 3, None),
        ),
        (
            r#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":4000000,"output_tokens":4000000}}}],
               "usage":{"input_tokens":25,"output_tokens":9}}"#,
            usage(25, 9, None),
        ),
        (
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"usage":{"prompt_tokens":4000000}}}}]}}],
               "usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":5}}"#,
            usage(12, 5, None),
        ),
        // An estimate first, and less of it at the end.
        (
            "data: {\"message\":{\"usage\":{\"input_tokens\":120}}}\n\n\
             data: {\"usage\":{\"input_tokens\":20,\"cache_read_input_tokens\":70,\"output_tokens\":9}}\n\n",
            usage(90, 9, Some(70)),
        ),
        // A proxy that has forgotten the prompt by the end.
        (
            "data: {\"message\":{\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":20}}}\n\n\
             data: {\"usage\":{\"input_tokens\":0,\"output_tokens\":9}}\n\n",
            usage(25, 9, Some(20)),
        ),
        (
            r#"{"usageMetadata":{"promptTokenCount":12,"toolUsePromptTokenCount":30,"candidatesTokenCount":5}}"#,
            usage(42, 5, None),
        ),
        (
            r#"{"usage":{"prompt_tokens":9,"completion_tokens":1,"cached_tokens":4}}"#,
            usage(9, 1, Some(4)),
        ),
        (
            r#"{"usage":{"prompt_tokens":9,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5}}"#,
            usage(9, 0, Some(4)),
        ),
        (r#"{"results":[],"usage":{"total_tokens":56}}"#, usage(56, 0, None)),
        (r#"{"usage":{"completion_tokens":3,"total_tokens":56}}"#, usage(0, 3, None)),
        (
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n\
             data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n\
             data: [DONE]\n\n",
            usage(3, 1, None),
        ),
        (r#"{"usage":{"prompt_tokens":-1}}"#, None),
        (r#"{"usage":{"prompt_tokens":1.5,"completion_tokens":2e3}}"#, None),
        (r#"{"usage":{"prompt_tokens":4294967296}}"#, None),
        (r#"{"usage":{"note":"prompt_tokens","prompt_tokens" : 8 }}"#, usage(8, 0, None)),
        (r#"{"usage":{"x":{"prompt_tokens":9},"y":[{"cached_tokens":1}]}}"#, None),
        (r#"{"usage":{"x":{"cached_tokens":9},"prompt_tokens":3}}"#, usage(3, 0, None)),
        (r#"{"usage":{"prompt_tokens":1"#, None),
        (
            r#"{"tool_calls":[{"arguments":"{\"usage\":{\"prompt_tokens\":9}}"}],
               "usage":{"prompt_tokens":2,"x":"\"usage\":{","completion_tokens":1}}"#,
            usage(2, 1, None),
        ),
        (
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":\
             {\"usage\":{\"input_tokens\":8,\"input_tokens_details\":{\"cached_tokens\":6},\
             \"output_tokens\":3,\"output_tokens_details\":{\"cached_tokens\":7}}}}\n\n",
            usage(8, 3, Some(6)),
        ),
        (r#"{"usage":"usage","usage":{"prompt_tokens":1},"usage":{}}"#, usage(1, 0, None)),
        (r#"{"usag":{"prompt_tokens":9},"us"usage":{"prompt_tokens":1}}"#, usage(1, 0, None)),
        (r#"{"usage":{"a":[{"prompt_tokens":9}],"prompt_tokens":007}}"#, usage(7, 0, None)),
        (
            r#"{"usage":{"prompt_tokens_details":{"x":{"cached_tokens":1},"cached_tokens":2}}}"#,
            usage(0, 0, Some(2)),
        ),
        (r#"{"usage":{"prompt_tokens_details":[{"cached_tokens":1}]}}"#, None),
        (
            r#"{"usage":{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":4,"reasoning_tokens":8},
               "completion_tokens":7,"completion_tokens_details":{"cached_tokens":5,"reasoning_tokens":6}}}"#,
            reasoned(9, 7, Some(4), 6),
        ),
        (
            r#"{"usage":{"output_tokens":7,"output_tokens_details":{"reasoning_tokens":6}},"reasoning_tokens":1}"#,
            reasoned(0, 7, None, 6),
        ),
        (r#"{"usage":{"prompt_tokens":1,"reasoning_tokens":6}}"#, usage(1, 0, None)),
        (
            r#"{"usageMetadata":{"promptTokenCount":12,"cachedContentTokenCount":8,"candidatesTokenCount":5,
               "thoughtsTokenCount":3,"totalTokenCount":20,"promptTokensDetails":[{"tokenCount":12}]}}"#,
            reasoned(12, 8, Some(8), 3),
        ),
        (
            "data: {\"usageMetadata\": {\"promptTokenCount\": 4}}\r\n\r\n\
             data: {\"usageMetadata\": {\"promptTokenCount\": 4,\"candidatesTokenCount\": 9}}\r\n\r\n",
            usage(4, 9, None),
        ),
        (r#"{"usageM":{"prompt_tokens":9},"usage":{"prompt_tokens":2}}"#, usage(2, 0, None)),
        (r#"{"usageMetadat"usage":{"prompt_tokens":2}}"#, usage(2, 0, None)),
    ]
}

#[test]
fn the_usage_is_found_in_every_form() {
    for (body, expected) in cases() {
        let mut reader = ResponseReader::new();
        reader.feed(body.as_bytes());
        assert_eq!(reader.usage(), expected, "{body}");
    }
}

#[test]
fn every_way_to_cut_a_body_in_three_gives_the_same_usage() {
    for (body, expected) in cases() {
        let bytes = body.as_bytes();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let mut reader = ResponseReader::new();
                reader.feed(&bytes[..first]);
                reader.feed(&bytes[first..second]);
                reader.feed(&bytes[second..]);
                assert_eq!(reader.usage(), expected, "{body} cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn single_bytes_give_the_same_usage() {
    for (body, expected) in cases() {
        let mut reader = ResponseReader::new();
        body.as_bytes().iter().for_each(|byte| reader.feed(&[*byte]));
        assert_eq!(reader.usage(), expected, "{body}");
    }
}

#[test]
fn the_longest_object_is_read_in_one_piece_and_in_many() {
    for (filler, expected) in [(8162, usage(3, 0, None)), (8163, None)] {
        let object = format!(r#"{{"filler":"{}","prompt_tokens":3}}"#, "-".repeat(filler));
        let body = format!(r#"{{"usage":{object}}}"#);
        for size in [body.len(), 4000, 1000] {
            let mut reader = ResponseReader::new();
            body.as_bytes().chunks(size).for_each(|chunk| reader.feed(chunk));
            assert_eq!(reader.usage(), expected, "{} in chunks of {size}", object.len());
        }
    }
}

#[test]
fn an_object_without_an_end_is_given_up() {
    let mut reader = ResponseReader::new();
    reader.feed(b"{\"usage\":{");
    for _ in 0..10_000 {
        reader.feed(b"\"a\":1,");
    }
    reader.feed(b"\"usage\":{\"prompt_tokens\":3}");
    assert_eq!(reader.usage(), usage(3, 0, None));
}
