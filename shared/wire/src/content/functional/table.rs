//! The table.

mod fields;
mod row;
mod schema;

use std::sync::LazyLock;

pub use fields::FIELDS;
pub use row::{Functional, Under, Use};
pub use schema::SCHEMA;

/// Rows by the names of their members, in order.
static INDEX: LazyLock<Vec<(&'static str, &'static Functional)>> = LazyLock::new(|| {
    let names = FIELDS.iter().flat_map(|row| row.names.iter().map(move |name| (*name, row)));
    let mut index: Vec<(&str, _)> = Vec::new();
    // Once, and some dozens of names: a sort of its own would be 6 KB of the module.
    for (name, row) in names {
        let key = (name.len(), name);
        index.insert(index.partition_point(|(other, _)| (other.len(), *other) <= key), (name, row));
    }
    index
});

/// Where the rows of a member stand in the index; empty if there is none.
pub(in crate::content) fn rows(name: &str) -> &'static [(&'static str, &'static Functional)] {
    let key = (name.len(), name);
    let from = INDEX.partition_point(|(other, _)| (other.len(), *other) < key);
    let rest = INDEX.get(from..).unwrap_or_default();
    let len = rest.iter().take_while(|(other, _)| *other == name).count();
    rest.get(..len).unwrap_or_default()
}

/// What a keyword of a schema is.
pub(in crate::content) fn schema_keyword(name: &str) -> Option<Use> {
    SCHEMA.iter().find(|row| row.names.contains(&name)).map(|row| row.is)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_row_is_found_by_each_of_its_names_and_has_a_reason() {
        for row in FIELDS {
            assert!(!row.reason.is_empty());
            for name in row.names {
                assert!(rows(name).iter().any(|(_, found)| std::ptr::eq(*found, row)), "{name}");
            }
        }
        assert!(rows("").is_empty() && rows("metadata").is_empty() && rows("user").is_empty());
    }
}
