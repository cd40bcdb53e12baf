//! Throughput of the guardrail's scanner on texts of our own making: natively, in V8, and beside
//! Presidio's pattern recognisers.
//!
//! `cargo xtask bench scan` builds it twice and calls the native one, which measures itself, then
//! runs the module in Node and Presidio in Python, one after the other so that none disturbs another.

mod custom;
mod figures;
mod guard;
mod options;
mod others;
mod peers;
mod request;
mod short;
mod table;
mod texts;
mod timing;

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::options::{Options, USAGE};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("weir-bench-scan: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::of(arguments).ok_or(USAGE)?;
    if options.figures {
        println!("{:#}", figures::measure());
        return Ok(());
    }
    let all = measured(&options)?;
    print!("{}", table::of(&all));
    let write = |file| std::fs::write(file, format!("{all:#}\n")).map_err(|source| (file, source));
    options.json.map_or(Ok(()), write).map_err(|(file, source)| format!("{file}: {source}"))
}

/// The figures of each, `null` for what was not asked for.
fn measured(options: &Options) -> Result<Value, String> {
    eprintln!("measuring natively …");
    let native = figures::measure();
    let v8 = match options.v8 {
        Some(v8) => {
            eprintln!("measuring in V8 …");
            others::v8(v8.node, v8.module)?
        }
        None => Value::Null,
    };
    let presidio = options.presidio_python.map_or(Value::Null, presidio);
    Ok(json!({ "native": native, "v8": v8, "presidio": presidio }))
}

/// Presidio's figures, or why there are none: it is not ours, and the rest counts without it.
fn presidio(python: &str) -> Value {
    eprintln!("measuring Presidio, a minute or two …");
    let texts = texts::all(timing::BYTES);
    others::presidio(python, &texts).unwrap_or_else(|reason| json!({ "failed": reason }))
}
