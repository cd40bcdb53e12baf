//! What happens to what cannot be read, kind by kind.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What happens when a text can't be inspected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTrouble {
    /// Refused (fail closed).
    #[default]
    Block,
    /// Passed on.
    Allow,
    /// Passed on and counted.
    Flag,
}

/// What happens to what cannot be read: one treatment for all kinds, or a map from kinds to treatments.
///
/// As an operator writes it: `flag`, or `{default: block, media: flag}`. A kind that the map does not name is
/// treated as `default` says, which is `block` where it is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OnUnscannable(ByKind);

/// A kind of what cannot be read. The names in metrics are those of the map: `unscannable.too-large`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscannable {
    /// A compressed body.
    Compressed,
    /// A body that is not JSON, or JSON that parsers read differently.
    NotJson,
    /// A body of a type that has no text.
    ContentType,
    /// An image, sound, a file, token ids.
    Media,
    /// A body or an event larger than what is read.
    TooLarge,
    /// An event of a kind that is not known.
    UnknownEvent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ByKind {
    default: OnTrouble,
    #[serde(skip_serializing_if = "Option::is_none")]
    compressed: Option<OnTrouble>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "not_json")]
    not_json: Option<OnTrouble>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "content_type")]
    content_type: Option<OnTrouble>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<OnTrouble>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "too_large")]
    too_large: Option<OnTrouble>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "unknown_event")]
    unknown_event: Option<OnTrouble>,
}

impl OnUnscannable {
    /// What happens to what cannot be read for this reason.
    pub fn of(&self, kind: Unscannable) -> OnTrouble {
        let by_kind = &self.0;
        let named = match kind {
            Unscannable::Compressed => by_kind.compressed,
            Unscannable::NotJson => by_kind.not_json,
            Unscannable::ContentType => by_kind.content_type,
            Unscannable::Media => by_kind.media,
            Unscannable::TooLarge => by_kind.too_large,
            Unscannable::UnknownEvent => by_kind.unknown_event,
        };
        named.unwrap_or(by_kind.default)
    }

    /// Whether anything that cannot be read is refused.
    pub fn ever_blocks(&self) -> bool {
        use Unscannable::{Compressed, ContentType, Media, NotJson, TooLarge, UnknownEvent};
        [Compressed, NotJson, ContentType, Media, TooLarge, UnknownEvent]
            .into_iter()
            .any(|kind| self.of(kind) == OnTrouble::Block)
    }
}

impl From<OnTrouble> for OnUnscannable {
    fn from(default: OnTrouble) -> Self {
        Self(ByKind { default, ..ByKind::default() })
    }
}

impl<'de> Deserialize<'de> for OnUnscannable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrByKind)
    }
}

/// Reads either form. An untagged enum would lose the place and the reason of a mistake in the map.
struct OneOrByKind;

impl<'de> Visitor<'de> for OneOrByKind {
    type Value = OnUnscannable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`block`, `allow`, `flag`, or a map from kinds (`media`, `not-json`, …) to these",
        )
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        OnTrouble::deserialize(StrDeserializer::new(name)).map(OnUnscannable::from)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        ByKind::deserialize(MapAccessDeserializer::new(map)).map(OnUnscannable)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<OnUnscannable, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn one_word_is_for_all_kinds() {
        let flagged = read(json!("flag")).unwrap();
        assert_eq!(flagged.of(Unscannable::Media), OnTrouble::Flag);
        assert_eq!(flagged.of(Unscannable::TooLarge), OnTrouble::Flag);
        assert!(!flagged.ever_blocks());
        assert_eq!(read(json!("block")).unwrap(), OnUnscannable::default());
    }

    #[test]
    fn a_map_says_it_kind_by_kind_and_blocks_the_rest() {
        let media = read(json!({"media": "flag", "not_json": "allow"})).unwrap();
        assert_eq!(media.of(Unscannable::Media), OnTrouble::Flag);
        assert_eq!(media.of(Unscannable::NotJson), OnTrouble::Allow);
        assert_eq!(media.of(Unscannable::Compressed), OnTrouble::Block);
        assert!(media.ever_blocks());
        let rest = read(json!({"default": "allow", "too-large": "block"})).unwrap();
        assert_eq!(rest.of(Unscannable::UnknownEvent), OnTrouble::Allow);
        assert_eq!(rest.of(Unscannable::TooLarge), OnTrouble::Block);
    }

    #[test]
    fn mistakes_are_named() {
        let unknown = read(json!({"pictures": "allow"})).unwrap_err();
        assert!(unknown.contains("unknown field `pictures`"), "{unknown}");
        let action = read(json!({"media": "redact"})).unwrap_err();
        assert!(action.contains("unknown variant `redact`"), "{action}");
        let number = read(json!(1)).unwrap_err();
        assert!(number.contains("`block`, `allow`, `flag`"), "{number}");
    }

    #[test]
    fn what_was_read_is_written_so_that_it_is_read_again() {
        for value in [json!("allow"), json!({"media": "flag"})] {
            let once = read(value).unwrap();
            assert_eq!(read(serde_json::to_value(once).unwrap()).unwrap(), once);
        }
    }
}
