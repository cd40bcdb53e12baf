//! The raw imports of ABI 0.2.1.

pub(super) type Bytes = *const u8;

/// Declares the imports once for the VM, and as "unimplemented" everywhere else, so that native
/// builds of the filters link.
macro_rules! imports {
    ($(fn $name:ident($($arg:ident: $kind:ty),* $(,)?);)*) => {
        #[cfg(target_arch = "wasm32")]
        #[link(wasm_import_module = "env")]
        unsafe extern "C" { $(pub(super) fn $name($($arg: $kind),*) -> u32;)* }

        $(#[cfg(not(target_arch = "wasm32"))]
        #[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
        pub(super) unsafe fn $name($(_: $kind),*) -> u32 { 12 })*
    };
}

imports! {
    fn proxy_log(level: u32, message: Bytes, size: usize);
    fn proxy_get_current_time_nanoseconds(out: *mut u64);
    fn proxy_set_tick_period_milliseconds(millis: u32);
    fn proxy_get_buffer_bytes(which: u32, start: usize, len: usize, out: *mut *mut u8, size: *mut usize);
    fn proxy_set_buffer_bytes(which: u32, start: usize, len: usize, data: Bytes, size: usize);
    fn proxy_get_header_map_pairs(map: u32, out: *mut *mut u8, size: *mut usize);
    fn proxy_get_header_map_value(map: u32, key: Bytes, key_size: usize, out: *mut *mut u8, size: *mut usize);
    fn proxy_replace_header_map_value(map: u32, key: Bytes, key_size: usize, value: Bytes, value_size: usize);
    fn proxy_add_header_map_value(map: u32, key: Bytes, key_size: usize, value: Bytes, value_size: usize);
    fn proxy_remove_header_map_value(map: u32, key: Bytes, key_size: usize);
    fn proxy_get_property(path: Bytes, path_size: usize, out: *mut *mut u8, size: *mut usize);
    fn proxy_set_property(path: Bytes, path_size: usize, value: Bytes, value_size: usize);
    fn proxy_get_shared_data(key: Bytes, key_size: usize, out: *mut *mut u8, size: *mut usize, cas: *mut u32);
    fn proxy_set_shared_data(key: Bytes, key_size: usize, value: Bytes, value_size: usize, cas: u32);
    fn proxy_define_metric(kind: u32, name: Bytes, name_size: usize, id: *mut u32);
    fn proxy_increment_metric(id: u32, by: i64);
    fn proxy_record_metric(id: u32, value: u64);
    fn proxy_send_local_response(
        status: u32, details: Bytes, details_size: usize, body: Bytes, body_size: usize,
        headers: Bytes, headers_size: usize, grpc_status: i32,
    );
    fn proxy_call_foreign_function(
        name: Bytes, name_size: usize, args: Bytes, args_size: usize,
        out: *mut *mut u8, size: *mut usize,
    );
    fn proxy_set_effective_context(context_id: u32);
    fn proxy_continue_stream(direction: u32);
    fn proxy_http_call(
        cluster: Bytes, cluster_size: usize, headers: Bytes, headers_size: usize, body: Bytes, body_size: usize,
        trailers: Bytes, trailers_size: usize, timeout_ms: u32, token: *mut u32,
    );
}
