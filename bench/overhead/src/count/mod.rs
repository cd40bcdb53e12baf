//! What Envoy's worker executes for one request, counted instruction by instruction.
//!
//! CPU time moves by a tenth from one run to the next; these counts hardly move at all. Code that runs
//! once per request comes from a cold cache, so how many lines and pages of memory it touches matters
//! as much as how many instructions it has.

mod functions;
mod part;
mod report;
mod tally;
mod worker;

use std::collections::HashSet;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use weir_harness::{HttpClient, workspace};

use crate::body::Chats;
use crate::failure::Failure;
use crate::load::{self, Target};
use crate::measurement::WARM_UP;
use crate::options::Options;
use crate::path::{Chain, Paths, Streams};
use crate::setup::{ResponseKind, Setup};
use functions::{Code, Functions, Place};
use part::Part;
use tally::Tallies;
use worker::{Registers, Worker};

/// The largest body whose request is answered in the client's time of 30 s, step by step.
const LARGEST_BYTES: usize = 64 << 10;

/// How long the worker rests before a request is counted, so that no timer of the one before is due.
const REST: Duration = Duration::from_millis(500);

/// Counts one request of each size and kind of response, and prints tables.
///
/// # Errors
/// When something does not start, is not answered properly, or may not be traced.
pub(crate) async fn run(options: &Options) -> Result<(), Failure> {
    let module = workspace::module("suite")?;
    let names = names(&module.with_extension("functions"))?;
    let mut ran = Ran::default();
    // A list is for all: first what all requests run through, then what a guardrail adds, and limits.
    let all: &[(bool, bool)] = &[(false, false), (true, false), (false, true)];
    let chosen = [(options.guardrail, options.limits)];
    let chains = if options.functions.is_some() { all } else { &chosen };
    for (guardrail, limits) in chains.iter().copied() {
        let chain = Chain { guardrail, limits, failover: false, patient: true };
        chain_requests(options, chain, &names, &mut ran).await?;
    }
    match &options.functions {
        Some(file) => ran.write(file),
        None => Ok(()),
    }
}

/// Counts one request of each size and kind of response through this chain.
async fn chain_requests(
    options: &Options,
    chain: Chain,
    names: &[String],
    ran: &mut Ran,
) -> Result<(), Failure> {
    let streams = Streams { events: options.events, event_us: 0 };
    let mut paths = Paths::start(&[(Setup::Chain, chain)], None, streams).await?;
    let http = HttpClient::http1();
    for bytes in options.body_kb.iter().map(|kb| kb.saturating_mul(1 << 10)) {
        if bytes > LARGEST_BYTES {
            println!("\n{bytes} bytes: left out, it would take longer than a client waits");
            continue;
        }
        for response in ResponseKind::ALL {
            let chats = Chats::new(bytes, response == ResponseKind::Sse, options.fresh);
            let tallies = request(&http, &mut paths, chats, names.len()).await?;
            print!("{}", report::of((bytes, response, chain), &tallies, names));
            ran.add(&tallies, names);
        }
    }
    Ok(())
}

/// The functions that the build left beside the module.
fn names(file: &FilePath) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|source| Failure::File { path: file.to_path_buf(), source })?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Sends requests, and counts one more.
async fn request(
    http: &HttpClient,
    paths: &mut Paths,
    mut chats: Chats,
    functions: usize,
) -> Result<Tallies<Part>, Failure> {
    let Some(path) = paths.all().first_mut() else { return Err(Failure::NoCode) };
    let target = Target { setup: path.setup, address: path.address() };
    let Some(envoy) = path.processes().first().copied() else { return Err(Failure::NoCode) };
    path.push_snapshots(true)?;
    load::round(http, target, &chats.take(WARM_UP), (1, WARM_UP)).await?;
    path.push_snapshots(false)?;
    tokio::time::sleep(REST).await;
    let flags = Flags::default();
    let theirs = flags.clone();
    let counted = std::thread::spawn(move || count(envoy, functions, &theirs));
    while !flags.stopped.load(Ordering::Relaxed) && !counted.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let answered = load::round(http, target, &chats.take(1), (1, 1)).await;
    flags.answered.store(true, Ordering::Relaxed);
    let counted = counted.join().map_err(|_| Failure::NoCode)?;
    answered?;
    counted
}

/// What the thread that counts and the one that asks tell each other.
#[derive(Debug, Clone, Default)]
struct Flags {
    /// The worker stands still.
    stopped: Arc<AtomicBool>,
    /// The request was answered.
    answered: Arc<AtomicBool>,
}

/// Counts what the worker executes until the request is answered and it has nothing more to do.
fn count(envoy: u32, functions: usize, flags: &Flags) -> Result<Tallies<Part>, Failure> {
    let worker = Worker::stop(envoy).map_err(Failure::Trace)?;
    let code = Code::of(envoy).map_err(Failure::Trace)?;
    let functions = Functions::find(&worker, &code, functions).ok_or(Failure::NoCode)?;
    let mut tallies = Tallies::new();
    let mut waiting = false;
    flags.stopped.store(true, Ordering::Relaxed);
    let see = |worker: &Worker, registers: &Registers| {
        if code.has(registers.rip) {
            let place = functions.at(registers.rip);
            // Where a function returns, nobody waits for Envoy.
            waiting = !worker.returns(registers);
            tallies.count(worker, registers, &[Part::Module, Part::In(place)]);
        } else if waiting {
            tallies.count(worker, registers, &[Part::Envoy, Part::HostCalls]);
        } else {
            tallies.count(worker, registers, &[Part::Envoy]);
        }
    };
    worker.walk(&flags.answered, see).map_err(Failure::Trace)?;
    Ok(tallies)
}

/// The functions that ran for any request, in the order in which they first did.
#[derive(Default)]
struct Ran {
    seen: HashSet<String>,
    names: Vec<String>,
}

impl Ran {
    fn add(&mut self, tallies: &Tallies<Part>, names: &[String]) {
        for part in tallies.order() {
            if let Part::In(Place::Function(function)) = part
                && let Some(name) = names.get(*function)
                && self.seen.insert(name.clone())
            {
                self.names.push(name.clone());
            }
        }
    }

    fn write(&self, file: &FilePath) -> Result<(), Failure> {
        let text: String = self.names.iter().map(|name| format!("{name}\n")).collect();
        std::fs::write(file, text)
            .map_err(|source| Failure::File { path: file.to_path_buf(), source })
    }
}
