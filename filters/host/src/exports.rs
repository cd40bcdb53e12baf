//! The exports of every module: callbacks of ABI 0.2.1. One that is not there is not called, so there
//! are only those that some filter has a use for. To enter a VM costs Envoy some 1,400 instructions,
//! so what a filter does when a stream has ended is done when its context is deleted, not when it is logged.

use crate::dispatch::{NewRoot, Seen, with_contexts};
use crate::streams::as_own;
use crate::wasm::with_turn;
use crate::{Action, CallAnswer, CallToken, RootContext, Turn, Wasm};

/// Says how a plugin's root context is made; for [`crate::entry!`].
pub fn begin(new_root: NewRoot) {
    with_contexts((), |contexts| contexts.begin(new_root));
}

/// Tells Envoy which ABI the module speaks.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Memory for what a host call returns; [`crate::Wasm`] takes it as a vector of that capacity.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let mut bytes = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
    bytes.as_mut_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_vm_start(_context_id: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context_id: u32, root_id: u32) {
    begin_callback(context_id);
    with_contexts((), |contexts| contexts.create(context_id, root_id));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(context_id: u32, size: usize) -> u32 {
    begin_callback(context_id);
    let configure = |root: &mut dyn RootContext| root.on_configure(size);
    with_contexts(false, |contexts| contexts.root(context_id).is_some_and(configure)).into()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(context_id: u32) {
    begin_callback(context_id);
    with_turn(Turn::tick);
    with_contexts((), |contexts| contexts.root(context_id).map_or((), |root| root.on_tick()));
    end_callback();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_http_call_response(
    context_id: u32,
    token: u32,
    headers: usize,
    body: usize,
    _trailers: usize,
) {
    begin_callback(context_id);
    let answer = CallAnswer::of(CallToken::new(token), headers, body);
    let caller = with_turn(|turn| turn.take_caller(answer.token())).unwrap_or(context_id);
    let tell =
        || with_turn(|turn| with_contexts((), |contexts| contexts.answer(turn, caller, &answer)));
    if caller == context_id {
        tell();
    } else {
        // A stream that has ended has no use for it; `Calls::ended` has counted that.
        let _ = as_own(&Wasm, caller, |_| tell());
    }
    end_callback();
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(context_id: u32, count: usize, end: u32) -> Action {
    tell(context_id, Seen::RequestHeaders, count, end)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_body(context_id: u32, size: usize, end: u32) -> Action {
    tell(context_id, Seen::RequestBody, size, end)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_trailers(context_id: u32, count: usize) -> Action {
    tell(context_id, Seen::RequestTrailers, count, 1)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context_id: u32, count: usize, end: u32) -> Action {
    tell(context_id, Seen::ResponseHeaders, count, end)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context_id: u32, size: usize, end: u32) -> Action {
    tell(context_id, Seen::ResponseBody, size, end)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_trailers(context_id: u32, count: usize) -> Action {
    tell(context_id, Seen::ResponseTrailers, count, 1)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context_id: u32) {
    begin_callback(context_id);
    with_contexts((), |contexts| contexts.delete(context_id));
    end_callback();
}

/// One function for all of them, because its code is cold at each.
#[inline(never)]
fn tell(context_id: u32, seen: Seen, size: usize, end: u32) -> Action {
    begin_callback(context_id);
    let action = with_turn(|turn| {
        with_contexts(Action::Pause, |contexts| {
            contexts.tell(turn, context_id, seen, size, end != 0)
        })
    });
    end_callback();
    action
}

fn begin_callback(context_id: u32) {
    with_turn(|turn| turn.begin(context_id));
}

fn end_callback() {
    if with_turn(Turn::has_resumed) {
        note_resumed();
    }
}

/// Notes the streams that the callback has let go.
#[cold]
fn note_resumed() {
    let resumed = with_turn(Turn::take_resumed);
    with_contexts((), |contexts| contexts.let_go(&resumed));
}
