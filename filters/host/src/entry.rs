//! The exports of a module.

/// Writes the exports of a filter module: `entry!(|context_id| Box::new(Root::new(Wasm)))`.
///
/// The plugin's `root_id` is read by the root context itself, because the host tells it only once
/// the context exists. Native builds get no exports, so that filters link into tests.
#[macro_export]
macro_rules! entry {
    ($root:expr) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(
            missing_docs,
            unreachable_pub,
            unused_imports,
            reason = "written by the SDK's macro"
        )]
        mod exports {
            use super::*;

            $crate::sdk::main! {{
                $crate::sdk::set_root_context($root);
            }}
        }
    };
}
