//! The command line.

/// What is printed when it makes no sense.
pub(crate) const USAGE: &str = "usage: weir-bench-scan [--json FILE] [--node NODE --v8-module FILE] \
    [--presidio-python PYTHON], or weir-bench-scan --figures for the JSON object of this target alone";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options<'a> {
    /// Only print the figures of this target: what runs in V8 is given.
    pub(crate) figures: bool,
    /// Also write all figures to this file.
    pub(crate) json: Option<&'a str>,
    /// What measures in V8.
    pub(crate) v8: Option<V8<'a>>,
    /// A Python that has Presidio.
    pub(crate) presidio_python: Option<&'a str>,
}

/// V8, and what runs in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct V8<'a> {
    /// The program of Node.
    pub(crate) node: &'a str,
    /// This benchmark, compiled for `wasm32-wasip1`.
    pub(crate) module: &'a str,
}

impl<'a> Options<'a> {
    /// Reads the arguments; `None` if they make no sense.
    pub(crate) fn of(arguments: &[&'a str]) -> Option<Self> {
        if arguments == ["--figures"] {
            return Some(Self { figures: true, ..Self::default() });
        }
        let (mut options, mut node, mut module) = (Self::default(), None, None);
        let (pairs, rest) = arguments.as_chunks::<2>();
        for [name, value] in pairs {
            let place = match *name {
                "--json" => &mut options.json,
                "--node" => &mut node,
                "--v8-module" => &mut module,
                "--presidio-python" => &mut options.presidio_python,
                _ => return None,
            };
            *place = Some(value);
        }
        options.v8 = match (node, module) {
            (Some(node), Some(module)) => Some(V8 { node, module }),
            (None, None) => None,
            _ => return None,
        };
        rest.is_empty().then_some(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_any_order() {
        assert_eq!(Options::of(&[]), Some(Options::default()));
        let figures = Options { figures: true, ..Options::default() };
        assert_eq!(Options::of(&["--figures"]), Some(figures));
        let line = "--v8-module m.wasm --json x.json --presidio-python python --node node";
        let words: Vec<&str> = line.split(' ').collect();
        let all = Options {
            figures: false,
            json: Some("x.json"),
            v8: Some(V8 { node: "node", module: "m.wasm" }),
            presidio_python: Some("python"),
        };
        assert_eq!(Options::of(&words), Some(all));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_refused() {
        for wrong in ["--json", "--jsn x", "texts", "--node node", "--v8-module m", "--figures x"] {
            let words: Vec<&str> = wrong.split(' ').collect();
            assert_eq!(Options::of(&words), None, "{wrong}");
        }
    }
}
