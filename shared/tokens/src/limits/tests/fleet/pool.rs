//! What the sidecars' script does in Redis, in Rust: `sidecar/src/leases/lease.lua`, to which a test of the
//! sidecar compares itself.

use std::collections::BTreeMap;

use crate::limits::bucket::Bucket;
use crate::limits::{Granted, Limit, Slot};

/// As the sidecar's.
pub(super) const VANISH_MS: u64 = 30_000;

/// What a sidecar wants for a gateway.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ask {
    pub(super) need: u64,
    pub(super) ask: u64,
    pub(super) lower: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    born: u32,
    sequence: u32,
    granted: u64,
    charged: u64,
    told: u64,
    seen: u64,
}

/// The limit as one account has it.
pub(super) fn alone(limit: &Limit) -> Limit {
    let (id, measure, amount) = (limit.id(), limit.measure(), limit.amount());
    let limit = match limit.calendar() {
        Some(calendar) => Limit::of_calendar(id, measure, amount, *calendar),
        None => Limit::new(id, measure, amount, limit.window_ms(), limit.capacity()),
    };
    limit.unwrap()
}

/// One key of one limit.
pub(super) struct Pool {
    limit: Limit,
    pub(super) debt: u64,
    part: u32,
    at: u64,
    records: BTreeMap<usize, Record>,
    /// Whether something was charged that nobody has told to be used.
    pub(super) guessed: bool,
}

impl Pool {
    pub(super) fn new(limit: &Limit) -> Self {
        Self {
            limit: alone(limit),
            debt: 0,
            part: 0,
            at: 0,
            records: BTreeMap::new(),
            guessed: false,
        }
    }

    pub(super) fn outstanding(&self) -> u64 {
        self.records.values().map(|record| record.granted - record.charged).sum()
    }

    pub(super) fn charged(&self, gateway: usize) -> u64 {
        self.records.get(&gateway).map_or(0, |record| record.charged)
    }

    fn drain(&mut self, now: u64) {
        let mut bucket = Bucket { debt: self.debt, part: self.part, at_ms: self.at };
        bucket.advance(&self.limit, now);
        (self.debt, self.part, self.at) = (bucket.debt, bucket.part, bucket.at_ms);
    }

    pub(super) fn run(&mut self, me: usize, slot: &Slot, ask: Ask, now: u64) -> Granted {
        let lease = *slot.lease().unwrap();
        self.drain(now);
        for (_, record) in self.records.iter_mut().filter(|(other, _)| **other != me) {
            // In a calendar's window it stays granted: charged there, it could be used in the next.
            if now - record.seen > VANISH_MS && self.limit.calendar().is_none() {
                self.guessed |= record.granted > record.charged;
                self.debt += record.granted - record.charged;
                record.charged = record.granted;
            }
        }
        let known = self.records.remove(&me);
        let mut record = match known {
            Some(record) if record.born == lease.born => record,
            known => {
                self.debt += known.map_or(0, |record| record.granted - record.charged);
                Record {
                    born: lease.born,
                    sequence: lease.sequence,
                    granted: lease.granted,
                    charged: lease.used.min(lease.granted),
                    told: lease.granted,
                    seen: now,
                }
            }
        };
        record.seen = now;
        let fell = lease.sequence == record.sequence && lease.granted < record.granted;
        if lease.sequence > record.sequence {
            record.sequence = lease.sequence;
            record.granted = record.granted.max(lease.granted);
        } else if lease.sequence == record.sequence {
            record.granted = record.granted.min(lease.granted.max(record.charged));
        }
        if lease.used > record.charged {
            self.debt += lease.used - record.charged;
            record.charged = lease.used;
            record.granted = record.granted.max(lease.used);
        }
        let outstanding = self.outstanding() + record.granted - record.charged;
        let mut left = self.limit.capacity().saturating_sub(self.debt + outstanding);
        let mut retry_ms = 0;
        if lease.sequence == record.sequence {
            match ask.lower {
                Some(lower) if ask.ask == 0 && lower < record.granted => {
                    record.sequence += 1;
                    record.told = lower.max(record.charged);
                }
                _ => {
                    let mut give = ask.ask.min(left).min(ask.need.max(left.div_ceil(2)));
                    if give < ask.need {
                        let units = (ask.need - left).min(self.debt);
                        let own = record.granted - record.charged;
                        let idle = own.saturating_sub(slot.reserved());
                        let most = self.limit.capacity().saturating_sub(self.debt + idle);
                        retry_ms = match self.limit.calendar() {
                            Some(_) if ask.need <= most => 0,
                            _ => self.limit.fleet_drain_ms(units, now),
                        };
                        give = 0;
                    }
                    let news = give > 0 || ask.need > 0 || record.granted != lease.granted || fell;
                    if news || lease.sequence == 0 {
                        record.sequence += 1;
                    }
                    record.granted += give;
                    record.told = record.granted;
                    left -= give;
                }
            }
        }
        self.records.insert(me, record);
        Granted {
            born: record.born,
            sequence: record.sequence,
            total: record.told,
            charged: record.charged,
            left,
            retry_ms,
        }
    }
}
