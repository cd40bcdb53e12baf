//! A plugin's configuration as Envoy hands it to a Wasm filter.
//!
//! Written as a `google.protobuf.Struct` it arrives as the protobuf bytes of that Struct (Envoy
//! 1.40, tried out; its documentation speaks of JSON), written as a `StringValue` it arrives as
//! the string, which then has to be JSON. Both are read.
//!
//! Envoy's YAML reader makes numbers of integers only: `0.5` arrives as the string `"0.5"`, so a
//! setting that is a fraction accepts both.

use prost::Message;
use prost_types::value::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use crate::{SettingsError, located};

/// Deepest nesting of a configuration; the filters' own have five levels.
const MAX_DEPTH: u32 = 32;

/// Reads a configuration in either form.
///
/// # Errors
/// [`SettingsError::Syntax`] if the bytes are of neither form, [`SettingsError::Misfit`] with the
/// place of what does not fit `T`.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SettingsError> {
    located::read("", value_of(bytes)?)
}

/// The members of a configuration in either form.
///
/// # Errors
/// [`SettingsError::Syntax`] if the bytes are of neither form, or no members with names.
pub fn members(bytes: &[u8]) -> Result<Map<String, Value>, SettingsError> {
    match value_of(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(SettingsError::misfit("", "must be members: `{…}`")),
    }
}

fn value_of(bytes: &[u8]) -> Result<Value, SettingsError> {
    // A Struct starts with a line break (the tag of its only field), so JSON has to be tried first.
    serde_json::from_slice::<Value>(bytes).or_else(|not_json| {
        let written = prost_types::Struct::decode(bytes);
        let written = written.map_err(|_| SettingsError::from(not_json))?;
        object(written, MAX_DEPTH)
    })
}

fn object(written: prost_types::Struct, depth: u32) -> Result<Value, SettingsError> {
    let fields = written.fields.into_iter();
    let fields = fields.map(|(name, field)| Ok((name, value(field, depth)?)));
    fields.collect::<Result<Map<_, _>, SettingsError>>().map(Value::Object)
}

fn value(written: prost_types::Value, depth: u32) -> Result<Value, SettingsError> {
    let depth = depth.checked_sub(1).ok_or_else(|| {
        SettingsError::Syntax(format!("nested more than {MAX_DEPTH} levels deep"))
    })?;
    Ok(match written.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => self::number(number),
        Some(Kind::StructValue(fields)) => object(fields, depth)?,
        Some(Kind::ListValue(list)) => {
            let items = list.values.into_iter().map(|item| value(item, depth));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
    })
}

/// A Struct knows doubles only; a whole one was an integer in the YAML.
fn number(number: f64) -> Value {
    /// 2⁵³: up to here every integer is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "whole, and within an i64")]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{ListValue, Struct};
    use serde_json::json;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn written(value: &Value) -> prost_types::Value {
        let kind = match value {
            Value::Null => Kind::NullValue(0),
            Value::Bool(flag) => Kind::BoolValue(*flag),
            Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
            Value::String(text) => Kind::StringValue(text.clone()),
            Value::Array(items) => {
                Kind::ListValue(ListValue { values: items.iter().map(written).collect() })
            }
            Value::Object(_) => Kind::StructValue(as_struct(value)),
        };
        prost_types::Value { kind: Some(kind) }
    }

    fn as_struct(value: &Value) -> Struct {
        let fields = value.as_object().unwrap().iter();
        Struct { fields: fields.map(|(name, field)| (name.clone(), written(field))).collect() }
    }

    #[test]
    fn both_forms_say_the_same() {
        let value = json!({"a": {"b": [1, "x", true, null, 1.5, -3]}, "limit": 16_777_216});
        let text = format!("\n {value}");
        let bytes = as_struct(&value).encode_to_vec();
        assert_eq!(value_of(text.as_bytes()).unwrap(), value);
        assert_eq!(value_of(&bytes).unwrap(), value);
    }

    #[test]
    fn whole_numbers_fit_integer_fields() {
        #[derive(serde::Deserialize)]
        struct Limits {
            bytes: u64,
        }
        let bytes = as_struct(&json!({"bytes": 1048576})).encode_to_vec();
        assert_eq!(read::<Limits>(&bytes).unwrap().bytes, 1_048_576);
    }

    #[test]
    fn what_is_neither_is_an_error_and_so_is_endless_nesting() {
        for bytes in [&b"{\"a\":"[..], b"\xff\xff", b"policies: {}"] {
            assert!(value_of(bytes).is_err(), "{bytes:?}");
        }
        let mut deep = json!({});
        for _ in 0..40 {
            deep = json!({"a": deep});
        }
        assert!(value_of(&as_struct(&deep).encode_to_vec()).is_err());
    }
}
