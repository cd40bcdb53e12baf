//! What client libraries put together from the events of a stream.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The API that a stream is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// Chat completions.
    Chat,
    /// Completions.
    Text,
    /// The Responses API.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Gemini's events.
    Gemini,
    /// Gemini's array.
    GeminiArray,
}

/// The data of a stream's events: JSON, or a string that is none.
pub(crate) fn documents(api: Api, stream: &str) -> Vec<Value> {
    if api == Api::GeminiArray {
        return serde_json::from_str(stream).unwrap_or_else(|error| panic!("{error}: {stream}"));
    }
    let data = |event: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<_> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
        data.join("\n")
    };
    let stream = stream.replace("\r\n", "\n");
    let events = stream.split("\n\n").map(data).filter(|data| !data.is_empty());
    events.map(|data| serde_json::from_str(&data).unwrap_or(Value::String(data))).collect()
}

/// What the client of an API has at the end of a stream.
pub(crate) fn accumulated(api: Api, stream: &str) -> Value {
    let documents = documents(api, stream);
    match api {
        Api::Chat | Api::Text => chat(&documents),
        Api::Responses => responses(&documents),
        Api::Messages => messages(&documents),
        Api::Gemini | Api::GeminiArray => gemini(&documents),
    }
}

/// As `accumulate_delta` of the openai library does it: strings are joined, numbers added, lists put
/// together by `index`.
fn add(target: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (key, new) in delta {
        let Some(old) = target.get_mut(key).filter(|old| !old.is_null()) else {
            target.insert(key.clone(), new.clone());
            continue;
        };
        match (old, new) {
            (old, new) if key == "index" || key == "type" => *old = new.clone(),
            (Value::String(old), Value::String(new)) => old.push_str(new),
            (old @ Value::Number(_), Value::Number(new)) => {
                *old = json!(old.as_f64().unwrap() + new.as_f64().unwrap());
            }
            (Value::Object(old), Value::Object(new)) => add(old, new),
            (Value::Array(old), Value::Array(new)) => {
                for element in new {
                    let same = |old: &&mut Value| {
                        element.get("index").is_some() && old.get("index") == element.get("index")
                    };
                    match (old.iter_mut().find(same), element) {
                        (Some(Value::Object(old)), Value::Object(new)) => add(old, new),
                        _ => old.push(element.clone()),
                    }
                }
            }
            _ => {}
        }
    }
}

fn chat(documents: &[Value]) -> Value {
    let mut choices: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    let mut others = Vec::new();
    for document in documents {
        for choice in document["choices"].as_array().into_iter().flatten() {
            let mut choice = choice.as_object().unwrap().clone();
            let index = choice.remove("index").and_then(|index| index.as_u64()).unwrap_or(0);
            add(choices.entry(index).or_default(), &choice);
        }
        // What stands beside the choices comes once, but for the envelope.
        let mut rest = document.clone();
        for name in ["choices", "id", "created", "model", "object", "system_fingerprint"] {
            rest.as_object_mut().and_then(|rest| rest.remove(name));
        }
        let says = |rest: &Value| match rest.as_object() {
            Some(members) => members.values().any(|member| !member.is_null()),
            None => true,
        };
        others.extend(Some(rest).filter(says));
    }
    json!({"choices": choices.into_iter().collect::<Vec<_>>(), "others": others})
}

fn responses(documents: &[Value]) -> Value {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut others = Vec::new();
    for document in documents {
        let kind = document["type"].as_str().unwrap_or_default();
        match document["delta"].as_str().filter(|_| kind.ends_with(".delta")) {
            Some(delta) => {
                let place = ["output_index", "content_index", "summary_index"];
                let name = place.map(|name| document[name].to_string()).join("/");
                texts.entry(format!("{kind} {name}")).or_default().push_str(delta);
                others.push(json!([kind, document["sequence_number"]]));
            }
            None => others.push(document.clone()),
        }
    }
    json!({"texts": texts, "others": others})
}

fn messages(documents: &[Value]) -> Value {
    let mut message = Value::Null;
    let mut blocks: BTreeMap<u64, Value> = BTreeMap::new();
    let mut others = Vec::new();
    for document in documents {
        let index = document["index"].as_u64().unwrap_or(0);
        match document["type"].as_str().unwrap_or_default() {
            "message_start" => message = document["message"].clone(),
            "content_block_start" => {
                blocks.insert(index, document["content_block"].clone());
            }
            "content_block_delta" => {
                let block = blocks.entry(index).or_insert_with(|| json!({}));
                for (name, piece) in document["delta"].as_object().unwrap() {
                    match (name.as_str(), piece) {
                        ("type", _) => {}
                        (name, Value::String(piece)) => {
                            let old = block[name].as_str().unwrap_or_default();
                            block[name] = Value::String(format!("{old}{piece}"));
                        }
                        (name, piece) => {
                            let list = block.as_object_mut().unwrap();
                            let list = list.entry(format!("{name}s")).or_insert_with(|| json!([]));
                            list.as_array_mut().map(|list| list.push(piece.clone())).unwrap();
                        }
                    }
                }
            }
            _ => others.push(document.clone()),
        }
    }
    json!({"message": message, "blocks": blocks.into_iter().collect::<Vec<_>>(), "others": others})
}

fn gemini(documents: &[Value]) -> Value {
    let mut choices: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    let mut usage = Value::Null;
    let mut others = Vec::new();
    for document in documents {
        for candidate in document["candidates"].as_array().into_iter().flatten() {
            let list = choices.entry(candidate["index"].as_u64().unwrap_or(0)).or_default();
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                let same = |last: &&mut Value| {
                    last["text"].is_string()
                        && last.get("thoughtSignature").is_none()
                        && last["thought"].as_bool() == part["thought"].as_bool()
                };
                match (part["text"].as_str(), list.last_mut().filter(same)) {
                    (Some(text), Some(last)) if part.get("thoughtSignature").is_none() => {
                        let old = last["text"].as_str().unwrap();
                        last["text"] = Value::String(format!("{old}{text}"));
                    }
                    _ => list.push(part.clone()),
                }
            }
            for (name, value) in candidate.as_object().unwrap() {
                if !matches!(name.as_str(), "content" | "index") && !value.is_null() {
                    list.push(json!({ name: value }));
                }
            }
        }
        if document["usageMetadata"].is_object() {
            usage = document["usageMetadata"].clone();
        }
        if document.get("candidates").is_none() {
            others.push(document.clone());
        }
    }
    json!({"choices": choices.into_iter().collect::<Vec<_>>(), "usage": usage, "others": others})
}
