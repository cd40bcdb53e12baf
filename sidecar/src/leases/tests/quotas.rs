//! Budgets by a calendar in a real Redis. The script sees the server's own time; what a test chooses is where the windows
//! around it begin.

use weir_snapshot::limit_commands::{KeyStanding, LimitAction, LimitCommand};
use weir_tokens::limits::{Calendar, KeyDigester};

use super::*;
use crate::leases::script::{Standing, command_call, standing};
use crate::redis::{AskError, Call};

const NAME: KeyName = KeyName { limit: 3, digest: KEY.0 };

/// A key of a budget of 1,000, in windows that a test moves.
struct Quota {
    _server: Server,
    redis: Arc<Redis>,
    _tasks: JoinSet<()>,
    scripts: Scripts,
    limit: FleetLimit,
    /// When the window began that was told last, in ms since 1970.
    begun: u64,
    /// How long windows last.
    lasts: u64,
}

impl Quota {
    /// In a window that began five seconds ago.
    async fn start() -> Self {
        let server = Server::start(&[]).unwrap();
        let (redis, tasks) = client(&server).await;
        let limit = FleetLimit {
            id: 3,
            measure: "requests".to_owned(),
            burst: 1_000,
            amount: 1_000,
            calendar: "month+01:00".to_owned(),
            name: "month".to_owned(),
            ..FleetLimit::default()
        };
        let begun = time(&redis).await - 5_000;
        let (scripts, lasts) = (Scripts::new(), 100_000);
        Self { _server: server, redis, _tasks: tasks, scripts, limit, begun, lasts }
    }

    /// A new window has begun just now.
    async fn next(&mut self) {
        let now = time(&self.redis).await;
        assert!(now > self.begun);
        self.begun = now;
    }

    fn in_window(&self, mut call: Call) -> Call {
        let bounds = [self.begun - self.lasts, self.begun, self.begun + self.lasts];
        let bounds = bounds.into_iter().chain([self.begun + 2 * self.lasts]);
        let bounds: Vec<String> = bounds.map(|bound| bound.to_string()).collect();
        call.arguments[4] = bounds.join(" ").into_bytes();
        call
    }

    async fn lease(
        &self,
        gateway: &str,
        report: KeyReport,
        (need, ask): (u64, u64),
    ) -> account::Answer {
        let wish = account::Wish { need, ask, lower: None };
        let call = lease_call(&self.redis, gateway, &report, (&self.limit, &wish, self.begun));
        let reply = self.redis.run(&self.scripts.lease, &[self.in_window(call)]).await.unwrap();
        answer(reply[0].as_ref().unwrap()).unwrap()
    }

    async fn command(&self, action: LimitAction, id: u8, units: i64) -> Standing {
        let command = LimitCommand {
            id: format!("{id:016x}"),
            action,
            limit: "month".to_owned(),
            per: Vec::new(),
            amount: None,
        };
        let call = command_call(&self.redis, (NAME, &self.limit), (&command, units), self.begun);
        let reply = self.redis.run(&self.scripts.command, &[self.in_window(call)]).await.unwrap();
        standing(reply[0].as_ref().unwrap()).unwrap()
    }

    /// Milliseconds after which Redis forgets the key.
    async fn lives(&self) -> u64 {
        let command =
            [::redis::cmd("PTTL").arg(self.redis.key(format_args!("lease:{NAME}"))).clone()];
        let replies = self.redis.ask(&command).await.unwrap();
        ::redis::from_redis_value(replies.into_iter().next().unwrap().unwrap()).unwrap()
    }
}

/// The server's time in ms since 1970.
async fn time(redis: &Redis) -> u64 {
    let replies = redis.ask(&[::redis::cmd("TIME")]).await.unwrap();
    let (seconds, micros): (u64, u64) =
        ::redis::from_redis_value(replies.into_iter().next().unwrap().unwrap()).unwrap();
    seconds * 1_000 + micros / 1_000
}

fn used(used: u64, sequence: u32, granted: u64) -> KeyReport {
    KeyReport { key: NAME, born: 1, used, sequence, granted, ..KeyReport::default() }
}

#[tokio::test]
async fn a_budget_that_is_spent_is_there_again_when_the_next_window_begins_and_not_before() {
    let mut quota = Quota::start().await;
    let first = quota.lease("a", used(700, 0, 0), (0, 0)).await;
    assert_eq!((first.charged, first.left), (700, 300));
    let refused = quota.lease("a", used(700, 1, 700), (400, 800)).await;
    assert_eq!((refused.total, refused.left), (700, 300));
    assert!((1..=quota.lasts).contains(&refused.retry_ms), "{refused:?}");
    assert!(refused.retry_ms > quota.lasts - 60_000, "{refused:?}");
    assert!(quota.lives().await > refused.retry_ms);
    quota.next().await;
    let granted = quota.lease("a", used(700, 2, 700), (400, 800)).await;
    assert_eq!((granted.total, granted.charged, granted.left), (700 + 500, 700, 500));
    assert_eq!(granted.retry_ms, 0);
    let seen = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((seen.spent, seen.granted, seen.left), (0, 500, 500));
}

#[tokio::test]
async fn what_was_granted_before_a_boundary_counts_in_the_new_window_and_is_charged_there_once() {
    let mut quota = Quota::start().await;
    let first = quota.lease("a", used(0, 0, 0), (600, 600)).await;
    assert_eq!((first.total, first.left), (600, 400));
    quota.next().await;
    // A request that was reserved in the old window is still under way: another gateway has what is left beside it.
    let other = quota.lease("b", used(0, 0, 0), (400, 400)).await;
    assert_eq!((other.total, other.left), (400, 0));
    // Nothing is left, but a gateway may give back: that is no reason to wait for the next window.
    let third = quota.lease("c", used(0, 0, 0), (10, 10)).await;
    assert_eq!((third.total, third.retry_ms), (0, 0));
    for _ in 0..2 {
        let settled = quota.lease("a", used(600, 1, 600), (0, 0)).await;
        assert_eq!((settled.charged, settled.left), (600, 0));
    }
    let seen = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((seen.spent, seen.granted), (600, 400));
    assert!(quota.lease("c", used(0, 1, 0), (500, 500)).await.retry_ms > 0);
}

#[tokio::test]
async fn only_what_may_come_back_is_a_reason_not_to_call_a_quota_spent() {
    let quota = Quota::start().await;
    // 880 are used, and 16 at hand; 104 are left, of which a request needs 118 more.
    let first = quota.lease("a", used(880, 0, 0), (16, 16)).await;
    assert_eq!((first.total, first.left), (896, 104));
    let idle = quota.lease("a", used(880, 1, 896), (118, 118)).await;
    assert!(idle.total == 896 && idle.retry_ms > 0, "{idle:?}");
    // What a request under way has reserved may come back, and what another gateway has not used.
    let reserved = KeyReport { reserved: 14, ..used(880, 2, 896) };
    assert_eq!(quota.lease("a", reserved, (118, 118)).await.retry_ms, 0);
    let other = quota.lease("b", used(0, 0, 0), (20, 20)).await;
    assert_eq!((other.total, other.left), (20, 84));
    assert_eq!(quota.lease("a", used(880, 3, 896), (104, 104)).await.retry_ms, 0);
    assert!(quota.lease("a", used(880, 4, 896), (105, 105)).await.retry_ms > 0);
}

#[tokio::test]
async fn a_clock_that_is_set_back_over_a_boundary_gives_no_budget_twice() {
    let mut quota = Quota::start().await;
    quota.lease("a", used(500, 0, 0), (0, 0)).await;
    // As if the clock had been set back by a minute or so, over the boundary: the key's window is the one after the one
    // that the server's time is in.
    let ahead = quota.begun + quota.lasts;
    set_window(&quota, ahead).await;
    let back = quota.lease("a", used(500, 1, 500), (0, 0)).await;
    assert_eq!((back.charged, back.left), (500, 500), "nothing is there anew");
    let seen = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((seen.spent, seen.left), (500, 500));
    assert!(seen.ends_in_ms.unwrap() > quota.lasts, "it ends with the window that has begun");
    // A clock that was ahead by years is put right, and what was charged stays.
    set_window(&quota, ahead + 50 * quota.lasts).await;
    let seen = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((seen.spent, seen.left), (500, 500));
    assert!(seen.ends_in_ms.unwrap() <= quota.lasts, "{seen:?}");
    quota.next().await;
    assert_eq!(quota.command(LimitAction::Show, 1, 0).await.spent, 0);
}

/// Writes into Redis that the key's window began at `from`.
async fn set_window(quota: &Quota, from: u64) {
    let key = quota.redis.key(format_args!("lease:{NAME}"));
    let bucket = format!("500 0 {from} 0 {from}");
    let command = [::redis::cmd("HSET").arg(key).arg("bucket").arg(bucket).clone()];
    quota.redis.ask(&command).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_time_is_in_no_window_refuses() {
    let mut quota = Quota::start().await;
    quota.begun += 10 * quota.lasts;
    let call =
        lease_call(&quota.redis, "a", &used(1, 0, 0), (&quota.limit, &account::Wish::default(), 0));
    let replies = quota.redis.run(&quota.scripts.lease, &[quota.in_window(call)]).await.unwrap();
    assert_eq!(replies[0], Err(AskError::Refused("ERR".to_owned())));
}

#[tokio::test]
async fn of_a_gateway_that_is_silent_a_budget_stays_granted_for_five_minutes_and_is_charged_then() {
    let mut quota = Quota::start().await;
    quota.lease("a", used(0, 0, 0), (300, 300)).await;
    let key = quota.redis.key(format_args!("lease:{NAME}"));
    let silent = async |ms: u64| {
        let record = format!("1 1 300 0 300 {}", time(&quota.redis).await - ms);
        let command = [::redis::cmd("HSET").arg(&key).arg("a").arg(record).clone()];
        quota.redis.ask(&command).await.unwrap();
    };
    silent(2 * VANISH_MS).await;
    let seen = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((seen.spent, seen.granted), (0, 300));
    silent(11 * VANISH_MS).await;
    for _ in 0..2 {
        let seen = quota.command(LimitAction::Show, 1, 0).await;
        assert_eq!((seen.spent, seen.granted, seen.left), (300, 0, 700));
    }
    quota.next().await;
    assert_eq!(quota.command(LimitAction::Show, 1, 0).await.left, 1_000);
}

#[tokio::test]
async fn a_budget_is_topped_up_once_for_each_command_and_for_this_window_only() {
    let mut quota = Quota::start().await;
    let nothing = quota.command(LimitAction::Show, 1, 0).await;
    assert!(!nothing.known && nothing.left == 1_000, "{nothing:?}");
    assert!(!quota.command(LimitAction::Show, 1, 0).await.known, "to look at it makes nothing");
    quota.lease("a", used(1_000, 0, 0), (0, 0)).await;
    for carried_out in [true, false, false] {
        let topped = quota.command(LimitAction::TopUp, 7, 250).await;
        assert_eq!((topped.carried_out, topped.topped_up, topped.left), (carried_out, 250, 250));
    }
    assert_eq!(quota.command(LimitAction::TopUp, 8, 50).await.topped_up, 300);
    let granted = quota.lease("a", used(1_000, 1, 1_000), (300, 300)).await;
    assert_eq!((granted.total, granted.left), (1_300, 0));
    quota.next().await;
    let afresh = quota.command(LimitAction::Show, 1, 0).await;
    assert_eq!((afresh.topped_up, afresh.spent, afresh.granted, afresh.left), (0, 0, 300, 700));
    // Nor does an old command count again.
    assert!(!quota.command(LimitAction::TopUp, 7, 250).await.carried_out);
}

#[tokio::test]
async fn a_top_up_can_be_taken_back_and_no_more_than_was_added() {
    let quota = Quota::start().await;
    quota.lease("a", used(900, 0, 0), (0, 0)).await;
    assert_eq!(quota.command(LimitAction::TopUp, 1, 250).await.added, 250);
    for (carried_out, added) in [(true, -50), (false, 0)] {
        let back = quota.command(LimitAction::TopUp, 2, -50).await;
        let told = (back.carried_out, back.added, back.topped_up, back.left);
        assert_eq!(told, (carried_out, added, 200, 300));
    }
    let back = quota.command(LimitAction::TopUp, 3, -500).await;
    assert_eq!((back.added, back.topped_up, back.left), (-200, 0, 100));
    // What was granted of it meanwhile stays granted, and nothing more is given.
    quota.command(LimitAction::TopUp, 4, 300).await;
    let granted = quota.lease("a", used(900, 1, 900), (400, 400)).await;
    assert_eq!((granted.total, granted.left), (1_300, 0));
    let back = quota.command(LimitAction::TopUp, 5, -300).await;
    assert_eq!((back.topped_up, back.granted, back.left), (0, 400, 0));
    let more = quota.lease("a", used(1_300, 2, 1_300), (1, 1)).await;
    assert!(more.total == 1_300 && more.retry_ms > 0, "{more:?}");
}

#[tokio::test]
async fn a_reset_forgets_what_was_spent_once_and_leaves_what_is_granted() {
    let mut quota = Quota::start().await;
    quota.lease("a", used(900, 0, 0), (0, 100)).await;
    for carried_out in [true, false] {
        let reset = quota.command(LimitAction::Reset, 9, 0).await;
        assert_eq!(
            (reset.carried_out, reset.spent, reset.granted, reset.left),
            (carried_out, 0, 50, 950)
        );
        let granted = quota.lease("a", used(900, 1, 950), (0, 0)).await;
        assert_eq!(
            (granted.charged, granted.left),
            (900, 950),
            "what was told before is not charged again"
        );
    }
    let more = quota.lease("a", used(930, 1, 950), (0, 0)).await;
    assert_eq!((more.charged, more.left), (930, 950));
    assert_eq!(quota.command(LimitAction::Reset, 9, 0).await.spent, 30);
    // Of a limit whose debt drains, too.
    quota.limit.calendar.clear();
    quota.limit.window_ms = 86_400_000;
    let command = LimitCommand {
        id: format!("{:016x}", 10),
        action: LimitAction::Reset,
        limit: "month".to_owned(),
        per: Vec::new(),
        amount: None,
    };
    let call = command_call(&quota.redis, (NAME, &quota.limit), (&command, 0), 0);
    let reply = quota.redis.run(&quota.scripts.command, &[call]).await.unwrap();
    let reset = standing(reply[0].as_ref().unwrap()).unwrap();
    assert_eq!((reset.spent, reset.left, reset.ends_in_ms), (0, 980, None));
}

#[tokio::test]
async fn a_person_names_a_consumer_and_redis_and_the_sidecar_keep_no_name() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let calendar = Calendar::parse("month+00:00").unwrap();
    let limit = Limit::of_calendar(LimitId(3), Measure::Tokens, 10_000_000, calendar);
    let mut sidecar = Sidecar::new(&redis, &["a"], limit.unwrap().of_fleet(TERMS));
    let command = |action, limit: &str, amount| LimitCommand {
        id: format!("{:016x}", 77),
        action,
        limit: limit.to_owned(),
        per: vec![Some("ann".to_owned())],
        amount,
    };
    let ask =
        async |leases: &Leases, command: LimitCommand| carry_out(leases, &redis, &command).await;
    let unknown = ask(&sidecar.leases, command(LimitAction::Show, "day", None)).await;
    assert_eq!(unknown, Err(CommandError::Unknown("is none".to_owned())));
    sidecar.round().await;
    let unknown = ask(&sidecar.leases, command(LimitAction::Show, "dya", None)).await;
    assert_eq!(unknown, Err(CommandError::Unknown("are: day".to_owned())));
    let topped = ask(&sidecar.leases, command(LimitAction::TopUp, "day", Some(2.5))).await.unwrap();
    let expected = KeyStanding {
        limit: "day".to_owned(),
        measure: "tokens".to_owned(),
        amount: 10_000.0,
        topped_up: 2.5,
        added: 2.5,
        spent: 0.0,
        granted: 0.0,
        left: 10_002.5,
        ends_in_ms: topped.ends_in_ms,
        known: false,
        carried_out: true,
    };
    assert_eq!(topped, expected);
    for (odd, problem) in [
        (command(LimitAction::TopUp, "day", None), "amount: is missing"),
        (command(LimitAction::TopUp, "day", Some(0.0)), "amount: must not be 0"),
        (command(LimitAction::TopUp, "day", Some(f64::NAN)), "amount: must not be 0"),
        (command(LimitAction::TopUp, "day", Some(1e300)), "amount: must not be 0"),
        (command(LimitAction::TopUp, "day", Some(-1e300)), "amount: must not be 0"),
        (command(LimitAction::Reset, "day", Some(1.0)), "amount: is for top-up"),
        (
            LimitCommand { id: "1".to_owned(), ..command(LimitAction::Reset, "day", None) },
            "id: must be",
        ),
        (
            LimitCommand { per: vec![None; 99], ..command(LimitAction::Show, "day", None) },
            "per: more",
        ),
        (
            LimitCommand { per: Vec::new(), ..command(LimitAction::Show, "day", None) },
            "per: day goes by 1 of them (its `per`), and 0 came",
        ),
        (
            LimitCommand { per: vec![None; 2], ..command(LimitAction::Reset, "day", None) },
            "per: day goes by 1 of them (its `per`), and 2 came",
        ),
    ] {
        let error = ask(&sidecar.leases, odd).await.unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
    // Of requests that lack all values.
    let nobody = LimitCommand { per: vec![None], ..command(LimitAction::Show, "day", None) };
    assert!(!ask(&sidecar.leases, nobody).await.unwrap().known);
    // It is the very key that a gateway makes of the name.
    let digest = sidecar.leases.digest_key().unwrap();
    let key = KeyDigester::new(&digest).slot_key(LimitId(3), [Some(b"ann".as_slice())]);
    let name = redis.key(format_args!("lease:{}", KeyName { limit: 3, digest: key.0 }));
    let stored =
        [::redis::cmd("HGETALL").arg(&name).clone(), ::redis::cmd("KEYS").arg("*").clone()];
    let replies: Vec<Vec<String>> = redis
        .ask(&stored)
        .await
        .unwrap()
        .into_iter()
        .map(|reply| ::redis::from_redis_value(reply.unwrap()).unwrap())
        .collect();
    assert_eq!(replies[0].len(), 4, "{replies:?}");
    assert!(replies.iter().flatten().all(|text| !text.contains("ann")), "{replies:?}");
    let (counts, _) = sidecar.leases.commands();
    assert_eq!(counts.get(&("day".to_owned(), "top-up")), Some(&1));
}

#[tokio::test]
async fn limits_that_drain_are_not_topped_up_and_calendars_of_a_newer_gateway_are_left_alone() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let mut sidecar = Sidecar::new(&redis, &["a"], limit(1_000));
    sidecar.round().await;
    let command = LimitCommand {
        id: format!("{:016x}", 1),
        action: LimitAction::TopUp,
        limit: "day".to_owned(),
        per: vec![None],
        amount: Some(1.0),
    };
    let error = carry_out(&sidecar.leases, &redis, &command).await.unwrap_err().to_string();
    assert!(error.starts_with("only a budget by days"), "{error}");
    assert_eq!(list(&sidecar.leases).limits[0].window_ms, 86_400_000);
    let newer = FleetLimit { id: 4, calendar: "decade+00:00".to_owned(), ..FleetLimit::default() };
    let report = FleetReport { gateway: "0".repeat(16), limits: vec![newer], keys: Vec::new() };
    sidecar.leases.record("a", report);
    assert!(list(&sidecar.leases).limits.is_empty());
}
