//! Events of prefix caches on their way from one Envoy to another.
//!
//! They leave as an age instead of a time, so no clock has to agree with another. Those that came from elsewhere say so in
//! the ring, and do not leave again.

use crate::prefix_event::{HEAD, first_event};
use crate::prefix_events::PrefixEvents;
use crate::prefix_index::TICK_SHIFT;
use crate::prefix_ring::{PrefixRing, RingCursor};

/// Where an event has its time, and whether it came from elsewhere.
const TICK: std::ops::Range<usize> = 8..16;
const ORIGIN: usize = 17;

/// Where it came from elsewhere.
const ELSEWHERE: u8 = 1;

/// Most bytes that leave at a time; the rest leaves the next time.
pub const MAX_RELAY_BYTES: usize = 8 * 1024;

impl PrefixRing {
    /// The events of this Envoy that `cursor` has not passed, as they leave at `now_ns`, oldest first; moves the cursor
    /// behind them. At most [`MAX_RELAY_BYTES`], and empty if there are none.
    pub fn leaving(&self, cursor: &mut RingCursor, now_ns: u64) -> Vec<u8> {
        let mut leaving = Vec::new();
        self.read_raw(cursor, |event| {
            if event.get(ORIGIN) != Some(&0) {
                return true;
            }
            if !leaving.is_empty() && leaving.len() + event.len() > MAX_RELAY_BYTES {
                return false;
            }
            let start = leaving.len();
            leaving.extend_from_slice(event);
            turn(leaving.get_mut(start..).unwrap_or_default(), now_ns);
            true
        });
        leaving
    }
}

impl PrefixEvents {
    /// The events in `bytes`, which have left another Envoy, as they arrive at `now_ns`; those from the first on that
    /// is none, or too many, are left out.
    #[must_use]
    pub fn arriving(bytes: &[u8], now_ns: u64) -> Self {
        let (mut events, mut rest) = (Self::default(), bytes);
        while let Some((_, after)) = first_event(rest) {
            let Some(event) = rest.get(..rest.len() - after.len()) else { break };
            let mut event = event.to_vec();
            turn(&mut event, now_ns);
            if let Some(origin) = event.get_mut(ORIGIN) {
                *origin = ELSEWHERE;
            }
            events.push_raw(&event);
            rest = after;
        }
        events
    }
}

/// Makes an event's time its age, or its age its time.
fn turn(event: &mut [u8], now_ns: u64) {
    debug_assert!(event.len() >= HEAD, "whole events alone");
    if let Some(place) = event.get_mut(TICK)
        && let Ok(time) = <[u8; 8]>::try_from(&*place)
    {
        let other = (now_ns >> TICK_SHIFT).saturating_sub(u64::from_le_bytes(time));
        place.copy_from_slice(&other.to_le_bytes());
    }
}

impl RingCursor {
    /// Reads what [`RingCursor`] writes: identity and number in decimal, with a `-` between them.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (identity, next) = core::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Self::at(identity.parse().ok()?, next.parse().ok()?))
    }
}
