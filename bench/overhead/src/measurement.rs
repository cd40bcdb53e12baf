//! The order of things: warm up, then rounds in which the setups take turns.

use bytes::Bytes;
use weir_harness::HttpClient;

use crate::Options;
use crate::body;
use crate::cpu;
use crate::failure::Failure;
use crate::figures::{Cell, Figure};
use crate::load::{self, Target};
use crate::path::{Path, Paths};
use crate::setup::{ResponseKind, Setup};

/// Requests to each setup before measuring: connections, caches, V8's code.
const WARM_UP: usize = 200;

/// Starts everything, measures, and ends everything.
///
/// # Errors
/// When something does not start or a request is not answered properly.
pub(crate) async fn run(options: &Options) -> Result<Vec<Figure>, Failure> {
    println!("starting the upstream and three Envoys …");
    let mut paths = Paths::start().await?;
    let http = HttpClient::http1();
    let mut figures = Vec::new();
    for bytes in options.body_kb.iter().map(|kb| kb.saturating_mul(1 << 10)) {
        for response in ResponseKind::ALL {
            println!("measuring bodies of {bytes} bytes, {} responses …", response.name());
            let mut series = Series::new(bytes, response, options);
            series.measure(&http, paths.all()).await?;
            figures.extend(series.figures());
        }
    }
    check_picks(paths.all(), &figures).await?;
    Ok(figures)
}

/// The rounds for one size of body and one kind of response.
struct Series {
    bytes: usize,
    response: ResponseKind,
    bodies: Vec<Bytes>,
    clients: usize,
    rounds: usize,
    requests_per_round: usize,
    cells: [Cell; Setup::ALL.len()],
}

impl Series {
    fn new(bytes: usize, response: ResponseKind, options: &Options) -> Series {
        let rounds = options.rounds.max(1);
        Series {
            bytes,
            response,
            bodies: body::variants(bytes, response == ResponseKind::Sse),
            clients: options.clients.max(1),
            rounds,
            requests_per_round: options.requests.div_ceil(rounds).max(1),
            cells: Default::default(),
        }
    }

    async fn measure(&mut self, http: &HttpClient, paths: &mut [Path]) -> Result<(), Failure> {
        for path in paths.iter() {
            load::round(http, target(path), &self.bodies, (self.clients, WARM_UP)).await?;
        }
        for round in 0..self.rounds {
            // Another one begins each time, so that none always follows the same neighbour.
            for turn in 0..paths.len() {
                let index = (round + turn) % paths.len();
                if let (Some(path), Some(cell)) = (paths.get_mut(index), self.cells.get_mut(index))
                {
                    let shape = (self.clients, self.requests_per_round);
                    one_round(http, path, &self.bodies, shape, cell).await?;
                }
            }
        }
        Ok(())
    }

    fn figures(&self) -> impl Iterator<Item = Figure> + '_ {
        let cells = Setup::ALL.into_iter().zip(&self.cells);
        cells.map(|(setup, cell)| cell.figure(setup, self.bytes, self.response))
    }
}

async fn one_round(
    http: &HttpClient,
    path: &mut Path,
    bodies: &[Bytes],
    shape: (usize, usize),
    cell: &mut Cell,
) -> Result<(), Failure> {
    let processes = path.processes();
    let before = cpu::used(&processes)?;
    let latencies = load::round(http, target(path), bodies, shape).await?;
    let after = cpu::used(&processes)?;
    cell.add(after.saturating_sub(before), latencies);
    Ok(())
}

fn target(path: &Path) -> Target {
    Target { setup: path.setup, address: path.address() }
}

/// The chain's figures mean something only if the picker had the load to go by.
async fn check_picks(paths: &[Path], figures: &[Figure]) -> Result<(), Failure> {
    let requests = figures.iter().filter(|figure| figure.setup == Setup::Chain);
    let requests = requests.map(|figure| figure.requests).sum();
    for path in paths.iter().filter(|path| path.setup == Setup::Chain) {
        let by_load = path.picks_by_load().await?;
        if by_load < requests {
            return Err(Failure::Unplaced { by_load, requests });
        }
    }
    Ok(())
}
