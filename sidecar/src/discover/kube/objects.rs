//! What the API's answers have in common.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What identifies an object and its version.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, rename = "resourceVersion")]
    pub(super) version: String,
    #[serde(default, rename = "deletionTimestamp")]
    pub(super) deleted_at: Option<String>,
}

/// An object that is read.
pub(super) trait Object: DeserializeOwned {
    fn meta(&self) -> &Meta;
}

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Default, Deserialize)]
pub(super) struct ListMeta {
    #[serde(default, rename = "resourceVersion")]
    pub(super) version: String,
    #[serde(default, rename = "continue")]
    pub(super) more: Option<String>,
}

/// A line of a watch.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(borrow)]
    pub(super) object: &'a serde_json::value::RawValue,
}

/// What a bookmark has.
#[derive(Deserialize)]
pub(super) struct OnlyMeta {
    #[serde(default)]
    pub(super) metadata: Meta,
}

/// What an event of type `ERROR` has, and the body of a refusal.
#[derive(Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

/// A message from outside as it may stand in a log line.
pub(super) fn shown(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_control()).take(300).collect()
}

/// A value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_query_is_encoded() {
        assert_eq!(encoded("app=vllm,a b/ü-1"), "app%3Dvllm%2Ca%20b%2F%C3%BC-1");
    }
}
