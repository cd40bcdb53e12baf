//! One line of the Prometheus text format.
//!
//! Own code rather than a crate: the kept crates build every sample of a page (thousands of
//! histogram buckets, ten times a second, for each replica) to read six of them, and the
//! complete one is LGPL. This reads a single line that was chosen by its name, in one pass over
//! it, without recursion and without a panic on any input.

use std::borrow::Cow;

/// Labels and value of a sample.
#[derive(Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The labels as they are written.
    pub(crate) labels_text: &'a str,
    /// May be NaN or infinite.
    pub(crate) value: f64,
}

impl<'a> Sample<'a> {
    /// Reads what follows the name: labels, value, and a timestamp that is ignored. `None` if it
    /// is malformed.
    pub(crate) fn parse(rest: &'a str) -> Option<Self> {
        let (labels, after) = match rest.trim_start().strip_prefix('{') {
            Some(inside) => labels(inside)?,
            None => (Vec::new(), rest),
        };
        let value = after.split_ascii_whitespace().next()?.parse().ok()?;
        let labels_text = rest.get(..rest.len().saturating_sub(after.len())).unwrap_or_default();
        Some(Self { labels, labels_text, value })
    }

    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_ref())
    }
}

/// Labels as name and unquoted value, and what follows the `}`.
type Labels<'a> = (Vec<(&'a str, Cow<'a, str>)>, &'a str);

fn labels(mut rest: &str) -> Option<Labels<'_>> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some((found, after));
        }
        let (name, value) = rest.split_once('=')?;
        let (value, after) = unquote(value.trim_start().strip_prefix('"')?)?;
        found.push((name.trim_end(), value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    let (before, after) = text.split_at_checked(plain)?;
    if let Some(after) = after.strip_prefix('"') {
        return Some((before.into(), after));
    }
    let mut value = before.to_owned();
    let mut letters = after.chars();
    loop {
        match letters.next()? {
            '"' => return Some((value.into(), letters.as_str())),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn labels_and_value_are_read() {
        type Case<'a> = (&'a str, f64, &'a [(&'a str, &'a str)]);
        let cases: [Case<'_>; 8] = [
            (" 3", 3.0, &[]),
            ("\t1e3 1700000000000", 1000.0, &[]),
            ("{} 0.5", 0.5, &[]),
            (r#"{a="x"} 1"#, 1.0, &[("a", "x")]),
            (r#"{ a = "x" , b = "" , } -2.5"#, -2.5, &[("a", "x"), ("b", "")]),
            (r#"{a="1,2}",b="="} 7"#, 7.0, &[("a", "1,2}"), ("b", "=")]),
            (r#"{a="q\"b\\s\nz",b="é"} +Inf"#, f64::INFINITY, &[("a", "q\"b\\s\nz"), ("b", "é")]),
            (r#"{a="x"}2 # {trace="y"} 1"#, 2.0, &[("a", "x")]),
        ];
        for (rest, value, labels) in cases {
            let sample = Sample::parse(rest).unwrap();
            assert_eq!(sample.value, value, "{rest}");
            for (name, value) in labels {
                assert_eq!(sample.label(name), Some(*value), "{rest}");
            }
            assert_eq!(sample.label("none"), None);
        }
    }

    #[test]
    fn malformed_lines_are_no_samples() {
        for rest in [
            "",
            " ",
            " x",
            "{",
            "{}",
            "{a} 1",
            "{a=} 1",
            "{a=x} 1",
            "{a=\"x} 1",
            "{a=\"x\\",
            "{a=\"x\" b=\"y\"} 1",
            "{a=\"x\"",
            "{a=\"x\"} one",
            "{=\"x\"",
            "{,} 1",
        ] {
            assert_eq!(Sample::parse(rest), None, "{rest}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(rest in "[{}\"\\\\,= a-c0-9é]{0,40}") {
            let _ = Sample::parse(&rest);
        }

        #[test]
        fn every_label_value_survives_quoting(value in "\\PC{0,20}|[\"\\\\\n]{0,8}") {
            let quoted =
                value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("{{a=\"{quoted}\"}} 1");
            let sample = Sample::parse(&line).unwrap();
            prop_assert_eq!(sample.label("a"), Some(value.as_str()));
        }
    }
}
