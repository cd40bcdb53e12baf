//! Tokens of images and sound, by the rules that their makers publish.
//!
//! A gateway does not decode pictures, so mostly their size is not known: then they count as
//! [`ASSUMED_SIZE`]. What is billed is settled with the usage that the replica reports.

/// The size that a picture is taken to have where nobody says, in pixels.
pub const ASSUMED_SIZE: (u32, u32) = (1_024, 1_024);

/// How the tokens of a picture are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageRule {
    /// OpenAI, GPT-4o and 4.1: 85 tokens, and 170 for each tile of 512 pixels after fitting the picture
    /// into 2,048 squared and its shorter side to 768; `detail: low` is 85
    /// (platform.openai.com/docs/guides/images-vision, «calculating costs»). The 765 tokens of the
    /// assumed size are also of the order of open models' (Qwen2-VL: a token for 28 pixels squared).
    #[default]
    OpenAi,
    /// Anthropic: a token for 750 pixels, at most about 1,600, because larger pictures are scaled
    /// (docs.anthropic.com, «vision», «calculate image costs»).
    Anthropic,
    /// Gemini 2: 258 tokens up to 384 pixels squared, else 258 for each tile of 768
    /// (ai.google.dev/gemini-api/docs/tokens, «multimodal tokens»).
    Gemini,
}

impl ImageRule {
    /// Tokens of one picture; `low` where the client asks for low detail.
    pub fn tokens(self, size: Option<(u32, u32)>, low: bool) -> u32 {
        let (width, height) = size.unwrap_or(ASSUMED_SIZE);
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let tokens = match self {
            Self::OpenAi if low => 85,
            Self::OpenAi => 85 + 170 * open_ai_tiles(width, height),
            Self::Anthropic => (width * height).div_ceil(750).min(1_600),
            Self::Gemini if width <= 384 && height <= 384 => 258,
            Self::Gemini => 258 * width.div_ceil(768).saturating_mul(height.div_ceil(768)),
        };
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }
}

/// Tiles of 512 pixels after both steps of scaling, which never enlarge.
fn open_ai_tiles(width: u64, height: u64) -> u64 {
    let (mut long, mut short) = (width.max(height), width.min(height));
    if long > 2_048 {
        (long, short) = (2_048, (short * 2_048 / long).max(1));
    }
    if short > 768 {
        (long, short) = (long * 768 / short, 768);
    }
    long.div_ceil(512) * short.div_ceil(512)
}

/// Tokens of a second of sound: 10 at OpenAI (one for 100 ms of what a user says), 32 at Gemini; the
/// larger.
const AUDIO_TOKENS_PER_SECOND: u64 = 32;
/// Characters of Base64 for a second of MP3 at 64 kbit/s, which is what speech is sent with. Of
/// PCM, which is four times that, too many tokens are estimated.
const BASE64_PER_SECOND: u64 = 8_000 * 4 / 3;
/// Seconds that a piece of sound is taken to have where only its address is there.
const ASSUMED_SECONDS: u64 = 15;

/// Tokens of `pieces` pieces of sound, of which `base64` characters are in the body.
pub fn audio_tokens(pieces: u32, base64: u64) -> u32 {
    let assumed = u64::from(pieces).saturating_mul(ASSUMED_SECONDS);
    let seconds = match base64 / BASE64_PER_SECOND {
        0 => assumed,
        seconds => seconds,
    };
    u32::try_from(seconds.saturating_mul(AUDIO_TOKENS_PER_SECOND)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn pictures_count_as_their_makers_publish() {
        for (rule, size, low, tokens) in [
            // OpenAI's own examples.
            (ImageRule::OpenAi, Some((1_024, 1_024)), false, 765),
            (ImageRule::OpenAi, Some((2_048, 4_096)), false, 1_105),
            (ImageRule::OpenAi, Some((4_096, 8_192)), true, 85),
            (ImageRule::OpenAi, Some((100, 100)), false, 255),
            (ImageRule::OpenAi, None, false, 765),
            // Anthropic's table: 200 squared about 54, 1,000 squared about 1,334.
            (ImageRule::Anthropic, Some((200, 200)), false, 54),
            (ImageRule::Anthropic, Some((1_000, 1_000)), false, 1_334),
            (ImageRule::Anthropic, Some((8_000, 8_000)), false, 1_600),
            (ImageRule::Gemini, Some((384, 384)), false, 258),
            (ImageRule::Gemini, Some((960, 540)), false, 516),
            (ImageRule::Gemini, Some((u32::MAX, u32::MAX)), true, u32::MAX),
            (ImageRule::OpenAi, Some((u32::MAX, 0)), false, 765),
        ] {
            assert_eq!(rule.tokens(size, low), tokens, "{rule:?} {size:?} {low}");
        }
    }

    #[test]
    fn sound_counts_by_its_length_or_as_a_sentence() {
        assert_eq!(audio_tokens(0, 0), 0);
        assert_eq!(audio_tokens(2, 100), 2 * 15 * 32);
        assert_eq!(audio_tokens(1, 60 * 8_000 * 4 / 3), 60 * 32);
        assert_eq!(audio_tokens(1, u64::MAX), u32::MAX);
    }
}
