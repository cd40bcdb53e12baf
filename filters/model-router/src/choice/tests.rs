use super::*;
use std::rc::Rc;
use weir_settings::model_router::RouterSettings;

/// A request for `model` by `consumer`, which a limit gives `instead`, and which has the second share of every split.
fn asked<'a>(
    model: &'a str,
    consumer: Option<&'a str>,
    instead: Option<&'a str>,
    saturated: &'a dyn Fn(&str, Thresholds) -> bool,
) -> Asked<'a> {
    Asked { model: Some(model), consumer, instead, share: &|_, _| 1, saturated }
}

/// No pool is saturated.
fn idle(_: &str, _: Thresholds) -> bool {
    false
}

fn policy() -> Rc<RouterPolicy> {
    let json = br#"{"trust":{"consumer":[{"header":"x-consumer"}]},"policies":{"default":{
        "default_model":"qwen","models":[
        {"name":"llama-8b","pool":"llama"},
        {"name":"qwen","pool":"qwen","rewrite":"qwen2.5-7b"},
        {"name":"gpt-*","pool":"llama","rewrite":"llama-8b"},
        {"name":"trial","split":{"to":[{"model":"llama-8b","weight":9},{"model":"team","weight":1}]}},
        {"name":"trial2","split":{"to":[{"model":"llama-8b","weight":9},{"model":"qwen","weight":1}]}},
        {"name":"team","pool":"llama","consumers":["ann"]}]}}}"#;
    Rc::clone(RouterSettings::from_json(json).unwrap().policies.fallback().unwrap())
}

fn chosen(model: Option<&str>, consumer: Option<&str>) -> Result<(String, String), String> {
    let asked = Asked { model, ..asked("", consumer, None, &idle) };
    let choice = choose(&policy(), &asked);
    let choice = choice.map_err(|error| error.code.to_owned())?;
    let reasons: Vec<_> = choice.steps.iter().map(|step| step.reason).collect();
    assert!(reasons.is_sorted(), "{reasons:?}");
    Ok((choice.target.upstream, Shown(&choice.steps).to_string()))
}

#[test]
fn each_change_of_the_model_is_a_step_with_its_reason() {
    for (model, upstream, steps) in [
        (Some("llama-8b"), "llama-8b", ""),
        (Some("gpt-4o"), "llama-8b", "alias=llama-8b"),
        (None, "qwen2.5-7b", "default=qwen; alias=qwen2.5-7b"),
        (Some(""), "qwen2.5-7b", "default=qwen; alias=qwen2.5-7b"),
        // The share is one that clients themselves could not ask for.
        (Some("trial"), "team", "split=team"),
        (Some("trial2"), "qwen2.5-7b", "split=qwen; alias=qwen2.5-7b"),
    ] {
        assert_eq!(chosen(model, None), Ok((upstream.to_owned(), steps.to_owned())), "{model:?}");
    }
}

#[test]
fn a_limit_gives_another_model_with_what_its_entry_says_and_only_to_who_may_use_it() {
    let choose =
        |instead, consumer| choose(&policy(), &asked("llama-8b", consumer, Some(instead), &idle));
    let choice = choose("qwen", None).unwrap();
    assert_eq!((choice.model.as_str(), choice.target.pool.as_str()), ("qwen", "qwen"));
    assert_eq!(Shown(&choice.steps).to_string(), "limit=qwen; alias=qwen2.5-7b");
    let choice = choose("trial2", None).unwrap();
    assert_eq!(Shown(&choice.steps).to_string(), "limit=trial2; split=qwen; alias=qwen2.5-7b");
    assert!(choice.of_share);
    assert_eq!(choose("team", Some("ann")).unwrap().model, "team");
    assert_eq!(choose("team", None).unwrap_err().code, "model_not_found");
    assert_eq!(choose("nothing", None).unwrap_err().code, "model_not_found");
}

#[test]
fn a_model_for_others_is_none_at_all() {
    assert!(chosen(Some("team"), Some("ann")).is_ok());
    for consumer in [Some("bob"), None] {
        assert_eq!(chosen(Some("team"), consumer), chosen(Some("nothing"), consumer));
    }
}

/// Models of four pools, of which each but the last says what serves while it is saturated.
fn degrading() -> Rc<RouterPolicy> {
    let json =
        br#"{"trust":{"consumer":[{"header":"x-consumer"}]},"policies":{"default":{"models":[
        {"name":"huge","pool":"huge","when_saturated":{"model":"team"}},
        {"name":"big","pool":"big","when_saturated":{"model":"mid"}},
        {"name":"alias","pool":"big","rewrite":"big","when_saturated":{"pool":"mid"}},
        {"name":"plain","pool":"big","when_saturated":{"pool":"mid"}},
        {"name":"mid","pool":"mid","rewrite":"mid-13b","when_saturated":{"model":"small"}},
        {"name":"small","pool":"small","when_saturated":{"reply":{"status":503}}},
        {"name":"trial","split":{"to":[{"model":"small","weight":1},{"model":"big","weight":1}]}},
        {"name":"team","pool":"last","consumers":["ann"]}]}}}"#;
    Rc::clone(RouterSettings::from_json(json).unwrap().policies.fallback().unwrap())
}

#[test]
fn while_a_pool_is_saturated_its_entry_says_what_serves_and_only_once() {
    let policy = degrading();
    // What was asked for, the saturated pools, and the pool, base model, name upstream and steps.
    for (model, full, pool, base, upstream, steps) in [
        ("big", "", "big", "big", "big", ""),
        ("big", "mid small", "big", "big", "big", ""),
        ("big", "big", "mid", "mid-13b", "mid-13b", "saturated=mid; alias=mid-13b"),
        ("big", "big small", "mid", "mid-13b", "mid-13b", "saturated=mid; alias=mid-13b"),
        // Nothing is gained where the other is saturated as well, and nothing is degraded twice.
        ("big", "big mid", "big", "big", "big", ""),
        ("alias", "big", "mid", "mid-13b", "big", "saturated=pool:mid; alias=big"),
        ("plain", "big", "mid", "mid-13b", "plain", "saturated=pool:mid"),
        ("alias", "big mid", "big", "big", "big", "alias=big"),
        ("mid", "mid", "small", "small", "small", "saturated=small"),
        ("huge", "huge", "last", "team", "team", "saturated=team"),
        ("team", "last", "last", "team", "team", ""),
        // A share is degraded as its entry says.
        ("trial", "", "big", "big", "big", "split=big"),
        ("trial", "big", "mid", "mid-13b", "mid-13b", "split=big; saturated=mid; alias=mid-13b"),
    ] {
        let saturated = |pool: &str, _: Thresholds| full.split(' ').any(|full| full == pool);
        let choice = choose(&policy, &asked(model, Some("ann"), None, &saturated)).unwrap();
        let found = (&*choice.target.pool, &*choice.target.base_model, &*choice.target.upstream);
        assert_eq!(found, (pool, base, upstream), "{model} with {full}");
        assert_eq!(Shown(&choice.steps).to_string(), steps, "{model} with {full}");
        let degraded = choice.degraded.map(|degraded| degraded.pool);
        let expected = steps.contains("saturated").then(|| full.split(' ').next().unwrap());
        assert_eq!(degraded.as_deref(), expected, "{model} with {full}");
        assert!(choice.steps.iter().map(|step| step.reason).is_sorted());
    }
}

#[test]
fn a_model_that_the_consumer_may_not_use_serves_in_place_of_none() {
    let saturated = |pool: &str, _: Thresholds| pool == "huge";
    let choice = choose(&degrading(), &asked("huge", None, None, &saturated)).unwrap();
    assert_eq!((choice.model.as_str(), choice.degraded.is_none()), ("huge", true));
}

#[test]
fn a_reply_serves_nobody_and_is_no_step() {
    let saturated = |pool: &str, _: Thresholds| pool == "small";
    let choice = choose(&degrading(), &asked("small", None, None, &saturated)).unwrap();
    assert!(choice.steps.is_empty());
    let rule = choice.degraded.unwrap().rule;
    assert!(matches!(&rule.instead, Instead::Reply(reply) if reply.status == 503));
}

#[test]
fn a_limit_may_still_give_another_model_which_is_not_degraded_again() {
    let saturated = |pool: &str, _: Thresholds| pool != "mid";
    let choice = choose(&degrading(), &asked("big", None, Some("small"), &saturated)).unwrap();
    assert_eq!(choice.model, "small");
    assert_eq!(Shown(&choice.steps).to_string(), "saturated=mid; limit=small");
}
