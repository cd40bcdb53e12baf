//! The last step of building a module: the functions that requests run through come first, and
//! names go out.
//!
//! V8 places the machine code of functions in the order of their numbers, and calls them through a
//! table of jumps in that order. A linker numbers them by crate: what one request needs is then
//! spread over all of the module's code, and the processor fetches a page and a line of the table for
//! nearly every function.

mod failure;
mod module;
mod names;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::failure::Failure;
use crate::module::Module;

/// Writes a Wasm module anew: functions in another order, without custom sections.
#[derive(Debug, Parser)]
#[command(name = "weir-order-functions")]
struct Options {
    /// The module as it was linked, with its section of names.
    module: PathBuf,
    /// Where to write it.
    output: PathBuf,
    /// Functions that come first, one a line, by their names without hashes; those that the module
    /// lacks are passed over.
    #[arg(long, value_name = "FILE")]
    first: PathBuf,
    /// Where to write the names of all functions that the new module defines, in their order.
    #[arg(long, value_name = "FILE")]
    names: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("weir-order-functions: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let first = fs::read_to_string(&options.first).map_err(Failure::file(&options.first))?;
    let linked = fs::read(&options.module).map_err(Failure::file(&options.module))?;
    let module = Module::read(&linked)?;
    let names = names::of(&linked, module.imported(), module.defined())?;
    let order = names::order(&names, first.lines());
    let written = module.write(&order.functions)?;
    wasmparser::validate(&written)?;
    let in_order = order.functions.iter().filter_map(|index| names.get(*index));
    let listed: String = in_order.map(|name| format!("{name}\n")).collect();
    write(&options.names, listed.as_bytes())?;
    write(&options.output, &written)?;
    let (placed, all) = (order.first, module.defined());
    println!("  {placed} of {all} functions come first");
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(Failure::file(path))
}
