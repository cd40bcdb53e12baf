//! A limit as it was compiled: integers only.

use super::calendar::Calendar;
use crate::charge::{Used, Weights};

/// Shortest window, in milliseconds.
pub const MIN_WINDOW_MS: u64 = 1_000;
/// Longest window, in milliseconds: a day. Shared data is lost when Envoy restarts, so longer ones
/// would promise what they cannot keep.
pub const MAX_WINDOW_MS: u64 = 86_400_000;
/// Largest amount and burst in units, so that sums of a few of them cannot overflow.
pub const MAX_UNITS: u64 = 1 << 60;

/// What a limit counts, and what its unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Tokens, by the weight of their type. A unit is a thousandth of a token.
    Tokens,
    /// Money, by the price of a token's type. A unit is 10⁻¹² of the currency.
    Cost,
    /// Requests admitted. A unit is a request.
    Requests,
    /// Requests under way. A unit is a request.
    Concurrent,
}

impl Measure {
    /// Units of one token (of weight 1), one unit of currency, or one request.
    pub const fn units(self) -> u64 {
        match self {
            Self::Tokens => 1_000,
            Self::Cost => 1_000_000_000_000,
            Self::Requests | Self::Concurrent => 1,
        }
    }

    /// Whether what a request is charged depends on its tokens.
    pub const fn by_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::Cost)
    }
}

/// Stands for a limit in slots and in names of shared data: a hash of what the limit is called and
/// of what it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub u32);

/// A limit that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The window.
    #[error("the window must be 1 s to 1 d")]
    Window,
    /// The amount per window.
    #[error("the amount must be at least 1 and is too large from 2^60 units on")]
    Amount,
    /// The burst.
    #[error("the burst must be at least 1 and is too large from 2^60 units on")]
    Burst,
}

/// How much one key may spend in which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    id: LimitId,
    measure: Measure,
    capacity: u64,
    amount: u64,
    window_ms: u64,
    /// Where the amount is there anew at boundaries of a calendar, and nothing drains.
    calendar: Option<Calendar>,
    /// Units of the burst that are not to be spent now.
    withheld: u64,
    fleet: Option<FleetTerms>,
}

/// What is added where a limit is one for all gateways of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetTerms {
    /// Units that one gateway may spend of a key before its first grant has come.
    pub first: u64,
    /// What is admitted beyond grants while the fleet cannot be asked.
    pub away: Away,
    /// Thousandths of the limit that this gateway drains by itself ([`Away::Local`]).
    pub share_permille: u32,
    /// Whether the fleet can be asked now.
    pub reachable: bool,
    /// Whether the fleet's own digest of keys is known. What is spent before goes by this Envoy's digest, of which the
    /// fleet can make nothing, so it is not told.
    pub named: bool,
}

/// What is admitted beyond grants while the fleet cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Away {
    /// A share of the limit, by this gateway's own account.
    #[default]
    Local,
    /// Nothing.
    Deny,
    /// Everything.
    Allow,
}

impl Limit {
    /// A limit of `amount` units per window, of which `burst` may be spent at once. Concurrent
    /// requests have no window: `amount` is ignored.
    ///
    /// # Errors
    /// [`LimitError`] names what is out of range.
    pub fn new(
        id: LimitId,
        measure: Measure,
        amount: u64,
        window_ms: u64,
        burst: u64,
    ) -> Result<Self, LimitError> {
        let (amount, window_ms) = match measure {
            Measure::Concurrent => (1, MIN_WINDOW_MS),
            _ => (amount, window_ms),
        };
        if !(MIN_WINDOW_MS..=MAX_WINDOW_MS).contains(&window_ms) {
            return Err(LimitError::Window);
        }
        if !(1..=MAX_UNITS).contains(&amount) {
            return Err(LimitError::Amount);
        }
        if !(1..=MAX_UNITS).contains(&burst) {
            return Err(LimitError::Burst);
        }
        let (calendar, withheld, fleet) = (None, 0, None);
        Ok(Self { id, measure, capacity: burst, amount, window_ms, calendar, withheld, fleet })
    }

    /// A limit of `amount` units in each window of a calendar, all of which may be spent at once.
    ///
    /// # Errors
    /// [`LimitError`] names what is out of range.
    pub fn of_calendar(
        id: LimitId,
        measure: Measure,
        amount: u64,
        calendar: Calendar,
    ) -> Result<Self, LimitError> {
        let limit = Self::new(id, measure, amount, MIN_WINDOW_MS, amount)?;
        let window_ms = calendar.period().longest_ms();
        Ok(Self { window_ms, calendar: Some(calendar), ..limit })
    }

    /// The same limit for all gateways of a fleet together.
    #[must_use]
    pub fn of_fleet(mut self, terms: FleetTerms) -> Self {
        self.fleet = Some(terms);
        self
    }

    /// The same as the fleet stands now: whether it can be asked, and how many gateways it has; none before a sidecar has
    /// told. Where no share was written, it is one by their number.
    #[must_use]
    pub fn as_fleet_stands(mut self, reachable: bool, gateways: u32) -> Self {
        if let Some(terms) = &mut self.fleet {
            terms.reachable = reachable;
            terms.named = gateways > 0;
            if terms.share_permille == 0 {
                terms.share_permille = (1_000 / gateways.max(1)).max(1);
            }
        }
        self
    }

    /// What is added for a fleet; `None` where each Envoy has the limit for itself.
    pub fn fleet(&self) -> Option<&FleetTerms> {
        self.fleet.as_ref()
    }

    /// What stands for it in slots.
    pub fn id(&self) -> LimitId {
        self.id
    }

    /// What it counts.
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The most that may be owed and reserved at once, in units.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// What drains in a window, in units.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// The windows of a calendar that it goes by; `None` where what is spent drains.
    pub fn calendar(&self) -> Option<&Calendar> {
        self.calendar.as_ref()
    }

    /// The window in milliseconds; of a calendar's windows the longest.
    pub fn window_ms(&self) -> u64 {
        self.window_ms
    }

    /// The same limit with `permille` thousandths of its burst, at least one unit: for pools that
    /// are saturated. What may be spent in a calendar's window stays the same.
    #[must_use]
    pub fn with_burst_permille(mut self, permille: u32) -> Self {
        if self.calendar.is_some() {
            return self;
        }
        let burst = u128::from(self.capacity) * u128::from(permille.min(1_000)) / 1_000;
        let burst = u64::try_from(burst).unwrap_or(self.capacity).max(1);
        self.withheld = self.capacity.saturating_sub(burst);
        self.capacity = burst;
        self
    }

    /// Units of the burst that are not to be spent now, because the pool is saturated.
    pub(super) fn withheld(&self) -> u64 {
        self.withheld
    }

    /// What `used` is charged, in units.
    pub fn charge(&self, weights: &Weights, used: &Used) -> u64 {
        match self.measure {
            Measure::Tokens | Measure::Cost => weights.charge(used),
            Measure::Requests => 1,
            Measure::Concurrent => 0,
        }
    }

    /// What this gateway's own account of a limit may owe at once, and what drains of it in a window.
    pub(super) fn share(&self) -> (u64, u64) {
        let Some(terms) = &self.fleet else { return (self.capacity, self.amount) };
        let part = |units: u64| {
            let part = u128::from(units) * u128::from(terms.share_permille.min(1_000)) / 1_000;
            u64::try_from(part).unwrap_or(units).max(1)
        };
        (part(self.capacity), part(self.amount))
    }

    /// Milliseconds from `now_ms` until `units` have drained of which `part` parts of a unit (of
    /// `window_ms`) have drained already.
    pub(super) fn drain_ms(&self, units: u64, part: u32, now_ms: u64) -> u64 {
        if let Some(calendar) = &self.calendar {
            return if units == 0 { 0 } else { calendar.ends_in_ms(now_ms) };
        }
        let needed = u128::from(units) * u128::from(self.window_ms);
        let needed = needed.saturating_sub(part.into());
        u64::try_from(needed.div_ceil(self.share().1.max(1).into())).unwrap_or(u64::MAX)
    }

    /// Milliseconds from `now_ms` until `units` have drained of what all gateways owe.
    pub(super) fn fleet_drain_ms(&self, units: u64, now_ms: u64) -> u64 {
        if let Some(calendar) = &self.calendar {
            return calendar.ends_in_ms(now_ms);
        }
        let needed = u128::from(units) * u128::from(self.window_ms);
        u64::try_from(needed.div_ceil(self.amount.max(1).into())).unwrap_or(u64::MAX)
    }

    /// What drains in `elapsed_ms`: whole units and parts of one (of `window_ms`).
    pub(super) fn drained(&self, elapsed_ms: u64, part: u32) -> (u64, u32) {
        let (window, amount) = (self.window_ms.max(1), self.share().1);
        let small = elapsed_ms.checked_mul(amount);
        // Nearly always: a division of 128 bits takes a call.
        if let Some(parts) = small.and_then(|parts| parts.checked_add(part.into())) {
            return (parts / window, u32::try_from(parts % window).unwrap_or(0));
        }
        let parts = u128::from(elapsed_ms) * u128::from(amount) + u128::from(part);
        let whole = u64::try_from(parts / u128::from(window)).unwrap_or(u64::MAX);
        (whole, u32::try_from(parts % u128::from(window)).unwrap_or(0))
    }
}
