//! The module over the shared crates, compiled for a host that offers nothing.

use std::path::PathBuf;
use std::process::Command;

use wasmparser::{Parser, Payload};

const TARGET: &str = "wasm32-unknown-unknown";

/// What the shared crates come to, at the very least, when none of them is removed as unused: about
/// half of what they were (2.3 MB, unoptimised) when this was written.
const LEAST_CODE_BYTES: u32 = 1_000_000;

/// Compiles the module and returns it. Cargo is done in a moment when nothing has changed, and
/// so no stale module can pass.
fn module() -> Vec<u8> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = ["build", "--package=weir-purity", "--target", TARGET, "--message-format=json"];
    let output = Command::new(cargo).args(build).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut words = messages.split('"');
    let path = words.rfind(|word| word.ends_with("weir_purity.wasm")).expect("a module");
    std::fs::read(PathBuf::from(path)).unwrap()
}

#[test]
fn the_shared_crates_import_nothing() {
    let module = module();
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
