//! In which line of a YAML file a field stands.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A YAML value with the lines of what is in it.
enum Node {
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Scalar,
}

/// The line, from 1, of `field` (`pools.llama.endpoints[0].address`), or of the last part of it that there is.
/// `None` where the text is no YAML.
#[must_use]
pub fn line_of(yaml: &[u8], field: &str) -> Option<u64> {
    let root: Spanned<Node> = serde_saphyr::from_slice(yaml).ok()?;
    let (mut node, mut rest, mut line) = (&root.value, field, None);
    while !rest.is_empty() {
        let step = match node {
            Node::Map(members) => member(members, rest),
            Node::List(items) => item(items, rest),
            Node::Scalar => None,
        };
        let Some((at, below, after)) = step else { break };
        (line, node, rest) = (Some(at), below, after);
    }
    line
}

/// Line and value of the next step, and the steps after it.
type Step<'a> = (u64, &'a Node, &'a str);

/// A key may have dots itself: the longest that fits counts.
fn member<'a>(members: &'a [(Spanned<String>, Spanned<Node>)], rest: &'a str) -> Option<Step<'a>> {
    let fits = |key: &str| {
        let after = rest.strip_prefix(key)?;
        let ends = after.is_empty() || after.starts_with(['.', '[']);
        ends.then(|| after.strip_prefix('.').unwrap_or(after))
    };
    let found = members.iter().filter_map(|(key, value)| {
        fits(&key.value).map(|after| (key.value.len(), key.referenced.line(), value, after))
    });
    let (_, line, value, after) = found.max_by_key(|(length, ..)| *length)?;
    Some((line, &value.value, after))
}

fn item<'a>(items: &'a [Spanned<Node>], rest: &'a str) -> Option<Step<'a>> {
    let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
    let item = items.get(index.parse::<usize>().ok()?)?;
    Some((item.referenced.line(), &item.value, after.strip_prefix('.').unwrap_or(after)))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Map(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Node::Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const YAML: &[u8] = b"listen: 127.0.0.1:9500\npools:\n  llama.8b:\n    poll_interval: 1ms\n    endpoints:\n    \
        - address: 10.0.0.1:80\n    - address: 10.0.0.2:80\n      gpus: [GPU-1,\n        x]\n  llama: {endpoints: []}\n";

    #[test]
    fn a_field_is_found_or_the_last_part_of_it_that_there_is() {
        for (field, line) in [
            ("listen", Some(1)),
            ("pools", Some(2)),
            ("pools.llama.8b.poll_interval", Some(4)),
            ("pools.llama.8b.endpoints[1].address", Some(7)),
            ("pools.llama.8b.endpoints[1].gpus[1]", Some(9)),
            ("pools.llama.8b.endpoints[1].nothing", Some(7)),
            ("pools.llama.endpoints", Some(10)),
            ("pools (name)", None),
            ("nothing", None),
        ] {
            assert_eq!(line_of(YAML, field), line, "{field}");
        }
        assert_eq!(line_of(b"\t[", "listen"), None);
    }
}
