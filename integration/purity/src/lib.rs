//! Proves that the shared crates compute and nothing else: their module imports nothing.
//!
//! Each probe takes one crate of `shared/` through its main work. Compiled for
//! wasm32-unknown-unknown, a source of randomness or a host call anywhere below it would have to
//! be imported; `tests/imports.rs` finds that nothing is. (The standard library's own clock and
//! files are stubs there that import nothing: `shared/clippy.toml` forbids those.)

mod detect;
mod fingerprint;
mod guard;
mod headers;
mod placement;
mod settings;
mod size;
mod snapshot;
mod tokens;
mod wire;

/// A probe: from some bytes to a number that depends on the crate's work; `None` if that failed.
pub type Probe = fn(&[u8]) -> Option<u64>;

/// One probe for each crate, by the crate's name.
pub static PROBES: [(&str, Probe); 9] = [
    ("weir-detect", detect::probe),
    ("weir-fingerprint", fingerprint::probe),
    ("weir-guard", guard::probe),
    ("weir-headers", headers::probe),
    ("weir-placement", placement::probe),
    ("weir-settings", settings::probe),
    ("weir-snapshot", snapshot::probe),
    ("weir-tokens", tokens::probe),
    ("weir-wire", wire::probe),
];

/// Nothing calls into the module, so this is what keeps its code from being removed as unused.
#[used]
static KEEP: &[(&str, Probe)] = &PROBES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_probe_succeeds_and_depends_on_its_input() {
        for (name, probe) in PROBES {
            let short = probe(b"Hello");
            let long = probe(&b"Hello, how are you? ".repeat(100));
            assert!(
                short.is_some() && long.is_some() && short != long,
                "{name}: {short:?} {long:?}"
            );
        }
    }
}
