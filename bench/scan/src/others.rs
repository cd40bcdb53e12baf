//! What is measured in programs of their own: the module in Node, Presidio in Python. Each prints
//! its figures as one JSON object.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Their programs are handed over as text, so that they fit this binary wherever it is called.
const RUN_IN_V8: &str = include_str!("../run.mjs");
const RUN_PRESIDIO: &str = include_str!("../presidio.py");

/// The figures of this benchmark as a module in Node's V8.
///
/// # Errors
/// Why there are none.
pub(crate) fn v8(node: &str, module: &str) -> Result<Value, String> {
    let mut command = Command::new(node);
    // Node warns that its WASI may change. `-` reads the program from stdin.
    command.args(["--no-warnings", "--input-type=module", "-", module]);
    figures(command, RUN_IN_V8)
}

/// The figures of Presidio on these texts, by the texts' names.
///
/// # Errors
/// Why there are none.
pub(crate) fn presidio(python: &str, texts: &[(&str, String)]) -> Result<Value, String> {
    let mut command = Command::new(python);
    command.args(["-c", RUN_PRESIDIO]);
    let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into()));
    figures(command, &Value::Object(texts.collect()).to_string())
}

/// Gives a program its input and reads the object that it prints; it tells its progress on stderr.
fn figures(mut command: Command, input: &str) -> Result<Value, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let told = |source: std::io::Error| format!("{name}: {source}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(told)?;
    // Both read all of their input before they print. One that ends before that says by its status
    // and on stderr why, which is more than that its pipe broke.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(told)?;
    if !output.status.success() {
        return Err(format!("{name} failed ({})", output.status));
    }
    written.unwrap_or(Ok(())).map_err(told)?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{name} printed no JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &str) -> Result<Value, String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        figures(command, input)
    }

    #[test]
    fn a_program_gets_its_input_whole_and_its_object_is_read() {
        let text = "x".repeat(1 << 20);
        let read = shell("printf '{\"bytes\": %d}' $(wc -c)", &text);
        assert_eq!(read, Ok(serde_json::json!({ "bytes": text.len() })));
    }

    #[test]
    fn a_program_without_figures_is_named_with_the_reason() {
        let long = "x".repeat(1 << 20);
        for (script, reason) in [("exit 3", "exit status: 3"), ("cat > /dev/null", "no JSON")] {
            let text = shell(script, &long).unwrap_err();
            assert!(text.starts_with("sh ") && text.contains(reason), "{text}");
        }
        let missing = v8("no-such-program-anywhere", "module").unwrap_err();
        assert!(missing.starts_with("no-such-program-anywhere: "), "{missing}");
    }
}
