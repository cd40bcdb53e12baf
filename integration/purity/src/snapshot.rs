//! The push message: read, signed, encoded, decoded, shown.

use weir_snapshot::{
    CompactView, EndpointReport, EndpointState, SnapshotMessage, encode, signature, view_json,
};

const KEY: &[u8] = b"sixteen bytes or more";
const CHALLENGE: &str = "00112233445566778899aabbccddeeff";

pub(crate) fn probe(input: &[u8]) -> Option<u64> {
    let message = message(input)?;
    let view = CompactView::decode(&encode(&message, 1).ok()?).ok()?;
    let signed = signature::sign_push(KEY, CHALLENGE, signature::BodyDigest::of(input));
    signature::verify_push(KEY, CHALLENGE.as_bytes(), input, Some(signed.as_bytes())).ok()?;
    Some(crate::size::size(&view_json([&view], 2)))
}

/// A parsed message whose one endpoint has as many waiting requests as the input has bytes.
pub(crate) fn message(input: &[u8]) -> Option<SnapshotMessage> {
    let waiting = input.len();
    let text = format!(
        r#"{{"version":2,"pool":"llama","epoch":1,"sequence":7,"endpoints":[
            {{"address":"127.0.0.1:9001","state":"ready","age_ms":3,"waiting":{waiting}}}]}}"#
    );
    let mut message = SnapshotMessage::parse(text.as_bytes()).ok()?;
    let second = EndpointReport::new("127.0.0.1:9002", EndpointState::Ready);
    message.endpoints.push(second);
    message.validate().ok()?;
    Some(message)
}
