//! How a file is put together from parts.
//!
//! - A line `#> NAME key=value key="other value"` stands for the lines of the part NAME, each indented like the
//!   line itself. After a dash (`- #> NAME`) they are one item of a list.
//! - In a part, `{{key}}` stands for the value that was given; a line with `{{key?}}` is left out where none was, or of a line that
//!   stands for a part, `other={{key?}}` alone.
//! - Parts may hold parts.
//!
//! All else, comments too, stays as it is. A part that does not exist, a value that is missing and one that
//! nothing asks for are errors.

use std::collections::{BTreeMap, BTreeSet};

/// How deep parts may be nested, which only parts that hold themselves exceed.
const DEEPEST: usize = 8;

/// What is wrong with a line of a source or part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    file: String,
    line: usize,
    problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

/// The values that a part is given.
type Values = BTreeMap<String, String>;

/// The parts by name, and which of them were used.
pub(super) struct Template {
    parts: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Template {
    /// Parts by name.
    pub(super) fn new(parts: BTreeMap<String, String>) -> Self {
        Self { parts, used: BTreeSet::new() }
    }

    /// The text with every part in its place.
    ///
    /// # Errors
    /// The first line that cannot be understood.
    pub(super) fn expand(&mut self, file: &str, text: &str) -> Result<String, Mistake> {
        let lines = self.lines(file, text, &Values::new(), 0)?;
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }

    /// The parts that no text has used.
    pub(super) fn unused(&self) -> Vec<&str> {
        let names = self.parts.keys().filter(|name| !self.used.contains(*name));
        names.map(String::as_str).collect()
    }

    fn lines(
        &mut self,
        file: &str,
        text: &str,
        values: &Values,
        depth: usize,
    ) -> Result<Vec<String>, Mistake> {
        let (mut lines, mut asked) = (Vec::new(), BTreeSet::new());
        let mut number = 0;
        for line in text.lines() {
            number += 1;
            let mistake = |problem| Mistake { file: file.to_owned(), line: number, problem };
            let Some(line) = filled(line, values, &mut asked).map_err(mistake)? else { continue };
            match Directive::read(&line).map_err(mistake)? {
                None => lines.push(line),
                Some(_) if depth == DEEPEST => return Err(mistake("parts hold each other".into())),
                Some(directive) => {
                    let part = self.part(&directive.name).map_err(mistake)?;
                    let part = self.lines(&directive.name, &part, &directive.values, depth + 1)?;
                    lines.extend(directive.placed(&part));
                }
            }
        }
        match values.keys().find(|key| !asked.contains(*key)) {
            None => Ok(lines),
            Some(key) => {
                let problem = format!("nothing asks for the value `{key}`");
                Err(Mistake { file: file.to_owned(), line: number, problem })
            }
        }
    }

    fn part(&mut self, name: &str) -> Result<String, String> {
        self.used.insert(name.to_owned());
        let none = || {
            let names: Vec<_> = self.parts.keys().map(String::as_str).collect();
            format!("no part `{name}`: there are {}", names.join(", "))
        };
        self.parts.get(name).cloned().ok_or_else(none)
    }
}

/// The line with its values; `None` if one that may be missing is.
fn filled(
    line: &str,
    values: &Values,
    asked: &mut BTreeSet<String>,
) -> Result<Option<String>, String> {
    let (mut filled, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("{{") {
        let (key, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
        let (name, optional) = match key.strip_suffix('?') {
            Some(name) => (name, true),
            None => (key, false),
        };
        asked.insert(name.to_owned());
        match values.get(name) {
            Some(value) => filled.extend([before, value]),
            // What is handed on to another part is not handed on then.
            None if optional && stands_for_part(line) => {
                filled.push_str(before);
                filled.truncate(filled.rfind(' ').unwrap_or(0));
            }
            None if optional => return Ok(None),
            None => return Err(format!("the value `{name}` is not given")),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(Some(filled))
}

fn stands_for_part(line: &str) -> bool {
    let line = line.trim_start();
    line.strip_prefix("- ").unwrap_or(line).starts_with("#> ")
}

/// A line that stands for a part.
struct Directive {
    indent: usize,
    /// Whether the part is one item of a list.
    item: bool,
    name: String,
    values: Values,
}

impl Directive {
    fn read(line: &str) -> Result<Option<Self>, String> {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let (item, text) = match text.strip_prefix("- ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let Some(text) = text.strip_prefix("#> ") else { return Ok(None) };
        let (name, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut values = Values::new();
        while !rest.trim().is_empty() {
            let (key, after) = rest.split_once('=').ok_or_else(|| format!("no value: `{rest}`"))?;
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or("a quote does not end")?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            if values.insert(key.trim().to_owned(), value.to_owned()).is_some() {
                return Err(format!("`{}` is given twice", key.trim()));
            }
            rest = after;
        }
        Ok(Some(Self { indent, item, name: name.to_owned(), values }))
    }

    /// The lines of the part where the directive stands.
    fn placed(&self, part: &[String]) -> Vec<String> {
        let placed = part.iter().enumerate().map(|(at, line)| {
            let lead = match (self.item, at) {
                (true, 0) => "- ",
                (true, _) => "  ",
                (false, _) => "",
            };
            let line = format!("{}{lead}{line}", " ".repeat(self.indent));
            line.trim_end().to_owned()
        });
        placed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(parts: &[(&str, &str)], text: &str) -> Result<String, String> {
        let parts = parts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let expanded = Template::new(parts.collect()).expand("file", text);
        expanded.map_err(|mistake| mistake.to_string())
    }

    #[test]
    fn a_part_stands_where_it_is_named_with_its_comments() {
        let parts = [
            ("list", "# why\n- {a: {{a}}}\n\n- b: {{b?}}\n- c\n"),
            ("map", "name: {{a}}\nx:\n  #> list a={{a}}\n"),
            ("on", "x:\n  #> list a=1 b={{b?}}\n{{part?}}\n"),
        ];
        let cases = [
            ("#> list a=1\n", "# why\n- {a: 1}\n\n- c\n"),
            (
                "k:\n  #> list a=\"1 2\" b=3\nl: 1\n",
                "k:\n  # why\n  - {a: 1 2}\n\n  - b: 3\n  - c\nl: 1\n",
            ),
            (
                "k:\n- #> map a=z\n    deep: 1\n",
                "k:\n- name: z\n  x:\n    # why\n    - {a: z}\n\n    - c\n    deep: 1\n",
            ),
            ("#> on\n", "x:\n  # why\n  - {a: 1}\n\n  - c\n"),
            (
                "#> on b=2 part=\"#> map a=3\"\n",
                "x:\n  # why\n  - {a: 1}\n\n  - b: 2\n  - c\nname: 3\nx:\n  # why\n  - {a: 3}\n\n  - c\n",
            ),
            ("# a comment: #> list\nk: \"#> list\"\n", "# a comment: #> list\nk: \"#> list\"\n"),
        ];
        for (text, result) in cases {
            assert_eq!(expanded(&parts, text).unwrap(), result, "{text}");
        }
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let parts = [("a", "x: {{v}}\n"), ("self", "#> self\n"), ("open", "{{v\n")];
        let cases = [
            ("k: 1\n#> b\n", "file:2: no part `b`: there are a, open, self"),
            ("#> a\n", "a:1: the value `v` is not given"),
            ("#> a v=1 w=2\n", "a:1: nothing asks for the value `w`"),
            ("#> a v=1 v=2\n", "file:1: `v` is given twice"),
            ("#> a v=\"1\n", "file:1: a quote does not end"),
            ("#> a v\n", "file:1: no value: `v`"),
            ("#> self\n", "self:1: parts hold each other"),
            ("#> open v=1\n", "open:1: `{{` without `}}`"),
            ("k: {{v}}\n", "file:1: the value `v` is not given"),
        ];
        for (text, mistake) in cases {
            assert_eq!(expanded(&parts, text).unwrap_err(), mistake, "{text}");
        }
    }

    #[test]
    fn a_part_that_nothing_uses_is_named() {
        let parts = ["a", "b"].map(|name| (name.to_owned(), "x\n".to_owned()));
        let mut template = Template::new(parts.into_iter().collect());
        template.expand("file", "#> b\n").unwrap();
        assert_eq!(template.unused(), ["a"]);
    }
}
