use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn spender(consumer: &str, model: &str) -> Spender {
    Spender { consumer: consumer.to_owned(), model: model.to_owned() }
}

fn used(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Used {
    Used { prompt, cached, completion, reasoning, complete: true }
}

/// Prices of a million tokens, in units of the currency.
const PRICES: Weights =
    Weights { prompt: 500_000, cached: 50_000, completion: 1_500_000, reasoning: 1_500_000 };

#[test]
fn what_is_spent_is_summed_by_consumer_and_model_and_by_type() {
    let mut table = SpendingTable::new(7);
    let (ann, small) = (spender("ann", "large"), spender("ann", "small"));
    table.add(&ann, &Spent::of(&used(100, 40, 30, 10), &PRICES));
    table.add(&small, &Spent::of(&used(1, 0, 1, 0), &Weights::all(0)));
    // A replica that reports more cached than prompt tokens has cached all of them.
    table.add(&ann, &Spent::of(&used(10, 99, 5, 9), &PRICES));
    let rows = table.since(0);
    let costs = 60 * 500_000 + 40 * 50_000 + 30 * 1_500_000 + 10 * 50_000 + 5 * 1_500_000;
    let expected = [
        (&small, Spent { requests: 1, prompt: 1, completion: 1, ..Spent::default() }),
        (
            &ann,
            Spent {
                requests: 2,
                prompt: 110,
                cached: 50,
                completion: 35,
                reasoning: 15,
                cost: costs,
            },
        ),
    ];
    let found: Vec<_> = rows.iter().map(|(spender, row)| (*spender, row.spent)).collect();
    assert_eq!(found, expected, "in the order of their last change");
}

#[test]
fn a_reader_asks_for_what_changed_since_and_misses_nothing() {
    let mut table = SpendingTable::new(7);
    let one = Spent { requests: 1, ..Spent::default() };
    for name in ["a", "b", "c"] {
        table.add(&spender(name, "m"), &one);
    }
    assert_eq!(table.version(), 3);
    table.add(&spender("a", "m"), &one);
    let names = |version| {
        let rows = table.since(version);
        rows.iter().map(|(spender, _)| spender.consumer.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["b", "c", "a"]);
    assert_eq!(names(2), ["c", "a"]);
    assert!(names(4).is_empty());
    assert_eq!(table.since(3)[0].1.spent.requests, 2, "a row is told as a sum");
}

#[test]
fn any_number_of_names_lies_in_a_bounded_table_and_nothing_is_lost() {
    let mut table = SpendingTable::new(7);
    let one = Spent { requests: 1, prompt: 3, ..Spent::default() };
    for index in 0..3 * MAX_ROWS {
        table.add(&spender(&format!("consumer {index}"), "m"), &one);
    }
    table.add(&spender(&"x".repeat(MAX_NAME_BYTES + 1), "m"), &one);
    // Who has a row keeps it.
    table.add(&spender("consumer 0", "m"), &one);
    let rows = table.since(0);
    assert_eq!(rows.len(), MAX_ROWS);
    let sum: u64 = rows.iter().map(|(_, row)| row.spent.requests).sum();
    assert_eq!(sum, 3 * MAX_ROWS as u64 + 2);
    let of = |spender: &Spender| {
        rows.iter().find(|(other, _)| *other == spender).map(|(_, row)| row.spent.requests)
    };
    assert_eq!(of(&Spender::others()), Some(2 * MAX_ROWS as u64 + 2));
    assert_eq!(of(&spender("consumer 0", "m")), Some(2));
    let longest = 20 + MAX_ROWS * (2 * (1 + MAX_NAME_BYTES) + 8 * (COUNTS + 1));
    assert!(table.encode().len() <= longest);
}

#[test]
fn a_name_that_is_too_long_takes_no_row() {
    let mut table = SpendingTable::new(7);
    let one = Spent { requests: 1, ..Spent::default() };
    table.add(&spender("a", &"m".repeat(MAX_NAME_BYTES)), &one);
    table.add(&spender("a", &"m".repeat(MAX_NAME_BYTES + 1)), &one);
    let names: Vec<_> =
        table.since(0).iter().map(|(spender, _)| spender.consumer.as_str()).collect();
    assert_eq!(names, ["a", OTHERS]);
}

#[test]
fn what_was_stored_is_read_and_other_bytes_are_not() {
    let mut table = SpendingTable::new(u64::MAX);
    table.add(&spender("", "m"), &Spent { requests: u64::MAX, ..Spent::default() });
    table.add(&spender("Änn", "m"), &Spent::of(&used(1, 1, 1, 1), &PRICES));
    let bytes = table.encode();
    assert_eq!(SpendingTable::read(&bytes), Some(table.clone()));
    for end in 0..bytes.len() {
        let rows = SpendingTable::read(&bytes[..end]).map(|table| table.rows.len());
        assert!(rows.is_none_or(|rows| rows < 2), "{end}");
    }
    assert_eq!(SpendingTable::read(b""), None);
    assert_eq!(SpendingTable::read(b"WSP\x02"), None);
    let mut odd = SpendingTable::new(1).encode();
    odd.extend([1, 0xFF, 0]);
    assert_eq!(SpendingTable::read(&odd), None, "no UTF-8");
    table.add(&spender("", "m"), &Spent { requests: 1, ..Spent::default() });
    assert_eq!(table.since(2)[0].1.spent.requests, u64::MAX, "no overflow");
}

#[cfg(not(target_arch = "wasm32"))]
proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_a_trap_and_written_back_alike(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400),
    ) {
        if let Some(table) = SpendingTable::read(&[&MAGIC[..], &bytes].concat()) {
            proptest::prop_assert_eq!(SpendingTable::read(&table.encode()), Some(table));
        }
    }
}
