//! A stand-in for NVIDIA's libnvidia-ml.so.1, built by the test and loaded like it: two GPUs, the second in one MIG
//! device. Only a C interface shows that ours is used rightly, and a C interface is unsafe: hence the exception.
//!
//! The folder in `WEIR_STAND_IN` has a file `broken` while the driver fails, and a file `xid` with the fault that GPU 0
//! tells of next. Structures and numbers are those of nvml.h.
#![allow(non_snake_case, clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};
use std::path::PathBuf;

const SUCCESS: c_int = 0;
const NOT_SUPPORTED: c_int = 3;
const NOT_FOUND: c_int = 6;
const DRIVER_NOT_LOADED: c_int = 9;
const TIMEOUT: c_int = 10;

/// Handles: 1 and 2 are GPUs, 3 is the MIG device of 2, 9 is a set of events or a sample.
type Handle = *mut c_void;

#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
pub struct EventData {
    device: Handle,
    event_type: c_ulonglong,
    event_data: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[repr(C)]
pub struct GpmSupport {
    version: c_uint,
    supported: c_uint,
}

#[repr(C)]
pub struct GpmMetric {
    id: c_uint,
    result: c_int,
    value: f64,
    names: [*mut c_char; 3],
}

#[repr(C)]
pub struct GpmMetrics {
    version: c_uint,
    count: c_uint,
    samples: [Handle; 2],
    metrics: [GpmMetric; 210],
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("WEIR_STAND_IN").unwrap_or_default()).join(name)
}

fn handle(number: usize) -> Handle {
    number as Handle
}

unsafe fn write<T>(to: *mut T, value: T) -> c_int {
    unsafe { to.write(value) };
    SUCCESS
}

unsafe fn write_text(to: *mut c_char, room: c_uint, text: &str) -> c_int {
    let bytes = text.as_bytes();
    assert!(bytes.len() < room as usize);
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len());
        to.add(bytes.len()).write(0);
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    if file("broken").exists() { DRIVER_NOT_LOADED } else { SUCCESS }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: c_uint) -> c_int {
    unsafe { write_text(to, room, "580.65.06") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(to: *mut c_uint) -> c_int {
    unsafe { write(to, 2) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, to: *mut Handle) -> c_int {
    unsafe { write(to, handle(index as usize + 1)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(of: Handle, to: *mut c_char, room: c_uint) -> c_int {
    let text = ["", "GPU-stand-in-0", "GPU-stand-in-1", "MIG-stand-in-1-0"][of as usize];
    unsafe { write_text(to, room, text) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(_: Handle, to: *mut c_char, room: c_uint) -> c_int {
    unsafe { write_text(to, room, "Stand-in H100") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(of: Handle, to: *mut Utilization) -> c_int {
    match of as usize {
        1 => unsafe { write(to, Utilization { gpu: 25, memory: 10 }) },
        _ => NOT_SUPPORTED,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(of: Handle, to: *mut Memory) -> c_int {
    let mib = 1024 * 1024;
    let used = if of as usize == 3 { 5 } else { 30 } * 1024 * mib;
    let version = unsafe { (*to).version };
    assert_eq!(version as usize, size_of::<Memory>() | 2 << 24);
    let total = 80 * 1024 * mib;
    unsafe { write(to, Memory { version, total, reserved: 0, free: total - used, used }) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(of: Handle, _: c_int, to: *mut c_uint) -> c_int {
    if of as usize == 3 { NOT_SUPPORTED } else { unsafe { write(to, 61) } }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(of: Handle, to: *mut c_uint) -> c_int {
    if of as usize == 1 { unsafe { write(to, 312_500) } } else { NOT_SUPPORTED }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    of: Handle,
    to: *mut c_ulonglong,
) -> c_int {
    unsafe { write(to, if of as usize == 1 { 0x44 } else { 0 }) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxMigDeviceCount(of: Handle, to: *mut c_uint) -> c_int {
    unsafe { write(to, if of as usize == 2 { 7 } else { 0 }) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    _: Handle,
    index: c_uint,
    to: *mut Handle,
) -> c_int {
    if index == 0 { unsafe { write(to, handle(3)) } } else { NOT_FOUND }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetCreate(to: *mut Handle) -> c_int {
    unsafe { write(to, handle(9)) }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlEventSetFree(_: Handle) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceRegisterEvents(of: Handle, _: c_ulonglong, _: Handle) -> c_int {
    if of as usize == 1 { SUCCESS } else { NOT_SUPPORTED }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlEventSetWait_v2(_: Handle, to: *mut EventData, _: c_uint) -> c_int {
    let Ok(xid) = std::fs::read_to_string(file("xid")) else { return TIMEOUT };
    let _ = std::fs::remove_file(file("xid"));
    let (event_data, gpu_instance) = (xid.trim().parse().unwrap(), u32::MAX);
    let data = EventData {
        device: handle(1),
        event_type: 8,
        event_data,
        gpu_instance,
        compute_instance: u32::MAX,
    };
    unsafe { write(to, data) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmQueryDeviceSupport(of: Handle, to: *mut GpmSupport) -> c_int {
    unsafe { (*to).supported = u32::from(of as usize == 1) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmSampleAlloc(to: *mut Handle) -> c_int {
    unsafe { write(to, handle(9)) }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlGpmSampleFree(_: Handle) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlGpmSampleGet(_: Handle, _: Handle) -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlGpmMetricsGet(of: *mut GpmMetrics) -> c_int {
    let of = unsafe { &mut *of };
    for metric in &mut of.metrics[..of.count as usize] {
        metric.result = SUCCESS;
        // Graphics, any tensor, DRAM bandwidth.
        metric.value = match metric.id {
            1 => 24.0,
            5 => 12.5,
            10 => 50.0,
            _ => 1000.0,
        };
    }
    SUCCESS
}
