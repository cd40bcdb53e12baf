//! Cases as data.

use serde::de::DeserializeOwned;

/// The cases of one file: a JSON array, or one JSON value a line.
///
/// # Panics
/// If the text is not that: a test without its cases must fail.
#[allow(clippy::panic, reason = "development only: a test without its cases must fail")]
pub fn cases<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let read = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(serde_json::from_str).collect()
    };
    match read {
        Ok(cases) => cases,
        Err(error) => panic!("invalid case file: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::cases;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn arrays_and_lines_are_read_alike() {
        assert_eq!(cases::<u8>("[1, 2]"), cases::<u8>("1\n\n2\n"));
    }

    #[test]
    #[cfg(not(target_arch = "wasm32"))]
    #[should_panic(expected = "invalid case file")]
    fn a_broken_file_fails_the_test() {
        cases::<u8>("[1, ");
    }
}
