//! What a functional value looks like.

/// What a functional value looks like. A string that does not is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Letters, digits and what joins them: `call_4111111111111111`, `projects/p/cachedContents/7`.
    Identifier,
    /// An identifier that begins like a word: no piece of a number does.
    Name,
    /// A URL with a scheme and a host, without spaces.
    Address,
    /// Base64 of either alphabet, or hexadecimal digits, also with what joins several.
    Cipher,
    /// Anything.
    Exact,
}

/// Longest identifier, in bytes. The longest known are Responses API items: about 160.
const MAX_IDENTIFIER: usize = 512;

impl Shape {
    /// Whether `text` looks like this.
    pub fn fits(self, text: &str) -> bool {
        let joins = |byte: u8, extra: &[u8]| byte.is_ascii_alphanumeric() || extra.contains(&byte);
        match self {
            Self::Identifier => {
                text.len() <= MAX_IDENTIFIER && text.bytes().all(|byte| joins(byte, b"_-.:/|=+~"))
            }
            Self::Name => {
                let first = text.bytes().next();
                first.is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                    && Self::Identifier.fits(text)
            }
            Self::Address => is_address(text),
            Self::Cipher => text.bytes().all(|byte| joins(byte, b"+/=-_.:|")),
            Self::Exact => true,
        }
    }
}

fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_scheme = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let part = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    is_scheme && !rest.is_empty() && rest.bytes().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn values_that_do_not_look_like_it_are_text() {
        for (shape, text, fits) in [
            (Shape::Identifier, "call_4111111111111111", true),
            (Shape::Identifier, "4111 1111 1111 1111", false),
            (Shape::Identifier, "ann@example.com", false),
            (Shape::Identifier, "projects/p/locations/l/cachedContents/7", true),
            (Shape::Name, "get_weather", true),
            (Shape::Name, "4111", false),
            (Shape::Address, "https://a.blob.core.windows.net/c/x.png?sv=2024&sig=a%2Fb%3D", true),
            (Shape::Address, "gs://bucket/x.pdf", true),
            (Shape::Address, "http://10.0.0.7:9000/x.png", true),
            (Shape::Address, "https://x/ ann@example.com", false),
            (Shape::Address, "ann@example.com", false),
            (Shape::Address, "see://", false),
            (Shape::Cipher, "gAAAAABpPB8iV8e6-ZyQ0LAGthckz-lo==", true),
            (Shape::Cipher, "my card is 4111", false),
            (Shape::Exact, "anything at all", true),
        ] {
            assert_eq!(shape.fits(text), fits, "{shape:?} {text}");
        }
    }
}
