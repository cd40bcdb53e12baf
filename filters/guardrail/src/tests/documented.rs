//! What the README says of functional fields.

use weir_wire::content::FIELDS;

#[test]
fn every_functional_field_is_documented() {
    let page = include_str!("../../README.md");
    for row in FIELDS {
        for name in row.names {
            assert!(page.contains(&format!("`{name}`")), "{name}: {}", row.reason);
        }
    }
}
