use super::*;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a wall")]
struct Wall {
    colour: Colour,
    #[serde(default)]
    width: f32,
    #[serde(default)]
    bricks: Option<u64>,
    #[serde(default)]
    doors: BTreeMap<String, Vec<u8>>,
    #[serde(default)]
    open: bool,
}

#[test]
fn values_of_every_kind_are_read() {
    let read = |value| read::<Vec<Wall>>("", value).unwrap();
    let walls = read(json!([
        {"colour": "red", "width": 2, "bricks": 7, "doors": {"a": [1, 255]}, "open": true},
        {"colour": "blue", "width": "0.5", "bricks": null},
    ]));
    let doors = BTreeMap::from([("a".to_owned(), vec![1, 255])]);
    let red = Wall { colour: Colour::Red, width: 2.0, bricks: Some(7), doors, open: true };
    let doors = BTreeMap::new();
    let blue = Wall { colour: Colour::Blue, width: 0.5, bricks: None, doors, open: false };
    assert_eq!(walls, [red, blue]);
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    for (written, expected) in [
        (
            json!({"colour": "rde"}),
            "walls[1].colour: unknown variant `rde`, expected `red` or `blue`",
        ),
        (
            json!({"colour": true}),
            "walls[1].colour: found boolean `true`, expected one of `red`, `blue`",
        ),
        (
            json!({"color": "red"}),
            "walls[1]: unknown field `color`, expected one of `colour`, `width`, `bricks`, `doors`, `open`",
        ),
        (json!({}), "walls[1]: missing field `colour`"),
        (json!(["red"]), "walls[1]: found a list, expected a wall"),
        (json!(null), "walls[1]: found nothing, expected a wall"),
        (
            json!({"colour": "red", "width": "wide"}),
            "walls[1].width: found string \"wide\", expected a number",
        ),
        (
            json!({"colour": "red", "width": "inf"}),
            "walls[1].width: found string \"inf\", expected a number",
        ),
        (
            json!({"colour": "red", "bricks": -1}),
            "walls[1].bricks: found integer `-1`, expected a whole number from 0 on",
        ),
        (
            json!({"colour": "red", "bricks": 1.5}),
            "walls[1].bricks: found floating point `1.5`, expected a whole number from 0 on",
        ),
        (
            json!({"colour": "red", "doors": {"a": [1, 256]}}),
            "walls[1].doors.a[1]: found integer `256`, expected a whole number from 0 to 255",
        ),
        (json!({"colour": "red", "doors": [1]}), "walls[1].doors: found a list, expected members"),
        (
            json!({"colour": "red", "doors": {"a": {}}}),
            "walls[1].doors.a: found members, expected a list",
        ),
        (
            json!({"colour": "red", "open": "yes"}),
            "walls[1].open: found string \"yes\", expected true or false",
        ),
    ] {
        let value = json!({"walls": [{"colour": "red"}, written]});
        let error = read::<BTreeMap<String, Vec<Wall>>>("", value).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
    let error = read::<Wall>("policies.a", json!({})).unwrap_err().to_string();
    assert_eq!(error, "policies.a: missing field `colour`");
    let error = read::<Wall>("", json!({})).unwrap_err().to_string();
    assert_eq!(error, "missing field `colour`");
}
