//! That every event is sent once and in its place.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::accumulate::{Api, documents};

/// Members under which text goes on from event to event.
const TEXTS: [&str; 14] = [
    "content",
    "reasoning_content",
    "reasoning",
    "refusal",
    "arguments",
    "input",
    "transcript",
    "text",
    "thinking",
    "partial_json",
    "delta",
    "code",
    "stringValue",
    "summary",
];

/// An event without its texts, and its texts with the choice that they are of.
#[derive(Clone, Debug, PartialEq)]
struct Shape {
    skeleton: Value,
    texts: Vec<(u64, String, String)>,
    choices: Vec<u64>,
}

fn blank(value: &mut Value, choice: u64, path: &str, texts: &mut Vec<(u64, String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{name}");
                match member {
                    Value::String(text) if TEXTS.contains(&name.as_str()) => {
                        texts.push((choice, path, std::mem::take(text)));
                    }
                    member => blank(member, choice, &path, texts),
                }
            }
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter_mut().enumerate() {
                let index = element["index"].as_u64().unwrap_or(place as u64);
                blank(element, choice, &format!("{path}/{index}"), texts);
            }
        }
        _ => {}
    }
}

fn shape(api: Api, document: &Value) -> Shape {
    let mut skeleton = document.clone();
    let (mut texts, mut choices) = (Vec::new(), Vec::new());
    let list = match api {
        Api::Chat | Api::Text => skeleton.get_mut("choices"),
        Api::Gemini | Api::GeminiArray => skeleton.get_mut("candidates"),
        _ => None,
    };
    if let Some(Value::Array(list)) = list {
        for choice in list {
            let index = choice["index"].as_u64().unwrap_or(0);
            choices.push(index);
            blank(choice, index, "", &mut texts);
        }
    } else if matches!(api, Api::Responses | Api::Messages) {
        let kind = document["type"].as_str().unwrap_or_default();
        if kind != "ping" {
            choices.push(0);
        }
        if kind.ends_with("delta") {
            let place = ["index", "output_index", "content_index", "summary_index"];
            let place = place.map(|name| document[name].to_string()).join("/");
            blank(&mut skeleton, 0, &format!("{kind} {place}"), &mut texts);
        }
    }
    texts.retain(|(_, _, text)| !text.is_empty());
    Shape { skeleton, texts, choices }
}

/// Whether `second` says nothing that `first` says but what it is about.
fn is_rest(first: &Value, second: &Value) -> bool {
    let cumulative = ["usage", "usageMetadata"];
    let second = second.as_object().unwrap();
    let same = second.iter().all(|(name, value)| {
        first.get(name) == Some(value) || value.is_null() && cumulative.contains(&name.as_str())
    });
    let text = Value::Object(second.clone()).to_string();
    let once = [
        "\"id\":\"call",
        "\"role\":\"assistant",
        "\"name\"",
        "annotations",
        "sequence_number",
        "inlineData",
        "functionCall",
        "thoughtSignature",
        "\"finish_reason\":\"",
        "finishReason",
    ];
    same && !once.iter().any(|once| text.contains(once))
}

/// Fails unless `out` has the events of `stream`, each once and in its order, with no text after an
/// event that came after it. What was sent in two is taken together.
pub(crate) fn assert_order(api: Api, stream: &str, out: &str) {
    // Signs of life are about no choice, and may come at any time.
    let ping = |document: &&Value| document["type"] != "ping";
    let shapes = |stream| {
        let documents = documents(api, stream);
        documents.iter().filter(ping).map(|document| shape(api, document)).collect::<Vec<_>>()
    };
    let (came, went) = (shapes(stream), shapes(out));
    let mut went = went.into_iter().peekable();
    let mut texts: [BTreeMap<(u64, String), String>; 2] = Default::default();
    let mut last: Option<Value> = None;
    for came in came {
        let place = || format!("{} in\n{stream}\nwhich became\n{out}", came.skeleton);
        // The rest of an event that was cut comes before the next.
        while let Some(next) = went.peek().filter(|next| next.skeleton != came.skeleton) {
            let last = last.as_ref().unwrap_or_else(|| panic!("before {}", place()));
            assert!(is_rest(last, &next.skeleton), "{} before {}", next.skeleton, place());
            let [_, sent] = &mut texts;
            for (choice, name, text) in &next.texts {
                sent.entry((*choice, name.clone())).or_default().push_str(text);
            }
            went.next();
        }
        let next = went.next().unwrap_or_else(|| panic!("missing {}", place()));
        let [given, sent] = &texts;
        let of_others = |texts: &BTreeMap<(u64, String), String>| {
            let carried = |(choice, name): &(u64, String)| {
                came.texts.iter().any(|(own, path, _)| own == choice && path == name)
            };
            let of = |choice: &u64| came.choices.contains(choice);
            let open = texts
                .iter()
                .filter(|((choice, name), _)| of(choice) && !carried(&(*choice, name.clone())));
            open.map(|(name, text)| (name.clone(), text.clone())).collect::<Vec<_>>()
        };
        assert_eq!(of_others(given), of_others(sent), "text after {}", place());
        for (side, event) in texts.iter_mut().zip([&came, &next]) {
            for (choice, name, text) in &event.texts {
                side.entry((*choice, name.clone())).or_default().push_str(text);
            }
        }
        last = Some(came.skeleton);
    }
    for next in went {
        let last = last.as_ref().unwrap();
        assert!(is_rest(last, &next.skeleton), "{} after the end of {out}", next.skeleton);
    }
}
