//! What consumers have spent, for the sidecar that pushes.

use weir_host::Host;
use weir_pools::Undecodable;
use weir_snapshot::limits::MAX_SPENDING_ROWS;
use weir_snapshot::{Accepted, SpendingRow, SpendingSeen};
use weir_tokens::spending::{Row, SPENDING_KEY, Spender, SpendingTable};

/// Tells what has changed since `seen`; nothing to a sidecar that does not say what it has seen.
pub(crate) fn tell<H: Host>(
    host: &H,
    undecodable: &Undecodable,
    seen: Option<SpendingSeen>,
    reply: &mut Accepted,
) {
    let Some(seen) = seen else { return };
    let Some((stored, _)) = host.shared(SPENDING_KEY).ok().flatten() else { return };
    let Some(table) = SpendingTable::read(&stored) else {
        return undecodable.note(host, SPENDING_KEY, &"it is no table of what was spent");
    };
    reply.spending = changed(&table, seen);
}

fn changed(table: &SpendingTable, seen: SpendingSeen) -> Option<weir_snapshot::Spending> {
    let since = seen.since(table.epoch());
    let changed = table.since(since);
    let told = changed.get(..MAX_SPENDING_ROWS);
    let last = told.and_then(<[_]>::last).map(|(_, row)| row.changed);
    let rows: Vec<_> = told.unwrap_or(&changed).iter().map(|(who, row)| shown(who, row)).collect();
    let version = last.unwrap_or(table.version());
    (!rows.is_empty()).then_some(weir_snapshot::Spending { epoch: table.epoch(), version, rows })
}

fn shown(Spender { consumer, model }: &Spender, row: &Row) -> SpendingRow {
    let spent = row.spent;
    SpendingRow {
        consumer: consumer.clone(),
        model: model.clone(),
        changed: row.changed,
        requests: spent.requests,
        prompt_tokens: spent.prompt,
        cached_tokens: spent.cached,
        completion_tokens: spent.completion,
        reasoning_tokens: spent.reasoning,
        cost: spent.cost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_tokens::spending::Spent;

    fn told(host: &FakeHost, seen: Option<SpendingSeen>) -> Option<weir_snapshot::Spending> {
        let mut reply = Accepted::default();
        tell(host, &Undecodable::new("weir.intake"), seen, &mut reply);
        reply.spending
    }

    fn store(host: &FakeHost, consumers: usize) {
        let mut table = SpendingTable::new(5);
        let spent = Spent { requests: 1, prompt: 2, cost: 3, ..Spent::default() };
        for index in 0..consumers {
            let spender = Spender { consumer: format!("c{index}"), model: "m".to_owned() };
            table.add(&spender, &spent);
        }
        host.set_shared(SPENDING_KEY, &table.encode(), None).unwrap();
    }

    #[test]
    fn a_sidecar_is_told_all_of_it_piece_by_piece_and_then_nothing() {
        let host = FakeHost::new();
        store(&host, 2 * MAX_SPENDING_ROWS + 3);
        assert_eq!(told(&host, None), None, "it does not say what it has seen");
        // What it knew of an earlier process is worth nothing.
        let mut seen = SpendingSeen { epoch: 4, version: 9_999 };
        let mut names = std::collections::BTreeSet::new();
        for rows in [MAX_SPENDING_ROWS, MAX_SPENDING_ROWS, 3] {
            let spending = told(&host, Some(seen)).unwrap();
            assert_eq!(spending.rows.len(), rows);
            seen = SpendingSeen { epoch: spending.epoch, version: spending.version };
            names.extend(spending.rows.into_iter().map(|row| row.consumer));
        }
        assert_eq!((told(&host, Some(seen)), names.len()), (None, 2 * MAX_SPENDING_ROWS + 3));
    }

    #[test]
    fn a_table_that_cannot_be_read_is_counted_and_nothing_is_told() {
        let host = FakeHost::new();
        assert_eq!(told(&host, Some(SpendingSeen::default())), None);
        assert_eq!(host.metric("weir_undecodable_total"), None);
        host.set_shared(SPENDING_KEY, b"garbage", None).unwrap();
        assert_eq!(told(&host, Some(SpendingSeen::default())), None);
        assert_eq!(host.metric("weir_undecodable_total"), Some(1));
    }
}
