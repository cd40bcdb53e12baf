//! What the streams of a VM hold together, and what happens at the bound.
//!
//! Bodies that are being read lie in Envoy's memory: as many as there are requests, each as long as a policy allows. A
//! request whose body does not fit any more is refused with a 503, counted, and said in the log.

use std::cell::{Cell, OnceCell};

use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::{Host, LogLevel, memory};
use weir_settings::model_router::DEFAULT_MAX_HELD_BYTES;
use weir_wire::error::ErrorReply;

struct Totals {
    bytes: Cell<u64>,
    most: Cell<u64>,
    metrics: OnceCell<[Metric; 3]>,
    told: [Notice; 3],
}

thread_local! {
    /// Those of this VM, which has one thread.
    static TOTALS: Totals = Totals {
        bytes: Cell::new(0),
        most: Cell::new(DEFAULT_MAX_HELD_BYTES),
        metrics: OnceCell::new(),
        told: Default::default(),
    };
}

/// Which bound is reached.
#[derive(Clone, Copy)]
enum Full {
    /// That of bodies: no more of them.
    Bodies,
    /// That of the VM's memory: no more requests.
    Memory,
    /// The last one: a stream has ended.
    UsedUp,
}

const NAMES: [&str; 3] = [
    "weir_requests_refused_total.full.bodies",
    "weir_requests_refused_total.full.memory",
    "weir_streams_ended_total.full.memory",
];

/// How much a stream holds of a body; nothing any more when it is dropped.
#[derive(Default)]
pub struct Held(u64);

impl Held {
    /// Sets how many bytes of bodies all streams of this VM may hold.
    pub fn set_most(bytes: u64) {
        TOTALS.with(|totals| totals.most.set(bytes));
    }

    /// Notes that `size` bytes are held. One body alone may always be.
    ///
    /// # Errors
    /// The reply to a request for which there is no room.
    pub fn grow<H: Host>(&mut self, host: &H, size: usize) -> Result<(), ErrorReply> {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let fits = TOTALS.with(|totals| {
            let others = totals.bytes.get().saturating_sub(self.0);
            let all = others.saturating_add(size);
            let fits = others == 0 || size <= self.0 || all <= totals.most.get();
            if fits {
                totals.bytes.set(all);
                self.0 = size;
            }
            fits
        });
        if fits { Ok(()) } else { Err(refused(host, Full::Bodies)) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nothing is left to be told when the VM's thread ends.
        let _ =
            TOTALS.try_with(|totals| totals.bytes.set(totals.bytes.get().saturating_sub(self.0)));
    }
}

/// Whether there is memory for one more request whose body is to be read.
///
/// # Errors
/// The reply to it if there is not.
pub fn check_memory<H: Host>(host: &H) -> Result<(), ErrorReply> {
    if memory::is_short(host) { Err(refused(host, Full::Memory)) } else { Ok(()) }
}

/// Counts a stream that had to end because the VM's memory is used up.
pub fn note_ended<H: Host>(host: &H) {
    note(host, Full::UsedUp);
}

fn refused<H: Host>(host: &H, full: Full) -> ErrorReply {
    note(host, full);
    ErrorReply::gateway_full()
}

#[cold]
fn note<H: Host>(host: &H, full: Full) {
    TOTALS.with(|totals| {
        let metrics = totals.metrics.get_or_init(|| NAMES.map(Metric::counter));
        let at = full as usize;
        if let (Some(metric), Some(told)) = (metrics.get(at), totals.told.get(at)) {
            metric.increment(host);
            told.say(host, LogLevel::Error, || line(host, full, totals.most.get()));
        }
    });
}

fn line<H: Host>(host: &H, full: Full, most: u64) -> String {
    let used = host.memory_in_use();
    match full {
        Full::Bodies => format!(
            "weir: a worker holds {most} bytes of bodies (max_held_bytes of model-router), so requests get a 503: look \
             for clients that send slowly, or give Envoy more memory and raise it"
        ),
        Full::Memory => format!(
            "weir: {used} bytes of a VM's memory are in use, so requests get a 503: look at how many streams there are, \
             and at what a guardrail holds of them"
        ),
        Full::UsedUp => format!(
            "weir: {used} bytes of a VM's memory are in use, so streams of which a guardrail holds much end with an \
             error: look for replicas that send events of megabytes"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    #[test]
    fn all_streams_together_hold_no_more_than_the_bound_and_give_it_back() {
        let host = FakeHost::new();
        Held::set_most(100);
        let (mut first, mut second, mut third) =
            (Held::default(), Held::default(), Held::default());
        first.grow(&host, 60).unwrap();
        second.grow(&host, 30).unwrap();
        second.grow(&host, 40).unwrap();
        let refused = third.grow(&host, 1).unwrap_err();
        assert_eq!((refused.status, refused.code), (503, "gateway_full"));
        assert_eq!(host.metric("weir_requests_refused_total.full.bodies"), Some(1));
        assert!(host.logs().pop().unwrap().1.contains("max_held_bytes"));
        first.grow(&host, 60).unwrap();
        drop(first);
        third.grow(&host, 60).unwrap();
        drop((second, third));
        let mut alone = Held::default();
        alone.grow(&host, 1000).unwrap();
        drop(alone);
        Held::default().grow(&host, 100).unwrap();
    }

    #[test]
    fn no_request_is_read_while_memory_is_short() {
        let host = FakeHost::new();
        host.set_memory_in_use(memory::REFUSE_ABOVE);
        check_memory(&host).unwrap();
        host.set_memory_in_use(memory::REFUSE_ABOVE + 1);
        assert_eq!(check_memory(&host).unwrap_err().code, "gateway_full");
        assert_eq!(host.metric("weir_requests_refused_total.full.memory"), Some(1));
        assert!(!memory::is_used_up(&host));
    }
}
