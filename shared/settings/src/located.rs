//! Reading settings, with the place of what does not fit: `policies.strict.rules[2].action`.
//!
//! An own deserializer over JSON values rather than one around `serde_json`'s: places are put
//! together on the way back from an error only, and every type is compiled for one of them.

use std::fmt::{self, Display};

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::{Map, Value};

use crate::SettingsError;

/// Reads a value that stands at `field`, which is empty for the whole configuration.
pub(crate) fn read<T: DeserializeOwned>(field: &str, value: Value) -> Result<T, SettingsError> {
    T::deserialize(Located(value)).map_err(|misfit| {
        let Misfit { place, problem } = misfit.below(field);
        SettingsError::Misfit { field: place, problem }
    })
}

/// What does not fit, and where, seen from the value that is being read.
#[derive(Debug)]
struct Misfit {
    place: String,
    problem: String,
}

impl Misfit {
    /// The same, seen from the list that the value is an item of.
    #[inline(never)]
    fn below_item(self, at: usize) -> Self {
        self.below(&format!("[{at}]"))
    }

    /// The same, seen from what the value is a member or item of.
    #[inline(never)]
    fn below(mut self, step: &str) -> Self {
        if !step.is_empty() && !self.place.is_empty() && !self.place.starts_with('[') {
            self.place.insert(0, '.');
        }
        self.place.insert_str(0, step);
        self
    }
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Misfit {}

impl Error for Misfit {
    fn custom<T: Display>(problem: T) -> Self {
        Self { place: String::new(), problem: problem.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_value(found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let expected = match expected.as_str() {
            "u8" => "a whole number from 0 to 255",
            "u32" | "u64" | "usize" => "a whole number from 0 on",
            "f32" | "f64" => "a number",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            "a map" => "members",
            other => other,
        };
        match found {
            Unexpected::Unit => Self::custom(format_args!("found nothing, expected {expected}")),
            Unexpected::Map => Self::custom(format_args!("found members, expected {expected}")),
            Unexpected::Seq => Self::custom(format_args!("found a list, expected {expected}")),
            found => Self::custom(format_args!("found {found}, expected {expected}")),
        }
    }
}

/// The names that an enum has.
struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of `{}`", self.0.join("`, `"))
    }
}

/// A value to be read.
struct Located(Value);

impl Located {
    /// What is said where `expected` would fit.
    #[inline(never)]
    fn misfit(&self, expected: &dyn Expected) -> Misfit {
        Misfit::invalid_value(self.unexpected(), expected)
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(flag) => Unexpected::Bool(*flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => Unexpected::Unsigned(number),
                (_, Some(number), _) => Unexpected::Signed(number),
                (_, _, number) => Unexpected::Float(number.unwrap_or(f64::NAN)),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Located {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        // Every type of the settings asks for what it is, but for one that is a word or members.
        match self.0 {
            Value::String(_) => self.deserialize_string(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.as_bool() {
            Some(flag) => visitor.visit_bool(flag),
            None => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.as_u64() {
            Some(number) => visitor.visit_u64(number),
            None => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_f64(visitor)
    }

    /// Envoy hands a fraction over as a string: see [`crate::plugin`].
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let written = || self.0.as_str()?.parse().ok();
        match self.0.as_f64().or_else(written).filter(|number| number.is_finite()) {
            Some(number) => visitor.visit_f64(number),
            None => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            value => visitor.visit_some(Self(value)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter().enumerate())),
            _ => Err(self.misfit(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::of(members)),
            _ => Err(self.misfit(&visitor)),
        }
    }

    /// By name only: serde would take a list of the members' values, too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_map(visitor)
    }

    /// Names only: no enum of the settings carries anything.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.0.as_str() {
            Some(name) => visitor.visit_enum(IntoDeserializer::<Misfit>::into_deserializer(name)),
            None => Err(self.misfit(&OneOf(variants))),
        }
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u16 u128 char str bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Items(std::iter::Enumerate<std::vec::IntoIter<Value>>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misfit> {
        let Some((at, item)) = self.0.next() else { return Ok(None) };
        match seed.deserialize(Located(item)) {
            Ok(item) => Ok(Some(item)),
            Err(misfit) => Err(misfit.below_item(at)),
        }
    }
}

struct Members {
    rest: serde_json::map::IntoIter,
    /// The member whose name was read last.
    name: String,
    value: Value,
}

impl Members {
    fn of(members: Map<String, Value>) -> Self {
        Self { rest: members.into_iter(), name: String::new(), value: Value::Null }
    }

    /// The name of the next member.
    #[inline(never)]
    fn next_name(&mut self) -> Option<&str> {
        (self.name, self.value) = self.rest.next()?;
        Some(&self.name)
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misfit> {
        let Some(name) = self.next_name() else { return Ok(None) };
        seed.deserialize(IntoDeserializer::<Misfit>::into_deserializer(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        match seed.deserialize(Located(self.value.take())) {
            Ok(value) => Ok(value),
            Err(misfit) => Err(misfit.below(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests;
