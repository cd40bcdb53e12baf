//! The keywords of JSON schemas.

use super::row::Under::Any;
use super::row::Use::{Holder, Schema, Value};
use super::row::{Functional, row};
use crate::content::functional::Shape::Exact;

/// Keywords of JSON schemas; others are text, as are `description`, `title`, `default`, `examples`.
pub static SCHEMA: &[Functional] = &[
    row(
        &["enum", "const"],
        Any,
        Value(Exact),
        "values that the model chooses from: two edited alike become one",
    ),
    row(&["pattern"], Any, Value(Exact), "a regular expression, which an edit breaks"),
    row(
        &["$ref", "$id", "$anchor", "$schema", "$dynamicRef", "$dynamicAnchor"],
        Any,
        Value(Exact),
        "points to another part of the schema",
    ),
    row(&["type", "format", "contentEncoding", "contentMediaType"], Any, Value(Exact), "a keyword"),
    row(
        &["required", "propertyOrdering", "property_ordering"],
        Any,
        Value(Exact),
        "names of properties",
    ),
    row(
        &[
            "minimum",
            "maximum",
            "exclusiveMinimum",
            "exclusiveMaximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
        ],
        Any,
        Value(Exact),
        "a bound has to stay a number",
    ),
    row(
        &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"],
        Any,
        Schema,
        "names of properties, each with a schema",
    ),
    row(
        &["description", "title", "default", "example", "examples", "$comment"],
        Any,
        Holder,
        "text of the schema's author: inspected",
    ),
];
