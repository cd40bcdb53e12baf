//! Keeps a pusher for every gateway that there is and every pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};
use weir_settings::sidecar::{Gateway, MAX_GATEWAYS};

use super::gateways::Gateways;
use super::link::Link;
use super::mismatch::Mismatches;
use super::pusher::{PushPlan, Pusher};
use crate::config::Keys;
use crate::discover::Board;
use crate::spending::Ledger;

/// The loop that keeps the pushers.
#[derive(Debug)]
pub(crate) struct Fleet {
    listed: Vec<Gateway>,
    board: Arc<Board>,
    plans: Vec<PushPlan>,
    keys: Keys,
    push_timeout: Duration,
    gateways: Arc<Gateways>,
    ledger: Arc<Ledger>,
    /// What was known before a reload.
    previous: Option<Arc<Gateways>>,
    running: BTreeMap<Gateway, Vec<AbortHandle>>,
    tasks: JoinSet<()>,
    /// True once it was said that there are too many.
    told: bool,
}

impl Fleet {
    /// The pushers of `plans` to the gateways that are `listed` and that the board names; what is known of them is
    /// in `gateways`.
    pub(crate) fn new(
        (listed, board): (Vec<Gateway>, &Arc<Board>),
        plans: Vec<PushPlan>,
        (keys, push_timeout): (Keys, Duration),
        (gateways, ledger): (&Arc<Gateways>, &Arc<Ledger>),
        previous: Option<Arc<Gateways>>,
    ) -> Self {
        Self {
            listed,
            board: Arc::clone(board),
            plans,
            keys,
            push_timeout,
            gateways: Arc::clone(gateways),
            ledger: Arc::clone(ledger),
            previous,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            told: false,
        }
    }

    /// Keeps them for ever; to be dropped when the sidecar ends. It ends by itself only through a defect.
    pub(crate) async fn run(mut self) {
        self.update();
        loop {
            tokio::select! {
                () = self.board.changed() => self.update(),
                Some(ended) = self.tasks.join_next() => {
                    if ended.is_err_and(|error| error.is_panic()) {
                        return;
                    }
                }
            }
        }
    }

    /// Starts pushers for those that have come, and ends those of the gone.
    fn update(&mut self) {
        let (there, complete) = self.there();
        let gone: Vec<Gateway> =
            self.running.keys().filter(|one| complete && !there.contains(one)).cloned().collect();
        for gateway in gone {
            let name = gateway.to_string();
            self.running.remove(&gateway).into_iter().flatten().for_each(|task| task.abort());
            self.gateways.remove(&name);
            self.plans
                .iter()
                .filter_map(|plan| plan.leases.as_ref())
                .for_each(|it| it.forget(&name));
            info!(gateway = name, "gateway is gone");
        }
        for gateway in there {
            if !self.running.contains_key(&gateway) {
                self.start(gateway);
            }
        }
    }

    /// Every gateway once, and whether all sources have said what they know.
    fn there(&mut self) -> (Vec<Gateway>, bool) {
        let (said, complete) = self.board.all();
        let mut there = self.listed.clone();
        for found in said.iter().flat_map(|said| said.iter()) {
            let gateway = Gateway::at(found.address());
            if !there.contains(&gateway) {
                there.push(gateway);
            }
        }
        if there.len() > MAX_GATEWAYS && !self.told {
            let found = there.len();
            warn!(found, most = MAX_GATEWAYS, "too many gateways: some get no snapshots");
            self.told = true;
        }
        there.truncate(MAX_GATEWAYS);
        (there, complete)
    }

    fn start(&mut self, gateway: Gateway) {
        let name = gateway.to_string();
        let before = self.previous.as_ref();
        let known = before.and_then(|before| before.mismatches_of(&name));
        let mismatches = known.unwrap_or_else(|| Arc::new(Mismatches::new(name.clone())));
        let spending = self.ledger.of(&name);
        let (mut links, mut tasks) = (Vec::new(), Vec::new());
        for plan in &self.plans {
            let known = before.and_then(|before| before.link(&name, &plan.pool));
            let pool = (plan.pool.as_str(), plan.interval);
            let told = (&mismatches, &spending);
            let link = Arc::new(Link::new(pool, self.push_timeout, told, known.as_deref()));
            let pusher = Pusher::new(
                (&link, &self.gateways),
                &gateway,
                plan,
                self.keys.clone(),
                self.push_timeout,
            );
            tasks.push(self.tasks.spawn(pusher.run()));
            links.push(link);
        }
        self.gateways.add(mismatches, &links);
        self.running.insert(gateway, tasks);
    }
}
