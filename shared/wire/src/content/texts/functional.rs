//! Values that are no text: see [`FIELDS`](super::super::FIELDS).

use std::borrow::Cow;

use super::{Form, Functional, Place, Shape, Use, Value, Walk, Zone, rows};
use crate::content::functional::{Under, schema_keyword};
use crate::content::tape::Kind;

impl<'t> Walk<'t> {
    /// What a member is by the table, where it stands.
    pub(super) fn use_of(
        &mut self,
        value: Value<'t>,
        rows: &'static [(&'static str, &'static Functional)],
    ) -> Option<Use> {
        let holds = |row: &Functional| match row.under {
            Under::Any => true,
            Under::Names(names) => {
                let name = value.parent().map(name_of).unwrap_or_default();
                names.contains(&name.as_ref())
            }
            Under::Types(kinds) => {
                let kind = value.parent().and_then(|object| self.kind_of(object));
                kind.is_some_and(|kind| kinds.contains(&kind.as_ref()))
            }
        };
        let mut holds = holds;
        rows.iter().find(|(_, row)| holds(row)).map(|(_, row)| row.is)
    }

    /// The place of a value that is used so; `None` if it is text, or of the dialect.
    pub(super) fn used(&mut self, value: Value<'t>, is: Use, above: Place) -> Option<Place> {
        let zone = |zone| Some(Place { zone, ..above });
        match (is, value.kind()) {
            (Use::Value(shape), Kind::String) => {
                let fits = value.text().is_some_and(|text| shape.fits(&text));
                if !fits {
                    return None;
                }
                let place = Place { zone: Zone::Functional { shape, names: false }, ..above };
                self.note(value, Form::String, place);
                zone(Zone::Skipped)
            }
            (Use::Value(shape), Kind::Array) => zone(Zone::Functional { shape, names: false }),
            (Use::Value(_), Kind::Object) | (Use::Holder, Kind::Object | Kind::Array) => {
                zone(Zone::Holder)
            }
            (Use::Each(shape), _) => {
                let place = Place { zone: Zone::Functional { shape, names: true }, ..above };
                self.scalar(value, place);
                Some(place)
            }
            (Use::Schema, Kind::Object) if is_schema(value) => zone(Zone::Schema),
            _ => None,
        }
    }

    /// JSON of any form in which members may be functional.
    pub(super) fn holder(&mut self, value: Value<'t>, above: Place, in_array: bool) -> Place {
        if in_array {
            return Place { zone: Zone::Holder, ..self.any_json(value, above) };
        }
        let used = self.use_of(value, rows(&value.key()));
        if let Some(place) = used.and_then(|is| self.used(value, is, above)) {
            self.note_key(value, Place { zone: Zone::AnyJson, ..above });
            return place;
        }
        self.any_json(value, above)
    }

    /// A value in a JSON schema.
    pub(super) fn schema(&mut self, value: Value<'t>, above: Place, in_array: bool) -> Place {
        let keyword = schema_keyword(&value.key()).filter(|_| !in_array);
        let below = |zone| Place { zone, ..above };
        match keyword {
            Some(Use::Value(shape)) => {
                let place = below(Zone::Functional { shape, names: false });
                self.scalar(value, place);
                place
            }
            Some(Use::Schema) if value.kind() == Kind::Object => below(Zone::Schemas),
            Some(Use::Holder) => self.any_json(value, above),
            _ => {
                self.any_json(value, above);
                below(Zone::Schema)
            }
        }
    }

    /// A schema under its name.
    pub(super) fn schemas(&mut self, value: Value<'t>, above: Place) -> Place {
        let name = Place { zone: Zone::Functional { shape: Shape::Exact, names: true }, ..above };
        self.note_key(value, name);
        if matches!(value.kind(), Kind::String | Kind::Number) {
            self.scalar(value, Place { zone: Zone::AnyJson, ..above });
        }
        Place { zone: Zone::Schema, ..above }
    }

    /// A value below a functional one.
    pub(super) fn functional(
        &mut self,
        value: Value<'t>,
        (shape, names): (Shape, bool),
        above: Place,
    ) -> Place {
        let any = Place { zone: Zone::AnyJson, ..above };
        if !value.key_span().is_empty() {
            let fits = names && shape.fits(&value.key());
            self.note_key(value, if fits { above } else { any });
        }
        let fits = value.text().is_none_or(|text| shape.fits(&text));
        self.scalar(value, if fits { above } else { any });
        above
    }

    /// Notes a string or a number.
    fn scalar(&mut self, value: Value<'t>, place: Place) {
        match value.kind() {
            Kind::String => self.note(value, Form::String, place),
            Kind::Number => self.note(value, Form::Number, place),
            _ => {}
        }
    }

    /// What an object says under `type`. Asked of one object for many members.
    pub(super) fn kind_of(&mut self, object: Value<'t>) -> Option<Cow<'t, str>> {
        let known = self.kind.filter(|(index, _)| *index == object.index());
        let (_, kind) =
            known.unwrap_or_else(|| (object.index(), object.get_string("type").map(Value::index)));
        self.kind = Some((object.index(), kind));
        self.tape.value(self.json, kind?)?.text()
    }
}

/// Whether an object says that it is a schema. Some servers call the arguments of a tool `parameters`, too.
fn is_schema(object: Value<'_>) -> bool {
    let says = |member: Value<'_>| match member.kind() {
        Kind::Object => matches!(member.key().as_ref(), "properties" | "$defs" | "items" | "not"),
        Kind::Array => {
            matches!(member.key().as_ref(), "enum" | "anyOf" | "oneOf" | "allOf" | "type")
        }
        Kind::String => match member.key().as_ref() {
            "type" => member.text().is_some_and(|kind| TYPES.contains(&&*kind.to_lowercase())),
            key => key == "$ref",
        },
        _ => false,
    };
    object.children().any(says)
}

/// The types of JSON Schema; Gemini writes them in capitals.
const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// The name that an object stands under; of an element, that of its list.
fn name_of(object: Value<'_>) -> Cow<'_, str> {
    match object.parent() {
        Some(list) if list.kind() == Kind::Array => list.key(),
        _ => object.key(),
    }
}
