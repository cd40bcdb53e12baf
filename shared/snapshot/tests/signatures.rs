//! Signatures of pushes and looks.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::signature::{
    BodyDigest, MAX_SKEW_S, PATH, SignatureError, challenge, is_challenge, sign_command, sign_look,
    sign_push, verify_command, verify_look, verify_push,
};
use weir_snapshot::{Refusal, RefusalCode};

const CHALLENGE: &str = "00112233445566778899aabbccddeeff";

/// Made with `printf 'POST\n/weir/v1/snapshot\nCHALLENGE\nSHA256' | openssl dgst -sha256 -hmac Jefe`.
const PUSH: &str = "sha256=a99546b28585824ad8575ce0e51731623296ece11d7ecc92085eb2853a730146";
/// Made with `printf 'GET\n/weir/v1/snapshot\n1700000000' | openssl dgst -sha256 -hmac Jefe`.
const LOOK: &str = "sha256=cab1fd1fd751bce49fe3dc0b17165d7bb6820b3b048953e87789bb2ba59312a0";

fn push(key: &[u8], challenge: &str, body: &[u8]) -> String {
    sign_push(key, challenge, BodyDigest::of(body))
}

#[test]
fn signatures_are_what_openssl_makes_of_the_documented_text() {
    let body = b"what do ya want for nothing?";
    assert_eq!(push(b"Jefe", CHALLENGE, body), PUSH);
    let given = Some(PUSH.as_bytes());
    assert_eq!(verify_push(b"Jefe", CHALLENGE.as_bytes(), body, given), Ok(()));
    assert_eq!(sign_look(b"Jefe", PATH, 1_700_000_000), LOOK);
}

#[test]
fn other_bodies_keys_challenges_and_headers_are_refused() {
    let good = push(b"key", CHALLENGE, b"body");
    let other = challenge(7);
    let cut = good.get(..70).unwrap_or_default();
    let long = format!("{good}0");
    let shouted = good.to_uppercase().replace("SHA256", "sha256");
    let other_digit = if good.ends_with('0') { "1" } else { "0" };
    let flipped = format!("{cut}{other_digit}");
    /// Key, challenge, body, header, and what is wrong with it.
    type Case<'a> = (&'a [u8], &'a str, &'a [u8], Option<&'a [u8]>, SignatureError);
    let cases: [Case<'_>; 9] = [
        (b"key", CHALLENGE, b"body", None, SignatureError::Missing),
        (b"key", CHALLENGE, b"body", Some(b""), SignatureError::Malformed),
        (b"key", CHALLENGE, b"body", Some(cut.as_bytes()), SignatureError::Malformed),
        (b"key", CHALLENGE, b"body", Some(long.as_bytes()), SignatureError::Malformed),
        (b"key", CHALLENGE, b"body", Some(shouted.as_bytes()), SignatureError::Malformed),
        (b"key", CHALLENGE, b"body", Some(flipped.as_bytes()), SignatureError::Mismatch),
        (b"key", CHALLENGE, b"Body", Some(good.as_bytes()), SignatureError::Mismatch),
        (b"Key", CHALLENGE, b"body", Some(good.as_bytes()), SignatureError::Mismatch),
        (b"key", other.as_str(), b"body", Some(good.as_bytes()), SignatureError::Mismatch),
    ];
    for (key, challenge, body, header, expected) in cases {
        assert_eq!(
            verify_push(key, challenge.as_bytes(), body, header),
            Err(expected),
            "{header:?}"
        );
        let refusal = Refusal::from(expected);
        let code = if header.is_none() { RefusalCode::Unsigned } else { RefusalCode::BadSignature };
        assert_eq!((refusal.code, refusal.status()), (code, 401));
    }
}

#[test]
fn a_look_is_good_for_30_s_of_the_gateways_clock_in_both_directions() {
    let at = 1_700_000_000;
    let good = sign_look(b"key", PATH, at);
    let look = |path, time: Option<&str>, now| {
        verify_look(b"key", path, (time.map(str::as_bytes), Some(good.as_bytes())), now)
    };
    let time = at.to_string();
    for now in [at - MAX_SKEW_S, at, at + MAX_SKEW_S] {
        assert_eq!(look(PATH, Some(&time), now), Ok(()), "{now}");
    }
    for now in [0, at - MAX_SKEW_S - 1, at + MAX_SKEW_S + 1, u64::MAX] {
        let expired = SignatureError::Expired { time: at, now };
        assert_eq!(look(PATH, Some(&time), now), Err(expired), "{now}");
        assert_eq!(Refusal::from(expired).code, RefusalCode::Expired);
    }
    assert_eq!(look("/weir/v1/limits", Some(&time), at), Err(SignatureError::Mismatch));
    assert_eq!(look(PATH, Some("1700000001"), at), Err(SignatureError::Mismatch));
    for odd in [None, Some(""), Some("-1"), Some("1e9"), Some("99999999999999999999")] {
        assert_eq!(look(PATH, odd, at), Err(SignatureError::NoTime), "{odd:?}");
    }
    assert_eq!(verify_look(b"key", PATH, (None, None), at), Err(SignatureError::Missing));
}

#[test]
fn a_signature_of_a_push_is_none_of_a_look() {
    let signed = push(b"key", "1700000000", b"");
    let look = (Some(&b"1700000000"[..]), Some(signed.as_bytes()));
    assert_eq!(verify_look(b"key", PATH, look, 1_700_000_000), Err(SignatureError::Mismatch));
}

#[test]
fn challenges_are_32_hex_digits() {
    assert_eq!(challenge(0xab), "000000000000000000000000000000ab");
    assert!(is_challenge(CHALLENGE) && is_challenge(&challenge(u128::MAX)));
    for odd in ["", "none", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeef\n"]
    {
        assert!(!is_challenge(odd), "{odd:?}");
    }
}

/// Made with `printf 'POST\n/limits\n1700000000\nSHA256' | openssl dgst -sha256 -hmac Jefe`.
const COMMAND: &str = "sha256=0f50a632536b1c6d7fa9da881ad072464b3cd4e5ed058ec1533b86a0d2b63e20";

#[test]
fn a_command_is_signed_with_its_path_time_and_body_and_is_good_for_half_a_minute() {
    let (body, time) = (b"what do ya want for nothing?".as_slice(), 1_700_000_000);
    assert_eq!(sign_command(b"Jefe", "/limits", time, body), COMMAND);
    let given = Some(COMMAND.as_bytes());
    let verify = |key: &[u8], path, body, time: &str, header, now| {
        verify_command(key, (path, body), (Some(time.as_bytes()), header), now)
    };
    let at = "1700000000";
    assert_eq!(verify(b"Jefe", "/limits", body, at, given, time + MAX_SKEW_S), Ok(()));
    for (expected, found) in [
        (SignatureError::Mismatch, verify(b"jefe", "/limits", body, at, given, time)),
        (SignatureError::Mismatch, verify(b"Jefe", PATH, body, at, given, time)),
        (SignatureError::Mismatch, verify(b"Jefe", "/limits", b"", at, given, time)),
        (SignatureError::Mismatch, verify(b"Jefe", "/limits", body, "1700000001", given, time)),
        (SignatureError::Missing, verify(b"Jefe", "/limits", body, at, None, time)),
        (SignatureError::NoTime, verify(b"Jefe", "/limits", body, "now", given, time)),
        (
            SignatureError::Expired { time, now: time + MAX_SKEW_S + 1 },
            verify(b"Jefe", "/limits", body, at, given, time + MAX_SKEW_S + 1),
        ),
    ] {
        assert_eq!(found, Err(expected));
    }
    // No push is one: the time stands where a challenge would.
    assert_ne!(sign_command(b"Jefe", PATH, time, body), push(b"Jefe", CHALLENGE, body));
}
