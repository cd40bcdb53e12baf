//! A line in the log at most once a minute, with how often it would have been said.

use std::cell::Cell;

use crate::{Host, LogLevel};

/// How long one line stands for all that would say the same, in ns.
const SILENCE_NS: u64 = 60_000_000_000;

/// One kind of trouble that the log tells of, and not for each request.
#[derive(Default)]
pub struct Notice {
    /// When it was last said.
    said_ns: Cell<Option<u64>>,
    /// How often it was not said since.
    kept: Cell<u64>,
}

impl Notice {
    /// Says `line` unless the last minute has heard it; then with how often it was held back.
    ///
    /// Costs the time of day, and a line once a minute: call it where something is wrong only.
    #[cold]
    pub fn say<H: Host>(&self, host: &H, level: LogLevel, line: impl FnOnce() -> String) {
        // Every caller has its own copy of this function: what is the same for all lies elsewhere.
        if let Some(kept) = self.due(host.now_ns()) {
            log(host, level, line(), kept);
        }
    }

    /// How often it was not said since it was last, if it is to be said now.
    #[inline(never)]
    fn due(&self, now_ns: u64) -> Option<u64> {
        // A clock that was set back says it once more.
        let heard = self.said_ns.get().and_then(|said| now_ns.checked_sub(said));
        if heard.is_some_and(|since| since < SILENCE_NS) {
            self.kept.set(self.kept.get().saturating_add(1));
            return None;
        }
        self.said_ns.set(Some(now_ns));
        Some(self.kept.replace(0))
    }
}

#[inline(never)]
fn log<H: Host>(host: &H, level: LogLevel, line: String, kept: u64) {
    match kept {
        0 => host.log(level, &line),
        kept => host.log(level, &format!("{line} ({kept} more since this was last said)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;

    #[test]
    fn a_line_is_said_once_a_minute_with_how_often_it_was_not() {
        let (host, notice) = (FakeHost::new(), Notice::default());
        let say = |at_ns| {
            host.set_now_ns(at_ns);
            notice.say(&host, LogLevel::Warn, || "odd".to_owned());
            host.logs().iter().map(|(_, line)| line.clone()).collect::<Vec<_>>()
        };
        assert_eq!(say(5), ["odd"]);
        assert_eq!(say(6), ["odd"]);
        assert_eq!(say(4), ["odd", "odd (1 more since this was last said)"]);
        assert_eq!(say(SILENCE_NS), ["odd", "odd (1 more since this was last said)"]);
        assert_eq!(say(SILENCE_NS + 4).len(), 3);
    }
}
