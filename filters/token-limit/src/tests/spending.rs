//! What consumers have spent, for the sidecar.

use super::*;
use weir_tokens::spending::{SPENDING_KEY, Spender, SpendingTable, Spent};

/// A policy with prices that may show who asks, or not.
fn priced(shows: bool) -> String {
    let prices = r#""prices":[{"model":"*","prompt":1,"cached":"0.5","completion":2}]"#;
    let policy = format!(r#""default":{{"show_consumers":{shows},{prices},"#);
    config(TOKENS).replace(r#""default":{"#, &policy)
}

fn table(host: &FakeHost) -> SpendingTable {
    SpendingTable::read(&host.shared(SPENDING_KEY).unwrap().unwrap().0).unwrap()
}

fn rows(host: &FakeHost) -> Vec<(String, String, Spent)> {
    let table = table(host);
    let row = |(who, row): (&Spender, &weir_tokens::spending::Row)| {
        (who.consumer.clone(), who.model.clone(), row.spent)
    };
    table.since(0).into_iter().map(row).collect()
}

const CACHED: &str = r#"{"usage":{"prompt_tokens":20,"prompt_tokens_details":{"cached_tokens":16},"completion_tokens":7}}"#;

#[test]
fn what_workers_settle_is_summed_by_consumer_and_model_and_named_where_the_policy_says_so() {
    for shows in [false, true] {
        let mut one = Worker::new(&priced(shows));
        let mut other = Worker::beside(&one.host, &priced(shows));
        for worker in [&mut one, &mut other] {
            let stream = worker.send(&CHAT).unwrap();
            worker.answer(stream, "200", CACHED);
        }
        assert!(rows(&one.host).is_empty(), "it waits for a tick");
        one.now(500);
        one.tick();
        other.tick();
        // (4 × 1 + 16 × 0.5 + 7 × 2) / 1,000,000, twice.
        let spent = Spent {
            requests: 2,
            prompt: 40,
            cached: 32,
            completion: 14,
            reasoning: 0,
            cost: 2 * 26_000_000,
        };
        let consumer = if shows { "ann" } else { "" };
        assert_eq!(rows(&one.host), [(consumer.to_owned(), "m".to_owned(), spent)]);
        assert_eq!(one.host.tick_ms(), 0, "nothing waits any more");
    }
}

#[test]
fn what_took_nothing_is_not_there_and_what_was_cut_is_there_as_it_was_seen() {
    let prompt = estimated();
    let mut worker = Worker::new(&config(TOKENS));
    let stream = worker.send(&CHAT).unwrap();
    worker.answer(stream, "404", r#"{"error":{"message":"no such model"}}"#);
    let mut stream = worker.send(&STREAM).unwrap();
    worker.open(stream.as_mut(), "200", "text/event-stream");
    worker.piece(stream.as_mut(), b"data: {}\n\ndata: {}\n\n", false);
    stream.on_end();
    worker.now(500);
    worker.tick();
    let rows = rows(&worker.host);
    assert_eq!(rows.len(), 1, "a model that no replica has takes no row: {rows:?}");
    let (spent, cut) = (rows[0].2, (1, prompt, 2));
    assert_eq!((spent.requests, spent.prompt, spent.completion), cut);
}

#[test]
fn what_waits_when_the_filter_ends_or_a_write_is_lost_is_added_all_the_same() {
    let mut worker = Worker::new(&config(TOKENS));
    let stream = worker.send(&CHAT).unwrap();
    worker.answer(stream, "200", USAGE);
    worker.host.lose_swaps(1_000);
    worker.now(500);
    worker.tick();
    assert!(rows(&worker.host).is_empty());
    assert_eq!(worker.host.metric("weir_limit_spending_untold_total"), Some(1));
    assert!(worker.host.logs()[0].1.contains("weir/spending1/table"));
    worker.host.lose_swaps(0);
    worker.root.on_end();
    assert_eq!(rows(&worker.host).len(), 1);
}

#[test]
fn a_table_that_cannot_be_read_is_begun_anew_and_said_to_be() {
    let mut worker = Worker::new(&config(TOKENS));
    let begun = table(&worker.host).epoch();
    worker.host.set_shared(SPENDING_KEY, b"garbage", None).unwrap();
    let stream = worker.send(&CHAT).unwrap();
    worker.answer(stream, "200", USAGE);
    worker.now(500);
    worker.tick();
    assert_eq!((rows(&worker.host).len(), table(&worker.host).epoch()), (1, begun + 500));
    assert!(worker.host.logs()[0].1.contains("is no table"));
    // A worker that is configured later leaves it as it is.
    Worker::beside(&worker.host, &config(TOKENS));
    assert_eq!(rows(&worker.host).len(), 1);
}
