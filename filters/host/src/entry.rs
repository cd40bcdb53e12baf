//! The exports of a module.

/// Writes the exports of a filter module.
///
/// Takes a function `fn(root_id: &[u8]) -> Box<dyn RootContext>`-like constructor of the root
/// context: `entry!(|context_id| Box::new(Root::new(Wasm)))`. The plugin's `root_id` is read by
/// the root itself, because the host tells it only once the context exists.
#[macro_export]
macro_rules! entry {
    ($root:expr) => {
        $crate::sdk::main! {{
            $crate::sdk::set_root_context($root);
        }}
    };
}
