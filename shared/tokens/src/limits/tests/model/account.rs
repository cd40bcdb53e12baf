//! What one key has spent, every reservation by itself.

use super::*;

/// What one key has spent of one limit, exactly: debt in parts of a unit.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) limit: Limit,
    /// Units times the window's milliseconds.
    pub(super) debt: u128,
    pub(super) at: u64,
    /// Number, units, when its generation ends for the first time.
    pub(super) open: Vec<(usize, u64, u64)>,
    /// When the next generation begins.
    pub(super) boundary: u64,
}

impl Account {
    pub(super) fn new(limit: Limit, now: u64) -> Self {
        let boundary = (now / EXPIRY_MS + 1) * EXPIRY_MS;
        Self { limit, debt: 0, at: now, open: Vec::new(), boundary }
    }

    pub(super) fn drain(&mut self, to: u64) {
        if to < self.at {
            // As documented: a little behind drains nothing, set back starts anew.
            if self.at - to > 5_000 {
                self.at = to;
            }
            return;
        }
        let drained = u128::from(to - self.at) * u128::from(self.limit.amount());
        self.debt = self.debt.saturating_sub(drained);
        self.at = to;
    }

    pub(super) fn owe(&mut self, units: u64) {
        self.debt += u128::from(units) * u128::from(self.limit.window_ms());
    }

    pub(super) fn advance(&mut self, now: u64) {
        if self.boundary > now + EXPIRY_MS + 5_000 {
            self.boundary = now + EXPIRY_MS;
        }
        while self.boundary <= now {
            let end = self.boundary;
            let expired: u64 =
                self.open.iter().filter(|(.., until)| *until == 0).map(|(_, units, _)| units).sum();
            if expired > 0 && self.limit.measure() != Measure::Concurrent {
                self.drain(end);
                self.owe(expired);
            }
            self.open.retain(|(.., until)| *until > 0);
            self.open.iter_mut().for_each(|(.., until)| *until -= 1);
            self.boundary = end + EXPIRY_MS;
        }
        self.drain(now);
    }

    pub(super) fn reserved(&self) -> u64 {
        self.open.iter().map(|(_, units, _)| units).sum()
    }

    /// Units owed, parts rounded up.
    pub(super) fn owed(&self) -> u64 {
        self.debt.div_ceil(u128::from(self.limit.window_ms())) as u64
    }

    pub(super) fn fits(&self, units: u64) -> bool {
        self.owed() + self.reserved() + units <= self.limit.capacity()
    }

    pub(super) fn take(&mut self, number: usize, units: u64) {
        match self.limit.measure() {
            Measure::Requests => self.owe(units),
            _ => self.open.push((number, units, 1)),
        }
    }

    pub(super) fn settle(&mut self, number: usize, units: u64, charge: u64) {
        match self.open.iter().position(|(open, ..)| *open == number) {
            Some(at) => {
                self.open.remove(at);
                self.owe(charge);
            }
            None => self.owe(charge.saturating_sub(units)),
        }
    }

    pub(super) fn extend(&mut self, number: usize) {
        for open in self.open.iter_mut().filter(|(open, ..)| *open == number) {
            open.2 = 1;
        }
    }
}
