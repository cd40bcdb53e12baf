//! Names that stand beside their values: `{"name": "DB_PASSWORD", "value": "…"}` as in Kubernetes,
//! `["--password", "…"]` as on a command line.

use super::tape::{Kind, Value};

/// Members that say what the member after them is.
const NAMES: [&str; 12] = [
    "name",
    "key",
    "header",
    "field",
    "variable",
    "var",
    "env",
    "param",
    "parameter",
    "option",
    "label",
    "property",
];
/// Members that the member before them names.
const VALUES: [&str; 5] = ["value", "val", "default", "content", "data"];

/// Whether the string under `key` names the member after it.
pub fn names_next(key: &str) -> bool {
    NAMES.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// Whether the member before says what stands under `key`.
pub fn is_named_before(key: &str) -> bool {
    VALUES.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// Whether an element of an array names the next one.
pub fn is_option(element: &str) -> bool {
    element.starts_with('-')
}

/// The string right before `value` that says what it is.
pub(super) fn label(value: Value<'_>) -> Option<Value<'_>> {
    let before = value.before().filter(|before| before.kind() == Kind::String)?;
    let named = match value.parent()?.kind() {
        Kind::Object => is_named_before(&value.key()) && names_next(&before.key()),
        _ => before.text().is_some_and(|text| is_option(&text)),
    };
    named.then_some(before)
}
