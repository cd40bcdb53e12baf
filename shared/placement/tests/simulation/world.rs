//! The event loop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use weir_placement::Policy;
use weir_snapshot::{SnapshotMessage, encode};

use crate::gateway::{Gateway, Sent};
use crate::random::Random;
use crate::replica::Replica;
use crate::workload::{Conversation, Turn};

const POLL_US: u64 = 100_000;
const PUSH_US: u64 = 5_000;

/// What is simulated.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) replicas: usize,
    /// So many of them are three times slower than the others.
    pub(crate) slow: usize,
    pub(crate) gateways: usize,
    pub(crate) workers: usize,
    /// Workers tell each other what they learn.
    pub(crate) share: bool,
    pub(crate) conversations_per_s: f64,
    pub(crate) think_s: f64,
    /// KV cache of one replica.
    pub(crate) cache_tokens: u64,
    pub(crate) duration_s: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "calm",
            replicas: 5,
            slow: 0,
            gateways: 1,
            workers: 2,
            share: true,
            conversations_per_s: 1.5,
            think_s: 4.0,
            cache_tokens: 48_000,
            duration_s: 120,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// Cached tokens over prompt tokens.
    pub(crate) hit_rate: f64,
    pub(crate) mean_ttft_ms: f64,
    pub(crate) p50_ttft_ms: f64,
    pub(crate) p90_ttft_ms: f64,
    pub(crate) p99_ttft_ms: f64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    NewConversation,
    NextTurn(usize),
    Poll,
    Push(Vec<u8>),
    Start(usize),
    FirstToken(usize),
    Finish(usize),
}

/// One request from arrival to end; its turn lies in `World::turns` at the same place.
struct Request {
    conversation: usize,
    gateway: usize,
    sent: Sent,
    arrived_us: u64,
    ttft_us: Option<u64>,
    cached_tokens: u64,
}

struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    arrivals: Random,
    routes: Random,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    now_us: u64,
    sequence: u64,
    gateways: Vec<Gateway>,
    replicas: Vec<Replica>,
    conversations: Vec<Conversation>,
    turns: Vec<Turn>,
    requests: Vec<Request>,
}

/// Simulates `scenario` with every worker running its own `policy`.
pub(crate) fn run(scenario: &Scenario, policy: &dyn Fn() -> Box<dyn Policy>, seed: u64) -> Outcome {
    let slowness = |index| if index < scenario.slow { 3 } else { 1 };
    let replica = |index| Replica::new(index, scenario.cache_tokens, slowness(index));
    let gateway = |_| Gateway::new(scenario.workers, scenario.share, policy);
    let mut world = World {
        scenario,
        seed,
        arrivals: Random::new(seed),
        routes: Random::new(!seed),
        events: BinaryHeap::new(),
        order: 0,
        now_us: 0,
        sequence: 0,
        gateways: (0..scenario.gateways).map(gateway).collect(),
        replicas: (0..scenario.replicas).map(replica).collect(),
        conversations: Vec::new(),
        turns: Vec::new(),
        requests: Vec::new(),
    };
    world.at(0, Event::Poll);
    world.at(2 * PUSH_US, Event::NewConversation);
    while let Some(Reverse((time, _, event))) = world.events.pop() {
        world.now_us = time;
        if time > scenario.duration_s * 1_000_000 {
            break;
        }
        world.handle(event);
    }
    world.outcome()
}

impl World<'_> {
    fn at(&mut self, time_us: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((time_us, self.order, event)));
    }

    fn after_s(&mut self, seconds: f64, event: Event) {
        self.at(self.now_us + (seconds * 1e6) as u64, event);
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::NewConversation => self.new_conversation(),
            Event::NextTurn(conversation) => self.next_turn(conversation),
            Event::Poll => self.poll(),
            Event::Push(stored) => {
                self.gateways.iter_mut().for_each(|gateway| gateway.receive(&stored))
            }
            Event::Start(replica) => self.start(replica),
            Event::FirstToken(request) => self.first_token(request),
            Event::Finish(request) => self.finish(request),
        }
    }

    fn new_conversation(&mut self) {
        let place = self.conversations.len();
        self.conversations.push(Conversation::draw(place as u64, self.seed));
        self.next_turn(place);
        let gap = self.arrivals.exponential(1.0 / self.scenario.conversations_per_s);
        self.after_s(gap, Event::NewConversation);
    }

    fn next_turn(&mut self, conversation: usize) {
        if let Some(turn) = self.conversations[conversation].next_turn() {
            self.submit(conversation, turn);
        }
    }

    /// Each turn comes over a new connection, so it reaches any gateway and worker.
    fn submit(&mut self, conversation: usize, turn: Turn) {
        let gateway = (self.routes.next() % self.gateways.len() as u64) as usize;
        let worker = (self.routes.next() % self.scenario.workers as u64) as usize;
        let sent = self.gateways[gateway].send(worker, &turn, self.now_us);
        let (endpoint, request) = (sent.endpoint, self.requests.len());
        self.requests.push(Request {
            conversation,
            gateway,
            sent,
            arrived_us: self.now_us,
            ttft_us: None,
            cached_tokens: 0,
        });
        self.replicas[endpoint].enqueue(request, &turn, self.now_us);
        self.turns.push(turn);
        self.start(endpoint);
    }

    fn poll(&mut self) {
        self.sequence += 1;
        let endpoints = self.replicas.iter().map(Replica::report).collect();
        let (epoch, sequence) = (1, self.sequence);
        let message = SnapshotMessage::new("llama", (epoch, sequence), 0, endpoints);
        let received_us = self.now_us + PUSH_US;
        self.at(received_us, Event::Push(encode(&message, received_us * 1000).unwrap()));
        self.at(self.now_us + POLL_US, Event::Poll);
    }

    fn start(&mut self, replica: usize) {
        while let Some(started) = self.replicas[replica].start(self.now_us, &self.turns) {
            let request = &mut self.requests[started.request];
            request.cached_tokens = started.cached_tokens;
            request.ttft_us = Some(started.first_token_us - request.arrived_us);
            self.at(started.first_token_us, Event::FirstToken(started.request));
            self.at(started.end_us, Event::Finish(started.request));
        }
        // Else a slot or the cache is full, and the next end starts it.
        if let Some(start_us) =
            self.replicas[replica].next_start_us().filter(|start| *start > self.now_us)
        {
            self.at(start_us, Event::Start(replica));
        }
    }

    fn first_token(&mut self, place: usize) {
        let (request, turn) = (&self.requests[place], &self.turns[place]);
        self.gateways[request.gateway].first_token(&request.sent, turn, self.now_us);
    }

    fn finish(&mut self, place: usize) {
        let request = &self.requests[place];
        let (turn, endpoint) = (&self.turns[place], request.sent.endpoint);
        self.gateways[request.gateway].finish(&request.sent, request.cached_tokens, turn);
        self.replicas[endpoint].finish(turn);
        let conversation = request.conversation;
        self.start(endpoint);
        let think = self.conversations[conversation].think_s(self.scenario.think_s);
        self.after_s(think, Event::NextTurn(conversation));
    }

    /// A request that has not started yet counts with its wait so far, so that overload is not
    /// hidden.
    fn outcome(&self) -> Outcome {
        let wait = |request: &Request| request.ttft_us.unwrap_or(self.now_us - request.arrived_us);
        let mut waits: Vec<u64> = self.requests.iter().map(wait).collect();
        waits.sort_unstable();
        let quantile = |percent: usize| waits[waits.len() * percent / 100] as f64 / 1000.0;
        let cached: u64 = self.requests.iter().map(|request| request.cached_tokens).sum();
        let prompt: u64 = self.turns.iter().map(|turn| turn.prompt_tokens).sum();
        Outcome {
            requests: waits.len(),
            hit_rate: cached as f64 / prompt as f64,
            mean_ttft_ms: waits.iter().sum::<u64>() as f64 / waits.len() as f64 / 1000.0,
            p50_ttft_ms: quantile(50),
            p90_ttft_ms: quantile(90),
            p99_ttft_ms: quantile(99),
        }
    }
}
