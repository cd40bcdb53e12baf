//! Whether a response begins like an answer, without its status.

/// Members that an answer of some dialect begins with.
const FIRST_MEMBERS: [&[u8]; 9] = [
    b"id",
    b"choices",
    b"model",
    b"created",
    b"candidates",
    b"model_name",
    b"data",
    b"outputs",
    b"results",
];
/// What the lines of a stream of events begin with.
const FIRST_LINES: [&[u8]; 4] = [b"data:", b"event:", b"id:", b":"];

/// Whether a response body that begins with `chunk` is an answer for sure: a stream of events, or a JSON object
/// that begins with a member which no error begins with. One that says no may still be an answer.
pub fn begins_like_an_answer(chunk: &[u8]) -> bool {
    let begin = chunk.trim_ascii_start();
    let Some(object) = begin.strip_prefix(b"{") else {
        return FIRST_LINES.iter().any(|line| begin.starts_with(line)) && !names_an_error(begin);
    };
    let Some(member) = object.trim_ascii_start().strip_prefix(b"\"") else { return false };
    let is_first =
        |name: &&[u8]| member.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b"\""));
    if FIRST_MEMBERS.iter().any(is_first) {
        return true;
    }
    // vLLM's errors have had `"object": "error"`, its answers what they are.
    let value = [&b"object\""[..], b"type\""].iter().find_map(|name| member.strip_prefix(*name));
    let Some(value) = value.and_then(|rest| rest.trim_ascii_start().strip_prefix(b":")) else {
        return false;
    };
    value.trim_ascii_start().strip_prefix(b"\"").is_some_and(|value| !value.starts_with(b"error"))
}

/// Whether the first event is an error.
fn names_an_error(begin: &[u8]) -> bool {
    if begin.starts_with(b"event:") {
        return begin
            .trim_ascii_start()
            .strip_prefix(b"event:")
            .unwrap_or_default()
            .trim_ascii_start()
            .starts_with(b"error");
    }
    let data = begin.strip_prefix(b"data:").unwrap_or_default().trim_ascii_start();
    data.strip_prefix(b"{")
        .is_some_and(|object| object.trim_ascii_start().starts_with(b"\"error\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_each_dialect_are_told_from_errors_and_pages() {
        for (begin, is_answer) in [
            (&b"{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\""[..], true),
            (b"\n { \"object\" : \"list\",\"data\":[", true),
            (b"{\"type\":\"message\",\"id\":\"msg_1\"", true),
            (b"{\n  \"candidates\": [", true),
            (b"{\"model_name\":\"m\",\"outputs\":[", true),
            (b"data: {\"id\":\"1\"}\n\n", true),
            (b"event: message_start\ndata: {", true),
            (b": keep-alive\n\n", true),
            (b"{\"error\":{\"message\":\"no\"}}", false),
            (b"{\"object\":\"error\",\"message\":", false),
            (b"{\"object\": \"error\"}", false),
            (b"{\"type\":\"error\",\"error\":{}}", false),
            (b"{\"detail\":\"Not Found\"}", false),
            (b"data: {\"error\": {\"message\":", false),
            (b"event: error\ndata: {}", false),
            (b"Internal Server Error", false),
            (b"<html>502</html>", false),
            (b"upstream connect error", false),
            (b"{\"identity\":1}", false),
            (b"{\"id", false),
            (b"{}", false),
            (b"{", false),
            (b"", false),
            (b"\x1f\x8b\x08\xff", false),
        ] {
            assert_eq!(
                begins_like_an_answer(begin),
                is_answer,
                "{:?}",
                String::from_utf8_lossy(begin)
            );
        }
    }
}
