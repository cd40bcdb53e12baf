//! Where a request's policy is named: by its model, its route, its virtual host or its listener.

use serde_json::{Value, json};
use weir_harness::HarnessError;

use crate::envoy_config::{
    connection_manager, http_filters, listener, model, policy_metadata, route, settings,
    virtual_host,
};
use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, echoed};

/// What the text of a request is at the replica.
async fn arrives(stack: &Stack, model: &str) -> String {
    let reply = stack.send(chat(model, "mail ann@example.com")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let echo = &reply.json().unwrap()["weir_echo"];
    let body: Value = serde_json::from_str(echo["body"].as_str().unwrap()).unwrap();
    body["messages"][0]["content"].as_str().unwrap().to_owned()
}

const REDACTED: &str = "mail [EMAIL]";
const PLAIN: &str = "mail ann@example.com";

/// `default` lets everything pass, `strict` redacts.
fn guardrail() -> Value {
    let policy = |action| json!({"rules": [{"rules": ["pii"], "action": action}]});
    json!({"default": policy("flag"), "strict": policy("redact")})
}

/// A filter alone of a chain, or the part of the one filter that runs them all.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Chain,
    Gateway,
}

/// Both shipped forms, with two policies for guardrail and picker.
fn plan(form: Form, change: impl FnOnce(&mut Value)) -> Plan {
    let plan = match form {
        Form::Chain => Plan::guardrail(),
        Form::Gateway => Plan::one_filter(),
    };
    plan.edited(|config| {
        part(config, form, "guardrail")["policies"] = guardrail();
        part(config, form, "endpoint-picker")["policies"]["strict"] = json!({});
        change(config);
    })
}

/// The settings of one part.
fn part<'a>(config: &'a mut Value, form: Form, name: &str) -> &'a mut Value {
    match form {
        Form::Chain => settings(config, &format!("weir.{name}")),
        Form::Gateway => &mut settings(config, "weir.gateway")[name],
    }
}

/// Asks Envoy for the route's policy, which one-filter.yaml has switched off.
fn ask_route(config: &mut Value, form: Form) {
    if form == Form::Gateway {
        settings(config, "weir.gateway").as_object_mut().unwrap().remove("policy-by-route");
    }
}

const FORMS: [Form; 2] = [Form::Chain, Form::Gateway];

#[tokio::test(flavor = "multi_thread")]
async fn a_model_names_its_policy_in_its_entry() {
    for form in FORMS {
        for (member, value) in
            [("policy", json!("strict")), ("policies", json!({"guardrail": "strict"}))]
        {
            let entry = |config: &mut Value| {
                // The picker's policy of that name, which no model asks for here, is a route's then.
                ask_route(config, form);
                model(part(config, form, "model-router"), QWEN)[member] = value.clone();
            };
            let stack = plan(form, entry).start().await;
            assert_eq!(arrives(&stack, QWEN).await, REDACTED, "{member}");
            assert_eq!(arrives(&stack, LLAMA).await, PLAIN, "{member}");
            stack.assert_no_trap().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_chooses_no_policy() {
    for form in FORMS {
        let entry = |config: &mut Value| {
            model(part(config, form, "model-router"), QWEN)["policy"] = json!("strict");
            // The worst case: a listener that does not strip Weir's headers, and routes that name policies.
            connection_manager(config)
                .as_object_mut()
                .unwrap()
                .remove("early_header_mutation_extensions");
        };
        let stack = plan(form, entry).start().await;
        for header in ["x-gateway-base-model-name", "x-gateway-model-name"] {
            let request = chat(QWEN, "mail ann@example.com").header(header, LLAMA);
            let reply = stack.send(request).await;
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, "qwen"), "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            assert!(echo["body"].as_str().unwrap().contains("[EMAIL]"), "{header}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_or_a_listener_names_the_policy_of_all_its_requests() {
    for form in FORMS {
        for place in [virtual_host, |config: &mut Value| listener(config, "clients")]
            as [fn(&mut Value) -> &mut Value; 2]
        {
            let change = |config: &mut Value| {
                ask_route(config, form);
                place(config)["metadata"] = policy_metadata("strict");
                let policies = &mut part(config, form, "model-router")["policies"];
                policies["strict"] = policies["default"].clone();
                routes_without_policies(config);
            };
            let stack = plan(form, change).start().await;
            assert_eq!(arrives(&stack, "qwen").await, REDACTED);
            stack.assert_no_trap().await;
        }
    }
}

/// Removes the policies that the shipped routes name.
fn routes_without_policies(config: &mut Value) {
    for route in virtual_host(config)["routes"].as_array_mut().unwrap() {
        route.as_object_mut().unwrap().remove("metadata");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_model_that_a_filter_lacks_is_refused_with_its_place() {
    let misspelt = |form| {
        plan(form, |config| {
            model(part(config, form, "model-router"), QWEN)["policy"] = json!("strickt");
        })
    };
    match misspelt(Form::Gateway).try_start().await {
        Err(HarnessError::Ended { log, .. }) => {
            let said = "model-router.policies.default.models[3].policy: \"strickt\" is no policy of \
                        `guardrail`, which has: default, strict";
            assert!(log.contains(said), "{log}");
        }
        other => panic!("{:?}", other.err()),
    }
    // Filters that stand alone do not see each other's configuration: such a request fails closed.
    let stack = misspelt(Form::Chain).start().await;
    let reply = stack.send(chat(QWEN, "x")).await;
    assert_eq!(reply.status, 500, "{}", reply.text());
    let log = stack.envoy.log();
    assert!(log.contains("the model's entry asks for the policy \"strickt\""), "{log}");
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_route_that_is_chosen_too_late_is_noticed() {
    for form in FORMS {
        let change = |config: &mut Value| {
            ask_route(config, form);
            routes_without_policies(config);
            route(config, "qwen")["metadata"] = policy_metadata("strict");
            // What refreshes the route for the filters after model-router.
            http_filters(config).retain(|filter| {
                !filter["typed_config"]["@type"]
                    .as_str()
                    .unwrap_or_default()
                    .contains("HeaderMutation")
            });
        };
        let stack = plan(form, change).start().await;
        for _ in 0..4 {
            assert_eq!(arrives(&stack, "qwen").await, PLAIN, "the policy is ignored");
        }
        let log = stack.envoy.log();
        assert!(log.contains("the policy was chosen by the metadata of a route"), "{log}");
        assert!(stack.stat("weir_picker_route_policy_ignored_total").await >= 1);
        let guardrail = stack.stat("weir_guardrail_route_policy_ignored_total").await;
        // In the gateway the picker looks for all of them.
        assert_eq!(guardrail >= 1, form == Form::Chain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_route_that_is_chosen_in_time_is_applied_and_nothing_is_said() {
    let change = |config: &mut Value| {
        routes_without_policies(config);
        route(config, "qwen")["metadata"] = policy_metadata("strict");
    };
    let stack = plan(Form::Chain, change).start().await;
    assert_eq!(arrives(&stack, "qwen").await, REDACTED);
    assert_eq!(arrives(&stack, LLAMA).await, PLAIN);
    assert_eq!(stack.stat("route_policy_ignored_total").await, 0, "{}", stack.envoy.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn objectives_are_a_clients_only_where_something_before_weir_vouches_for_them() {
    let claims = [
        ("x-gateway-inference-objective", "critical"),
        ("x-llm-d-inference-fairness-id", "me-first"),
        ("x-slo-ttft-ms", "1"),
    ];
    for vouched in [false, true] {
        let plan = Plan::quickstart().edited(|config| {
            let manager = connection_manager(config).as_object_mut().unwrap();
            manager.remove("early_header_mutation_extensions");
            settings(config, "weir.model-router")["trust"] = json!({"objective": vouched});
        });
        let stack = plan.start().await;
        let request = claims
            .into_iter()
            .fold(chat("qwen", "x"), |request, (name, value)| request.header(name, value));
        let reply = stack.send(request).await;
        let echo = &reply.json().unwrap()["weir_echo"];
        for (name, value) in claims {
            assert_eq!(echoed(echo, name), if vouched { value } else { "" }, "{name}");
        }
    }
}
