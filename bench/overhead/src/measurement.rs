//! The order of things: warm up, then rounds in which the setups take turns.

use std::time::{Duration, Instant};

use bytes::Bytes;
use weir_harness::HttpClient;

use crate::body::Chats;
use crate::cpu;
use crate::failure::Failure;
use crate::figures::{Cell, Figure};
use crate::load::{self, Target};
use crate::options::Options;
use crate::path::{Chain, Earlier, Path, Paths, Streams};
use crate::processors::Processors;
use crate::setup::{ResponseKind, Setup};

/// Requests to each setup before measuring: connections, caches, V8's code.
pub(crate) const WARM_UP: usize = 200;

/// How long nobody asks anything, to see what the setups cost then.
const IDLE: Duration = Duration::from_secs(3);

/// Starts everything, measures, and ends everything.
///
/// # Errors
/// When something does not start or a request is not answered properly.
pub(crate) async fn run(
    options: &Options,
    processors: &Processors,
) -> Result<Vec<Figure>, Failure> {
    println!("starting the upstream and three Envoys …");
    let compared = compared(options);
    let setups = compared.map(|setup| {
        let chain = Chain {
            guardrail: options.guardrail,
            limits: setup == Setup::Limited,
            failover: options.failover,
            patient: false,
        };
        (setup, chain)
    });
    let earlier = options.before.clone().map(Earlier);
    let streams = Streams { events: options.events, event_us: options.event_us };
    let mut paths = Paths::start(&setups, earlier.as_ref(), streams).await?;
    paths.seat(processors)?;
    let http = HttpClient::http1();
    let background = background(paths.all()).await?;
    let mut figures = Vec::new();
    for bytes in options.body_kb.iter().map(|kb| kb.saturating_mul(1 << 10)) {
        for response in ResponseKind::ALL {
            println!("measuring bodies of {bytes} bytes, {} responses …", response.name());
            let mut series = Series::new(bytes, response, options, background.clone());
            series.measure(&http, paths.all()).await?;
            figures.extend(series.figures(compared));
        }
    }
    check_picks(paths.all(), &figures).await?;
    Ok(figures)
}

/// What is compared.
fn compared(options: &Options) -> [Setup; 3] {
    match options {
        Options { before: Some(_), .. } => Setup::BESIDE_BEFORE,
        Options { limits: true, .. } => Setup::BESIDE_LIMITED,
        Options { attempt: true, .. } => Setup::WITH_ATTEMPT,
        _ => Setup::ALL,
    }
}

/// The rounds for one size of body and one kind of response.
struct Series {
    bytes: usize,
    response: ResponseKind,
    chats: Chats,
    clients: usize,
    rounds: usize,
    requests_per_round: usize,
    cells: [Cell; Setup::ALL.len()],
    background: Background,
}

/// CPU time that each setup takes without requests, as a share of time.
type Background = Vec<f64>;

impl Series {
    fn new(
        bytes: usize,
        response: ResponseKind,
        options: &Options,
        background: Background,
    ) -> Series {
        let rounds = options.rounds.clamp(1, options.requests.max(1));
        Series {
            bytes,
            response,
            chats: Chats::new(bytes, response == ResponseKind::Sse, options.fresh),
            clients: options.clients.max(1),
            rounds,
            requests_per_round: options.requests.div_ceil(rounds).max(1),
            cells: Default::default(),
            background,
        }
    }

    async fn measure(&mut self, http: &HttpClient, paths: &mut [Path]) -> Result<(), Failure> {
        let bodies = self.chats.take(WARM_UP);
        for path in paths.iter() {
            load::round(http, target(path), &bodies, (self.clients, WARM_UP)).await?;
        }
        for round in 0..self.rounds {
            let bodies = self.chats.take(self.requests_per_round);
            for index in order(round, paths.len()) {
                let share = self.background.get(index).copied().unwrap_or(0.0);
                if let (Some(path), Some(cell)) = (paths.get_mut(index), self.cells.get_mut(index))
                {
                    let shape = (self.clients, self.requests_per_round);
                    one_round(http, path, &bodies, shape, (cell, share)).await?;
                }
            }
        }
        Ok(())
    }

    fn figures(&self, compared: [Setup; 3]) -> impl Iterator<Item = Figure> + '_ {
        let cells = compared.into_iter().zip(&self.cells);
        cells.map(|(setup, cell)| cell.figure(setup, self.bytes, self.response))
    }
}

/// Who comes when in a round: another one begins each time, and every second round of all goes the
/// other way about, so that none always follows the same neighbour.
fn order(round: usize, count: usize) -> impl Iterator<Item = usize> {
    let step = if (round / count).is_multiple_of(2) { 1 } else { count - 1 };
    (0..count).map(move |turn| (round + turn * step) % count)
}

/// Sends one round of requests and adds what it took to `cell`, less the setup's `background`.
pub(crate) async fn one_round(
    http: &HttpClient,
    path: &mut Path,
    bodies: &[Bytes],
    shape: (usize, usize),
    (cell, background): (&mut Cell, f64),
) -> Result<(), Failure> {
    let processes = path.processes();
    let (begun, before) = (Instant::now(), cpu::used(&processes)?);
    let latencies = load::round(http, target(path), bodies, shape).await?;
    let used = cpu::used(&processes)?.saturating_sub(before);
    cell.add(used.saturating_sub(begun.elapsed().mul_f64(background)), latencies);
    Ok(())
}

/// What the setups take while nobody asks anything: Envoy's timers, and in the chain the sidecar's
/// snapshots, ten a second and pool. That is no cost of a request: it depends on how long a round
/// takes, not on how many requests are in it. So it is shown by itself, and taken off the rounds of
/// all three alike.
pub(crate) async fn background(paths: &mut [Path]) -> Result<Background, Failure> {
    let mut shares = Background::new();
    let begun = Instant::now();
    let mut before = Vec::new();
    for path in paths.iter_mut() {
        before.push(cpu::used(&path.processes())?);
    }
    tokio::time::sleep(IDLE).await;
    println!(
        "CPU time without requests (timers; in the chain the sidecar's snapshots), in ms per second; not in \
         the figures below:"
    );
    for (path, before) in paths.iter_mut().zip(before) {
        let used = cpu::used(&path.processes())?.saturating_sub(before);
        let share = used.as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("  {:<8} {:.1}", path.setup.name(), share * 1e3);
        shares.push(share);
    }
    Ok(shares)
}

fn target(path: &Path) -> Target {
    Target { setup: path.setup, address: path.address() }
}

/// The chain's figures mean something only if the picker had the load to go by.
async fn check_picks(paths: &[Path], figures: &[Figure]) -> Result<(), Failure> {
    // The counters of a busy picker come with its tick, every 20 ms.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for path in paths.iter().filter(|path| [Setup::Chain, Setup::Limited].contains(&path.setup)) {
        let requests = figures.iter().filter(|figure| figure.setup == path.setup);
        let requests = requests.map(|figure| figure.requests).sum();
        let by_load = path.picks_by_load().await?;
        if by_load < requests {
            return Err(Failure::Unplaced { by_load, requests });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setup_follows_each_other_one() {
        let orders: std::collections::BTreeSet<Vec<usize>> =
            (0..6).map(|round| order(round, 3).collect()).collect();
        assert_eq!(orders.len(), 6, "{orders:?}");
        for order in orders {
            assert_eq!(order.iter().sum::<usize>(), 3, "{order:?}");
        }
    }
}
