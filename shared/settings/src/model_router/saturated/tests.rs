use std::rc::Rc;

use super::*;
use crate::model_router::{RouterPolicy, RouterSettings};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A policy of a large model with this rule, and others beside it.
fn policy(rule: &str) -> Result<Rc<RouterPolicy>, String> {
    let json = format!(
        r#"{{"policies":{{"default":{{"models":[
            {{"name":"big","pool":"big","when_saturated":{rule}}},
            {{"name":"small","pool":"small","rewrite":"small-7b"}},
            {{"name":"small-*","pool":"small","when_saturated":{{"model":"tiny"}}}},
            {{"name":"tiny","pool":"tiny","when_saturated":{{"model":"back"}}}},
            {{"name":"back","pool":"back","when_saturated":{{"model":"big"}}}},
            {{"name":"twin","pool":"big"}},
            {{"name":"a","pool":"mixed"}},{{"name":"b","pool":"mixed"}},
            {{"name":"trial","split":{{"to":[{{"model":"small","weight":1}}]}}}},
            {{"name":"any-*","pool":"any"}}]}}}}}}"#
    );
    let settings = RouterSettings::from_json(json.as_bytes());
    let settings = settings.map_err(|error| error.to_string())?;
    Ok(Rc::clone(settings.policies.fallback().unwrap()))
}

fn rule(written: &str) -> WhenSaturated {
    let policy = policy(written).unwrap();
    let rule = policy.resolve("big").unwrap().when_saturated.unwrap();
    WhenSaturated::clone(&rule)
}

#[test]
fn a_rule_says_what_serves_instead_and_when() {
    let marks = |enter_permille, leave_permille| Thresholds { enter_permille, leave_permille };
    let pool = |pool: &str, base: Option<&str>| Instead::Pool {
        pool: pool.to_owned(),
        base_model: base.map(str::to_owned),
    };
    let reply = |status, message: Option<&str>, retry_after_ms| {
        let message = message.map(str::to_owned);
        Instead::Reply(SaturatedReply { status, message, retry_after_ms })
    };
    for (written, instead, thresholds) in [
        (r#"{"model":"small"}"#, Instead::Model("small".into()), marks(1000, 800)),
        (r#"{"model":"small","enter":0.5}"#, Instead::Model("small".into()), marks(500, 400)),
        (r#"{"pool":"back","leave":1}"#, pool("back", Some("back")), marks(1000, 1000)),
        (r#"{"pool":"any","enter":2,"leave":0.25}"#, pool("any", None), marks(2000, 250)),
        (r#"{"reply":{}}"#, reply(429, None, 1000), marks(1000, 800)),
        (
            r#"{"reply":{"status":503,"message":"Later.","retry_after_ms":0}}"#,
            reply(503, Some("Later."), 0),
            marks(1000, 800),
        ),
    ] {
        let expected = WhenSaturated { instead, thresholds };
        assert_eq!(rule(written), expected, "{written}");
    }
}

#[test]
fn mistakes_are_named_with_their_place() {
    let place = "policies.default.models[0].when_saturated";
    for (written, expected) in [
        ("{}", ": needs one of `model`, `pool` and `reply`"),
        (r#"{"model":"small","pool":"back"}"#, ": needs one of"),
        (r#"{"model":"nothing"}"#, ".model: \"nothing\" matches none of the policy's models"),
        (r#"{"model":"small-*"}"#, ".model: \"small-*\" matches none"),
        (r#"{"model":"big"}"#, ".model: \"big\" leads back here: a circle of models"),
        (r#"{"model":"tiny"}"#, ".model: \"tiny\" leads back here: a circle of models"),
        (r#"{"model":"small-x"}"#, ".model: \"small-x\" leads back here"),
        (r#"{"model":"twin"}"#, ".model: \"twin\" is served by the same pool"),
        (r#"{"model":"trial"}"#, ".model: \"trial\" is split itself: name one of its shares"),
        (r#"{"pool":"nothing"}"#, ".pool: \"nothing\" is the pool of none"),
        (r#"{"pool":"big"}"#, ".pool: \"big\" is the model's own pool"),
        (r#"{"pool":"mixed"}"#, ".pool: \"mixed\" has models with several base models"),
        (r#"{"model":"small","enter":0}"#, ".enter: 0 must be above 0"),
        (r#"{"model":"small","enter":101}"#, ".enter: 101 must be above 0 and at most 100"),
        (r#"{"model":"small","leave":1.5}"#, ".leave: 1.5 is above `enter`"),
        (r#"{"reply":{"status":200}}"#, ".reply.status: 200 is no status of an error"),
        (r#"{"reply":{"message":""}}"#, ".reply.message: \"\" is empty"),
        (r#"{"reply":{"retry_after_ms":86400001}}"#, ".reply.retry_after_ms: 86400001 is more"),
        (r#"{"modle":"small"}"#, "modle"),
    ] {
        let error = policy(written).unwrap_err();
        assert!(error.contains(place) && error.contains(expected), "{written}: {error}");
    }
}

#[test]
fn a_chain_that_ends_is_no_circle() {
    // From `big` to `small` and no further; `tiny` leads over `back` to `big`, which does not lead to it.
    assert!(policy(r#"{"model":"small"}"#).is_ok());
}

#[test]
fn a_state_ends_at_another_load_than_it_began() {
    let marks = Thresholds { enter_permille: 1000, leave_permille: 800 };
    let mut was = false;
    let states = [0, 999, 1000, 900, 800, 799, 900, 999, 5000].map(|load| {
        was = marks.is_saturated(was, load);
        was
    });
    assert_eq!(states, [false, false, true, true, true, false, false, false, true]);
}
