//! Leases between the gateways' own ledger and a real Redis.

mod clocks;
mod flood;
mod quotas;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use weir_harness::Redis as Server;
use weir_settings::sidecar::SidecarSettings;
use weir_snapshot::{FleetLimit, FleetReport, KeyName, KeyReport};
use weir_tokens::charge::{Demand, Reserve, Share, Used, Weights};
use weir_tokens::limits::{
    Ask, Away, FleetTerms, Granted, Ledger, Limit, LimitId, Measure, Outcome, Page, Place,
    Reservation, Settlement, SlotKey, Store, Stored,
};

use super::script::{Scripts, VANISH_MS, answer, lease_call};
use super::*;
use crate::redis::{self, Keeper, Redis};

const WEIGHTS: Weights = Weights::all(1);
const FULL: Reserve = Reserve { share: Share::Full, guess: 0 };
const KEY: SlotKey = SlotKey([7; 16]);
const FIRST: u64 = 50;
const TERMS: FleetTerms =
    FleetTerms { first: FIRST, away: Away::Deny, share_permille: 0, reachable: false, named: true };

/// So many tokens a day, which is long enough for nothing to come back during a test.
fn limit(tokens: u64) -> Limit {
    Limit::new(LimitId(3), Measure::Tokens, tokens, 86_400_000, tokens).unwrap().of_fleet(TERMS)
}

/// The shared data of one Envoy.
#[derive(Default)]
struct Memory(BTreeMap<Place, (Vec<u8>, u32)>);

impl Store for Memory {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.0.get(&place).cloned()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        let version = version.unwrap_or(0) + 1;
        self.0.insert(place, (bytes.to_vec(), version));
        Stored::Done
    }
}

/// A gateway as a sidecar sees it, and requests that are under way there.
struct Gateway {
    name: &'static str,
    limit: Limit,
    memory: Memory,
    reachable: bool,
    held: Vec<Reservation>,
    admitted: u64,
    now_ms: u64,
}

impl Gateway {
    fn new(name: &'static str, limit: Limit) -> Self {
        let (memory, held) = (Memory::default(), Vec::new());
        Self { name, limit, memory, reachable: false, held, admitted: 0, now_ms: 1_000_000_000 }
    }

    /// A request for so many tokens; whether it is admitted.
    fn ask(&mut self, tokens: u64) -> bool {
        let limit = self.limit.as_fleet_stands(self.reachable, 3);
        let demand = Demand { prompt: tokens, max_tokens: Some(0), choices: 1 };
        let ask =
            Ask { limit: &limit, weights: &WEIGHTS, reserve: &FULL, key: KEY, enforced: true };
        match Ledger::new(&mut self.memory, self.now_ms).reserve(&demand, &[ask]) {
            Outcome::Admitted(admission) => {
                self.held.push(admission.reservation);
                self.admitted += tokens;
                true
            }
            _ => false,
        }
    }

    /// All that is under way ends, and has taken what was reserved.
    fn settle(&mut self) {
        for held in std::mem::take(&mut self.held) {
            let prompt = held.reserved().map(|(_, units)| units).sum();
            let used = Used { prompt, ..Used::default() };
            let settled = Ledger::new(&mut self.memory, self.now_ms).settle(held, &used);
            assert_eq!(settled, Settlement::Done);
        }
    }

    fn page(&self) -> Option<Page> {
        Page::read(self.memory.0.get(&Place::of_fleet(KEY))?.0.clone())
    }

    /// What a push brings, and what its reply tells.
    fn pushed(&mut self, leases: &Leases) {
        if let Some(news) = leases.news(self.name, Duration::from_secs(2)) {
            self.reachable = news.reachable;
            for grant in news.grants {
                let granted = Granted {
                    born: grant.born,
                    sequence: grant.sequence,
                    total: grant.total,
                    charged: grant.charged,
                    left: grant.left,
                    retry_ms: grant.retry_ms,
                };
                let page = self.page();
                let page = page.and_then(|page| page.applied(KEY, &granted, self.now_ms).ok()?);
                if let Some(bytes) = page {
                    self.memory.swap(Place::of_fleet(KEY), &bytes, None);
                }
            }
        }
        let calendar = self.limit.calendar().map(ToString::to_string).unwrap_or_default();
        let limit = FleetLimit {
            id: 3,
            measure: "tokens".to_owned(),
            burst: self.limit.capacity(),
            amount: self.limit.amount(),
            window_ms: if calendar.is_empty() { self.limit.window_ms() } else { 0 },
            calendar,
            first: FIRST,
            name: "day".to_owned(),
            values: Some(1),
        };
        let keys = self.page().map(|page| page.due().map(report).collect()).unwrap_or_default();
        let gateway = format!("{:0>16}", self.name);
        leases.record(self.name, FleetReport { gateway, limits: vec![limit], keys });
    }
}

fn report(slot: weir_tokens::limits::Slot) -> KeyReport {
    let lease = *slot.lease().unwrap();
    KeyReport {
        key: KeyName { limit: slot.limit().0, digest: slot.key().0 },
        born: lease.born,
        sequence: lease.sequence,
        used: lease.used,
        reserved: slot.reserved(),
        granted: lease.granted,
        wanted: lease.wanted,
    }
}

/// A client of the server, and the task that keeps its connection.
async fn client(server: &Server) -> (Arc<Redis>, JoinSet<()>) {
    let yaml = format!(
        "gateways: ['unix:/x']\npools: {{p: {{endpoints: [{{address: '127.0.0.1:1'}}]}}}}\n\
         redis: {{urls: ['{}'], timeout: 2s}}",
        server.url()
    );
    let settings = SidecarSettings::from_yaml(yaml.as_bytes()).unwrap();
    let access = redis::load(&settings.redis.unwrap()).unwrap();
    let redis = Arc::new(Redis::new(&access, Arc::default()));
    let mut tasks = JoinSet::new();
    tasks.spawn(Keeper::new(&redis, &access).unwrap().run());
    let ping = [::redis::cmd("PING")];
    while redis.ask(&ping).await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    (redis, tasks)
}

/// A sidecar with its gateways, whose exchanges a test makes one by one.
struct Sidecar {
    leases: Arc<Leases>,
    exchange: LeaseExchange,
    gateways: Vec<Gateway>,
}

impl Sidecar {
    fn new(redis: &Arc<Redis>, names: &[&'static str], limit: Limit) -> Self {
        let leases = Arc::new(Leases::new());
        let exchange = LeaseExchange::new(&leases, redis);
        let gateways = names.iter().map(|name| Gateway::new(name, limit)).collect();
        Self { leases, exchange, gateways }
    }

    /// A push to each gateway, and an exchange with Redis before the next.
    async fn round(&mut self) {
        for gateway in &mut self.gateways {
            gateway.pushed(&self.leases);
        }
        self.exchange.beat().await;
        self.exchange.exchange().await;
    }

    fn admitted(&self) -> u64 {
        self.gateways.iter().map(|gateway| gateway.admitted).sum()
    }
}

/// What Redis has for the key: debt, and what is granted and not charged.
async fn stored(redis: &Redis) -> (u64, u64) {
    let name = KeyName { limit: 3, digest: KEY.0 };
    let command = [::redis::cmd("HGETALL").arg(redis.key(format_args!("lease:{name}"))).clone()];
    let mut replies = redis.ask(&command).await.unwrap();
    let fields: BTreeMap<String, String> =
        ::redis::from_redis_value(replies.remove(0).unwrap()).unwrap();
    let (mut debt, mut outstanding) = (0, 0);
    for (name, value) in fields {
        let numbers: Vec<u64> = value.split(' ').map(|number| number.parse().unwrap()).collect();
        match name.as_str() {
            "bucket" => debt = numbers[0],
            _ => outstanding += numbers[2] - numbers[3],
        }
    }
    (debt, outstanding)
}

#[tokio::test]
async fn three_gateways_never_admit_more_than_the_limit_and_their_first_grants_and_all_is_charged_once()
 {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let limit = limit(10_000);
    let mut sidecars = [
        Sidecar::new(&redis, &["a"], limit),
        Sidecar::new(&redis, &["b"], limit),
        Sidecar::new(&redis, &["c"], limit),
    ];
    let (mut random, mut refused_at_the_end) = (fastrand::Rng::with_seed(1), 0);
    for round in 0..400 {
        for sidecar in &mut sidecars {
            for _ in 0..random.usize(0..4) {
                let refused = !sidecar.gateways[0].ask(random.u64(1..40));
                refused_at_the_end += u32::from(refused && round > 350);
            }
            if random.bool() {
                sidecar.gateways[0].settle();
            }
            sidecar.round().await;
        }
    }
    let admitted: u64 = sidecars.iter().map(Sidecar::admitted).sum();
    assert!((9_900..=10_000 + 3 * FIRST).contains(&admitted), "{admitted}");
    assert!(refused_at_the_end > 100, "{refused_at_the_end}");
    for sidecar in &mut sidecars {
        sidecar.gateways[0].settle();
        for _ in 0..4 {
            sidecar.round().await;
        }
    }
    let (debt, outstanding) = stored(&redis).await;
    assert_eq!(debt, admitted);
    assert!(outstanding <= 100, "{outstanding}");
    let sums = sidecars[0].leases.sums();
    assert_eq!((sums[0].limit.as_str(), sums[0].keys, sums[0].bound), ("day", 1, 3 * FIRST));
}

#[tokio::test]
async fn what_a_gateway_does_not_need_comes_back_and_another_has_it() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let mut sidecar = Sidecar::new(&redis, &["a", "b"], limit(1_000));
    for _ in 0..3 {
        sidecar.round().await;
    }
    for _ in 0..10 {
        sidecar.gateways[0].ask(40);
        sidecar.gateways[0].settle();
        sidecar.round().await;
    }
    let (debt, outstanding) = stored(&redis).await;
    assert!(debt >= 300 && outstanding > 0, "{debt} {outstanding}");
    // What is ahead shrinks with each exchange, and stays for 2 s more.
    for _ in 0..26 {
        sidecar.round().await;
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stored(&redis).await, (debt, 0));
    // All that is left goes to whoever asks.
    let rest = 1_000 - debt;
    for _ in 0..6 {
        sidecar.gateways[1].ask(rest);
        sidecar.round().await;
    }
    sidecar.gateways[1].settle();
    assert_eq!(sidecar.gateways[1].admitted, rest);
    sidecar.round().await;
    assert_eq!(stored(&redis).await.0, 1_000);
}

#[tokio::test]
async fn without_redis_gateways_hear_of_it_and_what_they_used_meanwhile_is_charged_when_it_is_back()
{
    let mut server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let mut sidecar = Sidecar::new(&redis, &["a"], limit(1_000));
    for _ in 0..3 {
        sidecar.round().await;
    }
    for _ in 0..4 {
        sidecar.gateways[0].ask(40);
        sidecar.round().await;
    }
    sidecar.gateways[0].settle();
    sidecar.round().await;
    let (debt, outstanding) = stored(&redis).await;
    server.process().kill();
    sidecar.round().await;
    sidecar.round().await;
    assert!(!sidecar.gateways[0].reachable);
    // What was granted is still good, and nothing more.
    let before = sidecar.gateways[0].admitted;
    while sidecar.gateways[0].ask(1) {}
    let meanwhile = sidecar.gateways[0].admitted - before;
    assert_eq!(meanwhile, outstanding);
    sidecar.gateways[0].settle();
    server.restart().unwrap();
    while !sidecar.leases.is_reachable() {
        sidecar.round().await;
        sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..3 {
        sidecar.round().await;
    }
    // It has kept nothing on disk, so what was charged is forgotten; what it had not been told is charged.
    let (after, rest) = stored(&redis).await;
    assert!(after <= meanwhile && rest <= 1_000 / 8, "{debt} {after} {meanwhile} {rest}");
    assert!(sidecar.gateways[0].reachable);
}

#[tokio::test]
async fn a_run_that_is_repeated_changes_nothing_and_a_gateway_that_is_silent_is_charged() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let scripts = Scripts::new();
    let limit = FleetLimit {
        id: 3,
        burst: 1_000,
        amount: 1_000,
        window_ms: 86_400_000,
        ..FleetLimit::default()
    };
    let key = KeyName { limit: 3, digest: KEY.0 };
    let run = async |gateway: &str, report: KeyReport, wish: account::Wish| {
        let call = lease_call(&redis, gateway, &report, (&limit, &wish, 0));
        answer(redis.run(&scripts.lease, &[call]).await.unwrap()[0].as_ref().unwrap()).unwrap()
    };
    let report = KeyReport { key, born: 1, used: 30, reserved: 10, ..KeyReport::default() };
    let wish = account::Wish { need: 0, ask: 300, lower: None };
    let first = run("a", report, wish).await;
    assert_eq!((first.sequence, first.total, first.charged, first.left), (1, 330, 30, 670));
    assert_eq!(first.overdrawn, 30);
    for _ in 0..3 {
        let again = run("a", report, wish).await;
        assert_eq!((again.sequence, again.total, again.charged, again.left), (1, 330, 30, 670));
    }
    // More than half of what is left goes to nobody who does not need it, and less than what is needed is no use.
    let other = run("b", KeyReport { used: 0, ..report }, wish).await;
    assert_eq!((other.total, other.left), (300, 370));
    let asks = |need| account::Wish { need, ask: 400, lower: None };
    let short = run("c", KeyReport { used: 0, ..report }, asks(380)).await;
    assert_eq!((short.total, short.left, short.sequence), (0, 370, 1));
    assert_eq!(short.retry_ms, 10 * 86_400);
    // A gateway that Redis has not heard of for long is made up: its record says so.
    let name = redis.key(format_args!("lease:{key}"));
    let long_ago = format!("1 1 300 0 300 {}", 1_000_000 - VANISH_MS);
    let silent = [::redis::cmd("HSET").arg(&name).arg("b").arg(long_ago).clone()];
    redis.ask(&silent).await.unwrap();
    let in_force = KeyReport { used: 0, sequence: 1, ..report };
    let after = run("c", in_force, account::Wish::default()).await;
    assert_eq!(after.left, 370);
    assert_eq!(stored(&redis).await, (330, 300), "b is charged what it was granted");
}

#[tokio::test]
async fn what_stands_under_a_key_and_is_no_lease_makes_the_fleet_unreachable() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let mut sidecar = Sidecar::new(&redis, &["a"], limit(1_000));
    sidecar.round().await;
    sidecar.round().await;
    assert!(sidecar.gateways[0].ask(10));
    let name = KeyName { limit: 3, digest: KEY.0 };
    let odd = [::redis::cmd("SET").arg(redis.key(format_args!("lease:{name}"))).arg("x").clone()];
    redis.ask(&odd).await.unwrap();
    for gateway in &mut sidecar.gateways {
        gateway.pushed(&sidecar.leases);
    }
    sidecar.exchange.exchange().await;
    assert!(!sidecar.leases.is_reachable());
}
