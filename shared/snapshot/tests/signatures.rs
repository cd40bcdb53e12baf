//! Signatures of the push body.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::signature::{SignatureError, sign, verify};
use weir_snapshot::{Refusal, RefusalCode};

/// Key, text and HMAC-SHA256 of RFC 4231, test cases 2 and 6 (a key longer than the block).
const VECTORS: [(&[u8], &[u8], &str); 2] = [
    (
        b"Jefe",
        b"what do ya want for nothing?",
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    (
        &[0xaa; 131],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
];

#[test]
fn signatures_are_hmac_sha256() {
    for (key, body, expected) in VECTORS {
        assert_eq!(sign(key, body), expected);
        assert_eq!(verify(key, body, Some(expected.as_bytes())), Ok(()));
    }
}

#[test]
fn other_bodies_keys_and_headers_are_refused() {
    let good = sign(b"key", b"body");
    let cut = good.get(..70).unwrap_or_default();
    let long = format!("{good}0");
    let shouted = good.to_uppercase().replace("SHA256", "sha256");
    let other_digit = if good.ends_with('0') { "1" } else { "0" };
    let flipped = format!("{cut}{other_digit}");
    /// Key, body, header, and what is wrong with it.
    type Case<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>, SignatureError);
    let cases: [Case<'_>; 8] = [
        (b"key", b"body", None, SignatureError::Missing),
        (b"key", b"body", Some(b""), SignatureError::Malformed),
        (b"key", b"body", Some(cut.as_bytes()), SignatureError::Malformed),
        (b"key", b"body", Some(long.as_bytes()), SignatureError::Malformed),
        (b"key", b"body", Some(shouted.as_bytes()), SignatureError::Malformed),
        (b"key", b"body", Some(flipped.as_bytes()), SignatureError::Mismatch),
        (b"key", b"Body", Some(good.as_bytes()), SignatureError::Mismatch),
        (b"Key", b"body", Some(good.as_bytes()), SignatureError::Mismatch),
    ];
    for (key, body, header, expected) in cases {
        assert_eq!(verify(key, body, header), Err(expected), "{header:?}");
        let refusal = Refusal::from(expected);
        let code = if header.is_none() { RefusalCode::Unsigned } else { RefusalCode::BadSignature };
        assert_eq!((refusal.code, refusal.status()), (code, 401));
    }
}
