//! One key of one limit at one gateway: what is wanted of Redis, and what it has said.

use std::time::Duration;

use tokio::time::Instant;
use weir_snapshot::{FleetLimit, Grant, KeyName, KeyReport};

/// Exchanges for which a gateway has grants ahead, by what it used in the busiest of late: it hears of a
/// grant two exchanges after it has told.
const AHEAD: u64 = 6;

/// Of a burst, the part that a gateway may have ahead at most: an eighth.
const AHEAD_PART: u64 = 8;

/// For how long more than is wanted stays at a gateway: requests come in bursts.
const SURPLUS: Duration = Duration::from_secs(2);

/// How often Redis hears of a lease that does not change, so that it is not taken for lost.
const REMIND: Duration = Duration::from_secs(5);

/// What is wanted of Redis for one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// Units without which some request was refused: less than that is of no use.
    pub(super) need: u64,
    /// Units beyond what is granted, the need included.
    pub(super) ask: u64,
    /// What the total should fall to.
    pub(super) lower: Option<u64>,
}

/// What Redis has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) sequence: u32,
    pub(super) total: u64,
    pub(super) charged: u64,
    pub(super) left: u64,
    pub(super) retry_ms: u64,
    /// Units that were used without a grant.
    pub(super) overdrawn: u64,
}

/// What is known of one key at one gateway.
#[derive(Debug)]
pub(super) struct Account {
    born: u32,
    used: u64,
    /// Units used in the busiest exchange of late.
    pace: u64,
    surplus_since: Option<Instant>,
    asked_at: Option<Instant>,
    answer: Option<Answer>,
    /// Whether that takes something back, which Redis has only once it hears that it did.
    falls: bool,
    /// When the gateway told of it last.
    pub(super) told_at: Instant,
}

impl Account {
    pub(super) fn new(report: &KeyReport, now: Instant) -> Self {
        Self {
            born: report.born,
            used: report.used,
            pace: 0,
            surplus_since: None,
            asked_at: None,
            answer: None,
            falls: false,
            told_at: now,
        }
    }

    /// What to ask Redis for after `report`; `None` if there is nothing to say.
    pub(super) fn wish(
        &mut self,
        report: &KeyReport,
        limit: &FleetLimit,
        now: Instant,
    ) -> Option<Wish> {
        if report.born != self.born {
            *self = Self::new(report, now);
        }
        self.told_at = now;
        let spent = report.used.saturating_sub(self.used);
        self.used = report.used;
        self.pace = spent.max(self.pace - self.pace.div_ceil(4));
        let wish = self.wish_of(report, limit, now);
        let news = wish != Wish::default();
        let known = self.answer.is_some_and(|answer| {
            let fell = self.falls && answer.sequence == report.sequence;
            answer.sequence >= report.sequence.max(1) && answer.charged >= report.used && !fell
        });
        let reminded = self.asked_at.is_some_and(|asked| now - asked < REMIND);
        // A grant that is on its way answers what was asked before.
        let on_its_way = self.answer.is_some_and(|answer| answer.sequence > report.sequence);
        if known && reminded && (!news || on_its_way) {
            return None;
        }
        self.asked_at = Some(now);
        Some(wish)
    }

    fn wish_of(&mut self, report: &KeyReport, limit: &FleetLimit, now: Instant) -> Wish {
        let most_ahead = limit.burst / AHEAD_PART;
        let ahead = self.pace.saturating_mul(AHEAD).min(most_ahead);
        let wanted = report.used.saturating_add(report.reserved).saturating_add(ahead);
        let surplus = report.granted > wanted && report.wanted == 0;
        self.surplus_since = surplus.then(|| self.surplus_since.unwrap_or(now));
        if self.surplus_since.is_some_and(|since| now - since >= SURPLUS) {
            return Wish { lower: Some(wanted), ..Wish::default() };
        }
        let need = report.wanted;
        // Where one request was refused, there will be more.
        let more = need.saturating_mul(4).min(most_ahead).max(need);
        let short = wanted.saturating_sub(report.granted);
        let short = if short > ahead / 2 || need > 0 { short } else { 0 };
        Wish { need, ask: more.max(short), lower: None }
    }

    /// Takes what Redis says to a report; an answer that was overtaken changes nothing.
    pub(super) fn take(&mut self, report: &KeyReport, answer: Answer) {
        if self.answer.is_none_or(|before| before.sequence <= answer.sequence) {
            self.falls = answer.total < report.granted;
            self.answer = Some(answer);
        }
    }

    /// What the gateway is to be told.
    pub(super) fn grant(&self, key: KeyName) -> Option<Grant> {
        let Answer { sequence, total, charged, left, retry_ms, .. } = self.answer?;
        Some(Grant { key, born: self.born, sequence, total, charged, left, retry_ms })
    }

    /// Units that are granted and not charged.
    pub(super) fn outstanding(&self) -> u64 {
        self.answer.map_or(0, |answer| answer.total.saturating_sub(answer.charged))
    }
}
