//! What policies come to, and the place of every mistake.

use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_tokens::charge::{Demand, Reserve, Share, Used};
use weir_tokens::limits::Measure;

fn read(policy: &str) -> Result<Policies<TokenLimitPolicy>, String> {
    let json = format!(r#"{{"policies":{{"default":{policy}}}}}"#);
    policies(json.as_bytes()).map_err(|error| error.to_string())
}

fn first(limit: &str) -> Result<PolicyLimit, String> {
    let all = read(&format!(
        r#"{{"limits":[{limit}],"prices":[
            {{"model":"*","prompt":"2.5","completion":10}},
            {{"model":"gpt-4o-mini","prompt":"0.15","cached":"0.075","completion":"0.6","reasoning":1}},
            {{"model":"gpt-4o*","prompt":3,"completion":12}}]}}"#
    ))?;
    let policy = std::rc::Rc::clone(all.fallback().unwrap());
    drop(all);
    Ok(std::rc::Rc::into_inner(policy).unwrap().limits.remove(0))
}

#[test]
fn tokens_are_counted_in_thousandths_by_their_weights() {
    let limit = first(
        r#"{"name":"key-minute","per":["consumer","model"],"tokens":1000,"window":"1m",
            "burst":1500,"weights":{"cached":"0.1","completion":4},"guess":100}"#,
    )
    .unwrap();
    assert_eq!(limit.per, [Dimension::Consumer, Dimension::Model]);
    let Limits { capacity, amount, window } = limits_of(&limit);
    assert_eq!((capacity, amount, window), (1_500_000, 1_000_000, 60_000));
    assert_eq!(limit.on_exceed, OnExceed::Reject);
    assert_eq!(limit.reserve, Reserve { share: Share::Learned, guess: 100 });
    let used = Used { prompt: 100, cached: 50, completion: 10, reasoning: 5, complete: true };
    let charged = limit.limit.charge(&limit.weights("any"), &used);
    assert_eq!(charged, 50 * 1_000 + 50 * 100 + 10 * 4_000);
}

struct Limits {
    capacity: u64,
    amount: u64,
    window: u64,
}

fn limits_of(limit: &PolicyLimit) -> Limits {
    let limit = &limit.limit;
    Limits { capacity: limit.capacity(), amount: limit.amount(), window: limit.window_ms() }
}

#[test]
fn cost_goes_by_the_closest_price_of_the_model() {
    let limit = first(r#"{"name":"budget","cost":"0.5","window":"1d","reserve":"full"}"#).unwrap();
    assert_eq!(limits_of(&limit).capacity, 500_000_000_000);
    let million = Used { prompt: 1_000_000, completion: 0, ..Used::default() };
    for (model, micro) in
        [("gpt-4o-mini", 150_000), ("gpt-4o-mini-x", 3_000_000), ("llama", 2_500_000)]
    {
        let charged = limit.limit.charge(&limit.weights(model), &million);
        assert_eq!(charged / 1_000_000, micro, "{model}");
    }
    let demand = Demand { prompt: 1_000, max_tokens: Some(1_000), choices: 1 };
    let weights = limit.weights("gpt-4o-mini");
    let units = limit.reserve.units(&weights, &demand, 0, limit.limit.capacity());
    assert_eq!(units, 150_000 * 1_000 + 1_000_000 * 1_000, "reasoning costs most");
}

#[test]
fn every_kind_of_limit_and_reaction_can_be_written() {
    let requests =
        first(r#"{"name":"r","requests":5,"window":"1s","on_exceed":"shadow"}"#).unwrap();
    assert_eq!(
        (requests.limit.measure(), requests.on_exceed),
        (Measure::Requests, OnExceed::Shadow)
    );
    let calls = first(
        r#"{"name":"c","concurrent":3,"per":["client-ip","header:x-team","claim:org.id","route","pool"],
            "on_exceed":"downgrade(llama-8b)","unidentified":"reject","models":["gpt-4*","o3"]}"#,
    )
    .unwrap();
    assert_eq!((calls.limit.measure(), calls.limit.capacity()), (Measure::Concurrent, 3));
    assert_eq!(calls.on_exceed, OnExceed::Downgrade("llama-8b".to_owned()));
    assert_eq!(calls.unidentified, Unidentified::Reject);
    let written: Vec<_> = calls.per.iter().map(Dimension::to_string).collect();
    assert_eq!(written, ["client-ip", "header:x-team", "claim:org.id", "route", "pool"]);
    assert!(calls.applies_to("gpt-4o") && calls.applies_to("o3") && !calls.applies_to("o3-mini"));
    let part =
        first(r#"{"name":"t","tokens":9,"window":"1h","reserve":"fraction","fraction":"0.25"}"#)
            .unwrap();
    assert_eq!(part.reserve.share, Share::Permille(250));
    let later =
        first(r#"{"name":"t","tokens":9,"window":"2h","on_exceed":"deprioritise"}"#).unwrap();
    assert_eq!(later.on_exceed, OnExceed::Deprioritise);
}

#[test]
fn a_mistake_in_a_limit_is_named_with_its_place() {
    for (limit, expected) in [
        (r#"{"tokens":1,"window":"1m"}"#, ": missing field `name`"),
        (r#"{"name":"","tokens":1,"window":"1m"}"#, ".name: \"\" must be 1 to 64 letters"),
        (r#"{"name":"a b","tokens":1,"window":"1m"}"#, ".name: \"a b\" must be"),
        (
            r#"{"name":"a","window":"1m"}"#,
            ": needs one of `tokens`, `cost`, `requests`, `concurrent`",
        ),
        (
            r#"{"name":"a","tokens":1,"requests":1,"window":"1m"}"#,
            ": has both `tokens` and `requests`",
        ),
        (r#"{"name":"a","tokens":0,"window":"1m"}"#, ".tokens: 0 must be above 0"),
        (r#"{"name":"a","tokens":-1,"window":"1m"}"#, ".tokens: found integer `-1`"),
        (
            r#"{"name":"a","tokens":9007199254740991,"window":"1m"}"#,
            ".tokens: 9007199254740991 must be",
        ),
        (r#"{"name":"a","cost":"nan","window":"1m"}"#, ".cost: "),
        (r#"{"name":"a","tokens":1}"#, ".window: is missing"),
        (r#"{"name":"a","tokens":1,"window":"1w"}"#, ".window: \"1w\" is no window"),
        (r#"{"name":"a","tokens":1,"window":"500ms"}"#, ".window: \"500ms\" must be 1s to 1d"),
        (r#"{"name":"a","tokens":1,"window":"2d"}"#, ".window: \"2d\" must be 1s to 1d"),
        (r#"{"name":"a","tokens":1,"window":"99999999999999999d"}"#, ".window: "),
        (r#"{"name":"a","tokens":1,"window":"1m","burst":0}"#, ".burst: 0 must be above 0"),
        (r#"{"name":"a","concurrent":1,"window":"1m"}"#, ".window: makes no sense"),
        (r#"{"name":"a","concurrent":1,"burst":2}"#, ".burst: makes no sense"),
        (r#"{"name":"a","requests":1,"window":"1m","guess":2}"#, ".guess: makes no sense"),
        (
            r#"{"name":"a","tokens":1,"window":"1m","per":["user"]}"#,
            ".per[0]: \"user\" is none of consumer",
        ),
        (r#"{"name":"a","tokens":1,"window":"1m","per":["header:X"]}"#, ".per[0]: \"header:X\""),
        (r#"{"name":"a","tokens":1,"window":"1m","per":["claim:a..b"]}"#, ".per[0]: "),
        (
            r#"{"name":"a","tokens":1,"window":"1m","per":["pool","pool"]}"#,
            ".per[1]: \"pool\" stands twice",
        ),
        (
            r#"{"name":"a","tokens":1,"window":"1m","models":["a*b"]}"#,
            ".models[0]: \"a*b\" must be",
        ),
        (
            r#"{"name":"a","tokens":1,"window":"1m","reserve":"half"}"#,
            ".reserve: unknown variant `half`",
        ),
        (r#"{"name":"a","tokens":1,"window":"1m","reserve":"fraction"}"#, ".fraction: is missing"),
        (
            r#"{"name":"a","tokens":1,"window":"1m","reserve":"fraction","fraction":1}"#,
            ".fraction: 1 must be",
        ),
        (
            r#"{"name":"a","tokens":1,"window":"1m","fraction":"0.5"}"#,
            ".fraction: needs `reserve: fraction`",
        ),
        (
            r#"{"name":"a","tokens":1,"window":"1m","on_exceed":"drop"}"#,
            ".on_exceed: \"drop\" is none of",
        ),
        (r#"{"name":"a","tokens":1,"window":"1m","on_exceed":"downgrade()"}"#, ".on_exceed: "),
        (
            r#"{"name":"a","tokens":1,"window":"1m","weights":{"prompt":-1}}"#,
            ".weights.prompt: -1 must be 0 to",
        ),
        (
            r#"{"name":"a","tokens":1,"window":"1m","weights":{"prompt":0,"completion":0}}"#,
            ".weights: are all 0",
        ),
        (r#"{"name":"a","requests":1,"window":"1m","weights":{}}"#, ".weights: are for tokens"),
        (
            r#"{"name":"a","tokens":1,"window":"1m","unidentified":"drop"}"#,
            ".unidentified: unknown variant",
        ),
        (r#"{"name":"a","tokens":1,"window":"1m","colour":1}"#, ": unknown field `colour`"),
    ] {
        let error = first(limit).unwrap_err();
        let expected = format!("policies.default.limits[0]{expected}");
        assert!(error.starts_with(&expected), "{limit}\n{error}\n{expected}");
    }
}

#[test]
fn clients_are_told_by_the_headers_that_are_named_and_by_all_if_none_is() {
    let limits = r#""limits":[{"name":"a","requests":1,"window":"1m"}]"#;
    let told = |headers: &str| {
        let written = serde_json::from_str(&format!("{{{headers}{limits}}}")).unwrap();
        let policy = super::read("p", written);
        policy
            .map(|policy| (policy.open_ai_headers, policy.ietf_headers))
            .map_err(|error| error.to_string())
    };
    assert_eq!(told(""), Ok((true, true)));
    assert_eq!(told(r#""headers":["openai"],"#), Ok((true, false)));
    assert_eq!(told(r#""headers":["ietf"],"#), Ok((false, true)));
    assert_eq!(told(r#""headers":[],"#), Ok((false, false)));
    let error = told(r#""headers":["ietf","x"],"#).unwrap_err();
    assert_eq!(error, "p.headers[1]: \"x\" is none of openai, ietf");
}

#[test]
fn a_mistake_in_a_policy_is_named_with_its_place() {
    let one = r#"{"name":"a","tokens":1,"window":"1m"}"#;
    let cost = r#"{"name":"c","cost":1,"window":"1m"}"#;
    let many = vec![one; MAX_LIMITS + 1].join(",");
    for (policy, expected) in [
        (r#"{"limits":[]}"#.to_owned(), "policies.default.limits: 0 limits: a policy has 1 to 16"),
        (format!(r#"{{"limits":[{many}]}}"#), "policies.default.limits: 17 limits"),
        ("{}".to_owned(), "policies.default: missing field `limits`"),
        (
            format!(r#"{{"limits":[{one}],"max_body_bytes":0}}"#),
            "policies.default.max_body_bytes: 0 must be at least 1",
        ),
        (
            format!(r#"{{"limits":[{one},{one}]}}"#),
            "policies.default.limits[1].name: a stands twice",
        ),
        (format!(r#"{{"limits":[{cost}]}}"#), "policies.default.prices: a limit on cost needs"),
        (
            format!(
                r#"{{"limits":[{cost}],"prices":[{{"model":"x","prompt":1,"completion":1}}]}}"#
            ),
            "policies.default.prices: a limit on cost needs",
        ),
        (
            format!(
                r#"{{"limits":[{one}],"prices":[{{"model":"*","prompt":-1,"completion":1}}]}}"#
            ),
            "policies.default.prices[0].prompt: -1 must be 0 to",
        ),
        (
            format!(r#"{{"limits":[{one}],"prices":[{{"model":"*","prompt":1}}]}}"#),
            "policies.default.prices[0]: missing field `completion`",
        ),
    ] {
        let error = read(&policy).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_name_is_one_limit_in_all_policies() {
    let json = |other: &str| {
        let one = r#"{"name":"a","tokens":1,"window":"1m","per":["consumer"]}"#;
        format!(r#"{{"policies":{{"a":{{"limits":[{one}]}},"b":{{"limits":[{other}]}}}}}}"#)
    };
    let same = r#"{"name":"a","tokens":1,"window":"60s","per":["consumer"],"on_exceed":"shadow"}"#;
    let all = policies(json(same).as_bytes()).unwrap();
    let mut ids = all.iter().map(|policy| policy.limits[0].limit.id());
    assert_eq!(ids.next(), ids.next());
    for other in [
        r#"{"name":"a","tokens":2,"window":"1m","per":["consumer"]}"#,
        r#"{"name":"a","tokens":1,"window":"1m"}"#,
    ] {
        let error = policies(json(other).as_bytes()).unwrap_err().to_string();
        let expected = "policies.b.limits[0].name: a is another limit at policies.a.limits[0]";
        assert!(error.starts_with(expected), "{error}");
    }
    // What is counted is part of what a limit is.
    let requests = r#"{"name":"a","requests":1,"window":"1m"}"#;
    assert!(policies(json(requests).as_bytes()).is_ok());
}

#[test]
fn a_policy_that_stands_for_itself_has_places_of_its_own() {
    let raw = |limit: &str| {
        let written = serde_json::from_str(&format!(r#"{{"limits":[{limit}]}}"#)).unwrap();
        policy("", written).unwrap_err().to_string()
    };
    assert!(raw(r#"{"name":"a","tokens":1}"#).starts_with("limits[0].window: is missing"));
    assert!(raw(r#"{"name":"a","cost":1,"window":"1m"}"#).starts_with("prices: a limit on cost"));
}
