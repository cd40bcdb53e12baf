//! A token bucket seen from below: what is owed, and how it drains. Integers only, so it cannot
//! drift.

use super::limit::Limit;

/// Clocks of workers that read them at the same time, and a worker that was halted between reading
/// its clock and writing, are apart by less than this. A clock that is further back was set back.
pub(super) const SKEW_MS: u64 = 5_000;

/// What one key owes to one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Units used that have not drained.
    pub(super) debt: u64,
    /// Parts of the next unit (of the window's milliseconds) that have drained already.
    pub(super) part: u32,
    /// Up to when it was drained, in milliseconds.
    pub(super) at_ms: u64,
}

impl Bucket {
    /// Drains up to `now_ms`. A clock that is a little behind drains nothing; one that was set back
    /// drains nothing for the time it was set back by, and goes on from there.
    pub(super) fn advance(&mut self, limit: &Limit, now_ms: u64) {
        let Some(elapsed) = now_ms.checked_sub(self.at_ms) else {
            if self.at_ms - now_ms > SKEW_MS {
                self.at_ms = now_ms;
            }
            return;
        };
        if let Some(calendar) = limit.calendar() {
            if calendar.window(now_ms).0 > self.at_ms {
                self.debt = 0;
            }
            self.at_ms = now_ms;
            return;
        }
        self.at_ms = now_ms;
        if self.debt == 0 {
            self.part = 0;
            return;
        }
        let (whole, part) = limit.drained(elapsed, self.part);
        match self.debt.checked_sub(whole) {
            Some(debt) if debt > 0 => (self.debt, self.part) = (debt, part),
            _ => (self.debt, self.part) = (0, 0),
        }
    }

    /// Owes more. Debts add up to any size, and none is forgotten.
    pub(super) fn owe(&mut self, units: u64) {
        self.debt = self.debt.saturating_add(units);
    }

    /// Milliseconds from `now_ms` until `units` of the debt have drained; more than are owed count
    /// as if they were.
    pub(super) fn wait_ms(&self, limit: &Limit, now_ms: u64, units: u64) -> u64 {
        let ahead = self.at_ms.saturating_sub(now_ms);
        limit.drain_ms(units, self.part, now_ms).saturating_add(ahead)
    }

    /// When nothing will be owed any more if `reserved` is used in full at `settled_ms`.
    pub(super) fn free_at_ms(&self, limit: &Limit, reserved: u64, settled_ms: u64) -> u64 {
        let drained = self.at_ms.saturating_add(limit.drain_ms(self.debt, self.part, self.at_ms));
        if reserved == 0 {
            return drained;
        }
        let rest = drained.max(settled_ms);
        rest.saturating_add(limit.drain_ms(reserved, 0, rest))
    }
}
