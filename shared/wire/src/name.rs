//! Which texts may be the name of a model.
//!
//! A model's name becomes the value of a header and a field of access logs. Envoy refuses control characters
//! in a header with an error of its own, and line breaks and marks of direction would let a client forge what
//! a log shows. No model is called so.

/// The most bytes that a name may have. Names of real models have a few dozen: Hugging Face allows 96
/// characters, and a LoRA adapter may be named by its path.
pub const MAX_BYTES: usize = 1024;

/// Format characters (general category Cf, of Unicode 16) and the separators of lines and paragraphs. Some are
/// invisible, others change the order in which the text around them is shown.
const HIDDEN: [(u32, u32); 20] = [
    (0xAD, 0xAD),
    (0x600, 0x605),
    (0x61C, 0x61C),
    (0x6DD, 0x6DD),
    (0x70F, 0x70F),
    (0x890, 0x891),
    (0x8E2, 0x8E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
];

/// Whether the text has no control character, none that is not shown, and no line separator. An empty one is
/// plain; its length is not looked at.
pub fn is_plain(name: &str) -> bool {
    let ascii = name.bytes().all(|byte| matches!(byte, 0x20..0x7F));
    ascii || !name.chars().any(is_hidden)
}

#[cold]
fn is_hidden(character: char) -> bool {
    let code = u32::from(character);
    let mut ranges = HIDDEN.iter();
    character.is_control() || ranges.any(|(first, last)| (*first..=*last).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_of_real_models_are_plain() {
        for name in [
            "",
            "gpt-4o",
            "meta-llama/Llama-3.1-8B-Instruct",
            "models/gemini-2.0-flash",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/x",
            "/models/my adapter",
            "größe-é",
            "通义千问",
            "модель",
            "a🙂",
            "a\u{301}",
        ] {
            assert!(is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn every_control_character_and_every_hidden_one_is_found() {
        let controls = (0..0x20).chain(0x7F..0xA0);
        let others = [
            0xAD, 0x61C, 0x200B, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202E, 0x2060, 0x2066,
            0x2069, 0xFEFF, 0xFFF9, 0xE0001, 0xE0041,
        ];
        for character in controls.chain(others).filter_map(char::from_u32) {
            for name in
                [format!("{character}"), format!("gpt-4o{character}"), format!("é{character}a")]
            {
                assert!(!is_plain(&name), "{name:?}");
            }
        }
    }
}
