//! Paths as data.

use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_testkit::cases;

use super::{PathModelError, classify};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    method: String,
    path: String,
    /// Dialect and operation as in the code; null: no API.
    is: Option<(String, String)>,
    model: Option<String>,
    #[serde(default)]
    stream: bool,
}

#[test]
fn paths_name_their_api_and_model() {
    for case in cases::<Case>(include_str!("../../../../testdata/wire/paths.json")) {
        let Case { method, path, is, model, stream } = case;
        let found = classify(method.as_bytes(), path.as_bytes());
        let names =
            found.as_ref().map(|e| (format!("{:?}", e.dialect), format!("{:?}", e.operation)));
        assert_eq!(names, is, "{method} {path}");
        let Some(endpoint) = found else { continue };
        assert_eq!(endpoint.model(path.as_bytes()), Ok(model), "{method} {path}");
        assert_eq!(endpoint.stream_by_path, stream, "{method} {path}");
    }
}

#[test]
fn a_model_that_cannot_be_decoded_is_an_error() {
    let model = |path: &[u8]| classify(b"POST", path).unwrap().model(path);
    let cut = Err(PathModelError::PercentEncoding { at: 12 });
    assert_eq!(model(b"/v2/models/a%2/infer"), cut);
    assert_eq!(model(b"/v2/models/a%zz/infer"), cut);
    assert_eq!(model(b"/v2/models/%ff/infer"), Err(PathModelError::NotUtf8));
    assert_eq!(model(b"/v2/models/\xff/infer"), Err(PathModelError::NotUtf8));
}

#[test]
fn a_model_that_is_no_name_is_an_error() {
    let model = |path: &[u8]| classify(b"POST", path).unwrap().model(path);
    for hidden in
        ["%0a", "%0D%0Ax", "%00", "%7f", "%C2%85", "%e2%80%a8", "%E2%80%AE", "\u{feff}", "\u{9b}"]
    {
        for path in [
            format!("/v1beta/models/gpt-4o{hidden}:generateContent"),
            format!("/v2/models/{hidden}gpt-4o/infer"),
            format!("/v2/models/gpt-4o{hidden}/generate_stream/"),
        ] {
            assert_eq!(model(path.as_bytes()), Err(PathModelError::HiddenCharacter), "{path}");
        }
    }
    let long = |length: usize| format!("/v2/models/{}/infer", "x".repeat(length));
    assert_eq!(model(long(1025).as_bytes()), Err(PathModelError::TooLong));
    assert_eq!(model(long(1024).as_bytes()).unwrap().unwrap().len(), 1024);
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use super::classify;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(
            tail in prop::collection::vec(any::<u8>(), 0..40),
            head in prop::sample::select(vec!["", "/v1/models/", "/v2/models/", "/v1beta/models/", "/v1/"]),
            end in prop::sample::select(vec![
                "", ":generateContent", "/infer", "/chat/completions?x", "%", "/../%2e%2Fm%3AcountTokens", "/%69nfer/",
            ]),
        ) {
            let path = [head.as_bytes(), &tail, end.as_bytes()].concat();
            for method in [&b"POST"[..], b"GET", &tail] {
                if let Some(endpoint) = classify(method, &path) {
                    let _ = endpoint.model(&path);
                    prop_assert!(endpoint.path_model.is_none_or(|span| span.end <= path.len()));
                }
            }
        }

        /// Each byte of the path escaped or not, and something that says nothing before each segment.
        #[test]
        fn a_path_means_the_same_in_every_spelling(
            plain in prop::sample::select(vec![
                "/v1/chat/completions", "/x/v1/messages/count_tokens", "/v2/models/m-1/versions/2/generate_stream",
                "/v1beta/models/gemini-2.5_pro:generateContent",
            ]),
            escapes in prop::collection::vec(any::<bool>(), 50),
            fillers in prop::collection::vec(prop::sample::select(vec!["", "/", "/.", "/y/..", "/%2E", "%2F"]), 8),
            end in prop::sample::select(vec!["", "/", "//", "/.", "%2f"]),
        ) {
            let meant = classify(b"POST", plain.as_bytes()).unwrap();
            // An escaped slash beside a model's name may be part of it.
            let fits = |filler: &&str| meant.path_model.is_none() || *filler != "%2F";
            let mut fillers = fillers.into_iter().filter(fits);
            let mut odd = String::new();
            for (byte, escape) in plain.bytes().zip(escapes) {
                if byte == b'/' {
                    odd.push_str(fillers.next().unwrap_or_default());
                }
                match escape && (byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
                    true => odd.push_str(&format!("%{byte:02x}")),
                    false => odd.push(char::from(byte)),
                }
            }
            odd.push_str(end);
            let read = classify(b"POST", odd.as_bytes());
            prop_assert!(read.is_some(), "{odd}");
            let read = read.unwrap();
            prop_assert_eq!((read.dialect, read.operation), (meant.dialect, meant.operation));
            prop_assert_eq!(read.stream_by_path, meant.stream_by_path);
            prop_assert_eq!(read.model(odd.as_bytes()), meant.model(plain.as_bytes()), "{}", odd);
        }
    }
}
