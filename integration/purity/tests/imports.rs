//! The module over the shared crates, compiled for a host that offers nothing.

use std::error::Error;
use std::process::Command;

use wasmparser::{Parser, Payload};

const TARGET: &str = "wasm32-unknown-unknown";

/// What the shared crates come to, at the very least, when none of them is removed as unused: about
/// half of what they were (2.3 MB, unoptimised) when this was written.
const LEAST_CODE_BYTES: u32 = 1_000_000;

/// Compiles the module and returns it. Cargo is done in a moment when nothing has changed, and
/// so no stale module can pass.
fn module() -> Result<Vec<u8>, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--package=weir-purity", "--target", TARGET, "--message-format=json"];
    let output = Command::new(cargo).args(build).output()?;
    let messages = String::from_utf8(output.stdout)?;
    let path = messages.split('"').rfind(|word| word.ends_with("weir_purity.wasm"));
    let path = path.ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok(std::fs::read(path)?)
}

#[test]
fn the_shared_crates_import_nothing() {
    let module = module().unwrap();
    let (mut imports, mut code_bytes) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(&module) {
        match payload.unwrap() {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    imports.push(format!("{}.{}", import.module, import.name));
                }
            }
            Payload::CodeSectionStart { size, .. } => code_bytes = size,
            _ => {}
        }
    }
    assert_eq!(imports, Vec::<String>::new());
    assert!(code_bytes > LEAST_CODE_BYTES, "{code_bytes} bytes: the probes were removed as unused");
}
