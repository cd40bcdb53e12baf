//! The entry of a module.

/// Writes the entry of a filter module: `entry!(|context_id| Box::new(Root::new(Wasm)))`.
///
/// The plugin's `root_id` is read by the root context itself, because the host tells it only once
/// the context exists. Native builds get none, so that filters link into tests.
#[macro_export]
macro_rules! entry {
    ($root:expr) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unused_imports, reason = "what the expression names")]
        mod entry {
            use super::*;

            unsafe extern "C" {
                fn __wasm_call_ctors();
            }

            /// Envoy calls this first, once per VM.
            #[unsafe(no_mangle)]
            extern "C" fn _initialize() {
                // SAFETY: what a WASI reactor has to run before anything else; the linker makes it.
                unsafe { __wasm_call_ctors() };
                $crate::begin($root);
            }
        }
    };
}
