//! Which pools a filter's policies name, said to whoever pushes.

use std::cell::Cell;
use std::collections::BTreeSet;

use weir_host::tick::Tick;
use weir_host::{Host, LogLevel};
use weir_snapshot::{SAID_AGAIN_MS, ServedPools, is_pool_name, keys};

use crate::change::{ChangeError, change_shared};
use crate::undecodable::Undecodable;

/// How often the names are said again, in ms: thrice before they would be forgotten.
const SAY_EVERY_MS: u64 = SAID_AGAIN_MS / 3;

const NS_PER_MS: u64 = 1_000_000;

/// The pools of one configuration of a filter, said when it is made and again with its tick.
pub struct ServedNames {
    filter: &'static str,
    names: BTreeSet<String>,
    tick: Tick,
    said_at_ms: Cell<u64>,
}

impl ServedNames {
    /// Says the names for the first time. `tick` is for this alone; `filter` is that of its log lines.
    pub fn say<H: Host>(
        host: &H,
        filter: &'static str,
        names: impl IntoIterator<Item = String>,
        tick: Tick,
        undecodable: &Undecodable,
    ) -> Self {
        let (names, odd): (BTreeSet<String>, BTreeSet<String>) =
            names.into_iter().partition(|name| is_pool_name(name));
        if let Some(name) = odd.first() {
            let text = format!(
                "{filter}: pool {name:?} can have no snapshot: a sidecar's pools have 1 to 256 \
                 letters, digits or any of . _ - : / in their names"
            );
            host.log(LogLevel::Warn, &text);
        }
        let served = Self { filter, names, tick, said_at_ms: Cell::new(0) };
        if !served.names.is_empty() {
            served.tick.every(host, u32::try_from(SAY_EVERY_MS).unwrap_or(u32::MAX));
            served.write(host, undecodable, host.now_ns() / NS_PER_MS);
        }
        served
    }

    /// Says them again if it is time to.
    pub fn on_tick<H: Host>(&self, host: &H, undecodable: &Undecodable) {
        if self.names.is_empty() {
            return;
        }
        let now_ms = host.now_ns() / NS_PER_MS;
        if now_ms.abs_diff(self.said_at_ms.get()) >= SAY_EVERY_MS {
            self.write(host, undecodable, now_ms);
        }
    }

    fn write<H: Host>(&self, host: &H, undecodable: &Undecodable, now_ms: u64) {
        self.said_at_ms.set(now_ms);
        let said = change_shared(host, keys::SERVED, |stored| {
            let pools = ServedPools::read(stored);
            if let Err(error) = pools.check() {
                undecodable.note(host, keys::SERVED, &error);
            }
            Ok::<_, ()>(pools.say(self.names.iter().map(String::as_str), now_ms))
        });
        // Others that are faster say the same names, or the next tick is in time.
        if let Err(ChangeError::Host(error)) = said {
            let filter = self.filter;
            host.log(LogLevel::Warn, &format!("{filter}: shared data {}: {error}", keys::SERVED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_host::tick::Ticker;

    const S: u64 = 1_000_000_000;

    fn served(host: &FakeHost) -> Vec<String> {
        let stored = host.shared(keys::SERVED).unwrap().unwrap_or_default().0;
        let now_ms = host.now_ns() / NS_PER_MS;
        ServedPools::read(&stored).names(now_ms).map(str::to_owned).collect()
    }

    fn say(host: &FakeHost, names: &[&str]) -> ServedNames {
        let (names, tick) = (names.iter().map(|name| (*name).to_owned()), Ticker::new().part());
        ServedNames::say(host, "weir.test", names, tick, &Undecodable::new("weir.test"))
    }

    #[test]
    fn names_hold_while_the_filter_lives_and_are_forgotten_with_it() {
        let (host, undecodable) = (FakeHost::new(), Undecodable::new("weir.test"));
        host.set_now_ns(1000 * S);
        let lives = say(&host, &["llama", "llama"]);
        drop(say(&host, &["gone"]));
        assert_eq!(served(&host), ["llama", "gone"]);
        assert_eq!(host.tick_ms(), 20_000);
        for second in 1001..1100 {
            host.set_now_ns(second * S);
            lives.on_tick(&host, &undecodable);
        }
        assert_eq!(served(&host), ["llama"]);
        assert_eq!(host.logs(), []);
    }

    #[test]
    fn a_filter_without_pools_needs_no_tick() {
        let host = FakeHost::new();
        say(&host, &[]).on_tick(&host, &Undecodable::new("weir.test"));
        assert_eq!((host.tick_ms(), host.shared(keys::SERVED).unwrap()), (0, None));
    }

    #[test]
    fn a_name_that_no_sidecar_can_push_is_logged_and_not_said() {
        let host = FakeHost::new();
        say(&host, &["my pool", "llama"]);
        assert_eq!(served(&host), ["llama"]);
        assert!(host.logs()[0].1.contains("pool \"my pool\" can have no snapshot"));
    }
}
