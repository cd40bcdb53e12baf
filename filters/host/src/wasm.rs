//! The real host: the raw imports of ABI 0.2.1, each wrapped so that it cannot panic.

mod imports;

use std::ptr::{null, null_mut};

use crate::turn::{Switch, Turn};
use crate::{
    Body, Call, CallToken, Config, Direction, HeaderBlock, HeaderMap, Headers, Host, HostError,
    LogLevel, MetricKind, pairs,
};
use imports::*;

thread_local! {
    /// That of this VM, which has one thread.
    static TURN: Turn = const { Turn::new() };
}

/// The state of the VM's current callback.
pub(crate) fn with_turn<R>(look: impl FnOnce(&Turn) -> R) -> R {
    TURN.with(look)
}

/// Envoy, as seen from inside the VM. Holds nothing; copy it freely.
///
/// Outside a VM (native builds) every call answers `Status(12)`, unimplemented.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wasm;

/// Runs an import that hands over a buffer, and takes ownership of that buffer.
fn take_bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, HostError> {
    let mut data: *mut u8 = null_mut();
    let mut size = 0usize;
    HostError::check(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: on success the host has filled a buffer that it got from this module's exported
    // allocator (`proxy_on_memory_allocate` in `exports`: a vector of capacity `size` from the global
    // allocator) and has given up its ownership of it.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Segments of a property path as the host wants them: separated by NUL.
fn path_bytes(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}

// SAFETY (all blocks below): every pointer comes with the length of the slice it was taken from,
// the slices outlive the call, out-pointers are to live locals, and the host neither keeps a
// pointer after the call nor writes outside the out-pointers.
#[allow(clippy::undocumented_unsafe_blocks, reason = "stated once, above, for all of them")]
impl Host for Wasm {
    fn log(&self, level: LogLevel, message: &str) {
        unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
    }

    fn now_ns(&self) -> u64 {
        let mut now = 0u64;
        unsafe { proxy_get_current_time_nanoseconds(&mut now) };
        now
    }

    fn set_tick_ms(&self, millis: u32) -> Result<(), HostError> {
        HostError::check(unsafe { proxy_set_tick_period_milliseconds(millis) })
    }

    fn configuration(&self, which: Config) -> Vec<u8> {
        take_bytes(|out, size| unsafe {
            proxy_get_buffer_bytes(which as u32, 0, usize::MAX, out, size)
        })
        .unwrap_or_default()
    }

    fn header(&self, map: HeaderMap, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        HostError::absent(take_bytes(|out, size| unsafe {
            proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), out, size)
        }))
    }

    fn headers(&self, map: HeaderMap) -> Result<Headers, HostError> {
        let bytes =
            take_bytes(|out, size| unsafe { proxy_get_header_map_pairs(map as u32, out, size) })?;
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        pairs::decode(&bytes).ok_or(HostError::BadArgument)
    }

    fn header_block(&self, map: HeaderMap) -> HeaderBlock {
        let bytes =
            take_bytes(|out, size| unsafe { proxy_get_header_map_pairs(map as u32, out, size) });
        HeaderBlock::new(bytes.unwrap_or_default())
    }

    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError> {
        check_writable(map)?;
        HostError::check(unsafe {
            proxy_replace_header_map_value(
                map as u32,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn add_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError> {
        check_writable(map)?;
        HostError::check(unsafe {
            proxy_add_header_map_value(
                map as u32,
                name.as_ptr(),
                name.len(),
                value.as_ptr(),
                value.len(),
            )
        })
    }

    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), HostError> {
        check_writable(map)?;
        match HostError::check(unsafe {
            proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len())
        }) {
            Err(HostError::NotFound) => Ok(()),
            other => other,
        }
    }

    fn body(&self, which: Body, start: usize, len: usize) -> Result<Vec<u8>, HostError> {
        let bytes = take_bytes(|out, size| unsafe {
            proxy_get_buffer_bytes(which as u32, start, len, out, size)
        });
        Ok(HostError::absent(bytes)?.unwrap_or_default())
    }

    fn replace_body_front(&self, which: Body, len: usize, bytes: &[u8]) -> Result<(), HostError> {
        HostError::check(unsafe {
            proxy_set_buffer_bytes(which as u32, 0, len, bytes.as_ptr(), bytes.len())
        })
    }

    fn append_body(&self, which: Body, bytes: &[u8]) -> Result<(), HostError> {
        // A start at or past the end appends (ENVOY.md).
        HostError::check(unsafe {
            proxy_set_buffer_bytes(which as u32, usize::MAX, 0, bytes.as_ptr(), bytes.len())
        })
    }

    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        let path = path_bytes(path);
        HostError::absent(take_bytes(|out, size| unsafe {
            proxy_get_property(path.as_ptr(), path.len(), out, size)
        }))
    }

    fn set_state(&self, key: &str, value: &[u8]) -> Result<(), HostError> {
        HostError::check(unsafe {
            proxy_set_property(key.as_ptr(), key.len(), value.as_ptr(), value.len())
        })
    }

    fn state(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        // One segment: no path has to be built.
        HostError::absent(take_bytes(|out, size| unsafe {
            proxy_get_property(key.as_ptr(), key.len(), out, size)
        }))
    }

    fn shared(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError> {
        let mut cas = 0u32;
        let value = take_bytes(|out, size| unsafe {
            proxy_get_shared_data(key.as_ptr(), key.len(), out, size, &mut cas)
        });
        Ok(HostError::absent(value)?.map(|value| (value, cas)))
    }

    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError> {
        HostError::check(unsafe {
            proxy_set_shared_data(
                key.as_ptr(),
                key.len(),
                value.as_ptr(),
                value.len(),
                cas.unwrap_or(0),
            )
        })
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, HostError> {
        let mut id = 0u32;
        let status =
            unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) };
        HostError::check(status).map(|()| id)
    }

    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError> {
        HostError::check(unsafe { proxy_increment_metric(id, by) })
    }

    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError> {
        HostError::check(unsafe { proxy_record_metric(id, value) })
    }

    fn reply(
        &self,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
        details: &str,
    ) -> Result<(), HostError> {
        self.turn(Turn::check_action)?;
        let headers = pairs::encode(headers);
        HostError::check(unsafe {
            proxy_send_local_response(
                u32::from(status),
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                grpc_status(status),
            )
        })
    }

    fn clear_route_cache(&self) -> Result<(), HostError> {
        const NAME: &str = "clear_route_cache";
        take_bytes(|out, size| unsafe {
            proxy_call_foreign_function(NAME.as_ptr(), NAME.len(), null(), 0, out, size)
        })
        .map(drop)
    }

    fn resume(&self, direction: Direction) -> Result<(), HostError> {
        self.turn(Turn::check_action)?;
        HostError::check(unsafe { proxy_continue_stream(direction as u32) })?;
        if direction == Direction::Request {
            self.turn(Turn::note_resumed);
        }
        Ok(())
    }

    fn call(&self, call: &Call<'_>) -> Result<CallToken, HostError> {
        let (headers, trailers) = (pairs::encode(call.headers), pairs::encode(&[]));
        let mut token = 0u32;
        let status = unsafe {
            proxy_http_call(
                call.cluster.as_ptr(),
                call.cluster.len(),
                headers.as_ptr(),
                headers.len(),
                call.body.as_ptr(),
                call.body.len(),
                trailers.as_ptr(),
                trailers.len(),
                call.timeout_ms,
                &mut token,
            )
        };
        HostError::check(status)?;
        let token = CallToken::new(token);
        self.turn(|turn| turn.note_call(token));
        Ok(token)
    }

    fn memory_in_use(&self) -> usize {
        #[cfg(target_arch = "wasm32")]
        return crate::MEMORY.in_use();
        #[cfg(not(target_arch = "wasm32"))]
        0
    }

    fn effective_context(&self, context_id: u32, _: Switch) -> Result<(), HostError> {
        HostError::check(unsafe { proxy_set_effective_context(context_id) })
    }

    fn turn<R>(&self, look: impl FnOnce(&Turn) -> R) -> R {
        with_turn(look)
    }
}

/// Refuses to write request headers that Envoy has let go.
fn check_writable(map: HeaderMap) -> Result<(), HostError> {
    match map {
        HeaderMap::Request => with_turn(Turn::check_request_headers),
        _ => Ok(()),
    }
}

/// What a gRPC client is told of a reply with this HTTP status. -1 lets Envoy say, which makes UNAVAILABLE of
/// 429, as of a replica that is gone; RESOURCE_EXHAUSTED (8) is what the gRPC specification has for quotas.
pub(crate) fn grpc_status(status: u16) -> i32 {
    if status == 429 { 8 } else { -1 }
}
