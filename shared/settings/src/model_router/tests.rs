use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn policy(models: &str) -> Result<RouterPolicy, String> {
    let json = format!(r#"{{"policies":{{"default":{{"models":{models}}}}}}}"#);
    read(&json)
}

fn read(json: &str) -> Result<RouterPolicy, String> {
    let all = RouterSettings::from_json(json.as_bytes()).map_err(|error| error.to_string())?;
    let policy = std::rc::Rc::clone(all.policies.fallback().unwrap());
    drop(all);
    Ok(std::rc::Rc::into_inner(policy).unwrap())
}

#[test]
fn a_name_goes_to_its_exact_entry_then_to_the_longest_prefix() {
    let policy = policy(
        r#"[{"name":"gpt-4o","pool":"big","rewrite":"llama-70b"},
            {"name":"gpt-*","pool":"small","rewrite":"llama-8b"},
            {"name":"gpt-4*","pool":"mid"},
            {"name":"team/*","pool":"small","rewrite":"*"},
            {"name":"sql","pool":"small","adapter":true,"base_model":"llama-8b"}]"#,
    )
    .unwrap();
    let cases = [
        ("gpt-4o", Some(("llama-70b", "llama-70b", "big", None))),
        ("gpt-4", Some(("gpt-4", "gpt-4", "mid", None))),
        ("gpt-3", Some(("llama-8b", "llama-8b", "small", None))),
        ("team/qwen", Some(("qwen", "qwen", "small", None))),
        ("sql", Some(("sql", "llama-8b", "small", Some("sql")))),
        ("GPT-4o", None),
        ("", None),
    ];
    for (name, expected) in cases {
        let target = policy.resolve(name);
        let found = target.as_ref().map(|target| {
            let Target { upstream, base_model, pool, adapter, .. } = target;
            (upstream.as_str(), base_model.as_str(), pool.as_str(), adapter.as_deref())
        });
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_list_leaves_out_hidden_names_and_prefixes() {
    let policy = policy(
        r#"[{"name":"b","pool":"p"},{"name":"a","pool":"p"},
            {"name":"secret","pool":"p","hidden":true},{"name":"x*","pool":"p"}]"#,
    )
    .unwrap();
    assert_eq!(policy.listed(None).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn mistakes_name_the_field() {
    let cases = [
        (r#"[{"name":"","pool":"p"}]"#, "models[0].name"),
        (r#"[{"name":"a ","pool":"p"}]"#, "begins or ends with white space"),
        (r#"[{"name":"a*b","pool":"p"}]"#, "one `*`, at the end"),
        (r#"[{"name":"a","pool":""}]"#, "models[0].pool"),
        (r#"[{"name":"a","pool":"p"},{"name":"a","pool":"q"}]"#, "stands twice"),
        (r#"[{"name":"a","pool":"p","adapter":true}]"#, "base_model"),
        (r#"[{"name":"a","pool":"p","rewrite":"*"}]"#, "rewrite"),
        (r#"[{"name":"a","pool":"p","colour":1}]"#, "colour"),
        (r#"[{"name":"a","pool":"p","policy":""}]"#, "models[0].policy"),
        (r#"[{"name":"a","pool":"p","policies":{"guard":"x"}}]"#, "models[0].policies.guard"),
        (r#"[{"name":"a","pool":"p","consumers":["b"]}]"#, "models[0].consumers"),
        (r#"[{"name":"a","pool":"p","consumers":["a*b"]}]"#, "models[0].consumers[0]"),
        (r#"[{"name":"a","pool":"p","split":{"to":[{"model":"b","weight":1}]}}]"#, "[0].pool"),
        (r#"[{"name":"a","split":{"to":[{"model":"b","weight":1}]}}]"#, "\"b\" matches none"),
        (r#"[{"name":"a","split":{"to":[{"model":"a","weight":1}]}}]"#, "is split itself"),
        (r#"[{"name":"a","split":{"to":[]}}]"#, "models[0].split.to"),
    ];
    for (models, expected) in cases {
        let error = policy(models).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let nothing =
        r#"{"policies":{"default":{"max_body_bytes":0,"models":[{"name":"a","pool":"p"}]}}}"#;
    let error = read(nothing).unwrap_err();
    assert!(error.contains("policies.default.max_body_bytes: 0 must be at least 1"), "{error}");
}

#[test]
fn a_split_goes_to_other_entries_and_its_policies_hold_where_they_name_none() {
    let policy = policy(
        r#"[{"name":"a","policy":"own","split":{"to":[{"model":"b","weight":9},{"model":"c","weight":1}]}},
            {"name":"b","pool":"p"},{"name":"c","pool":"q","rewrite":"b","policy":"strict"}]"#,
    )
    .unwrap();
    let shares = [0, 1, 2].map(|place| {
        let target = policy.share("a", place)?;
        Some((target.upstream, target.pool, target.policies.first()?.name.clone()))
    });
    let share = |pool: &str, policy: &str| Some(("b".into(), pool.into(), policy.into()));
    assert_eq!(shares, [share("p", "own"), share("q", "strict"), None]);
    assert_eq!(policy.resolve("a").unwrap().pool, "p");
    assert_eq!(policy.pools().collect::<Vec<_>>(), ["p", "q"]);
    assert_eq!(policy.listed(None).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(policy.split("b").is_none() && policy.split("a").is_some());
}

#[test]
fn a_model_may_be_for_certain_consumers() {
    let policy = read(
        r#"{"trust":{"consumer":[{"header":"x-consumer"}]},"policies":{"default":{"models":[
            {"name":"open","pool":"p"},
            {"name":"team","pool":"p","consumers":["ann","ops-*"]},
            {"name":"none","pool":"p","consumers":[]}]}}}"#,
    )
    .unwrap();
    assert!(policy.asks_consumer());
    for (consumer, may) in
        [(Some("ann"), true), (Some("ops-1"), true), (Some("bob"), false), (None, false)]
    {
        assert_eq!(policy.permits("team", consumer), may, "{consumer:?}");
        assert_eq!(policy.shows("team", consumer), may, "{consumer:?}");
        assert!(policy.permits("open", consumer) && !policy.permits("none", consumer));
    }
    assert_eq!(policy.listed(None).collect::<Vec<_>>(), ["open"]);
    assert_eq!(policy.listed(Some("ann")).collect::<Vec<_>>(), ["open", "team"]);
}

#[test]
fn a_models_entry_names_policies_for_all_filters_or_for_one() {
    let policy = policy(
        r#"[{"name":"a","pool":"p","policy":"strict","policies":{"guardrail":"lax"}},
            {"name":"b","pool":"p"}]"#,
    )
    .unwrap();
    let target = policy.resolve("a").unwrap();
    let named = |name| target.policies.iter().find(|policy| policy.filter == name);
    assert_eq!(named("guardrail").map(|policy| policy.name.as_str()), Some("lax"));
    assert_eq!(named("endpoint-picker").map(|policy| policy.name.as_str()), Some("strict"));
    assert!(policy.resolve("b").unwrap().policies.is_empty());
}
