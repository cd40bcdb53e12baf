//! The loads, a row of the table each.

/// One load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// As in the table and after `--rows`.
    pub(crate) name: &'static str,
    pub(crate) sessions_per_second: f64,
    /// So many of the five replicas are three times slower than the others.
    pub(crate) slow_replicas: usize,
}

/// Every load.
pub(crate) const ALL: [Row; 3] = [
    Row { name: "1.5", sessions_per_second: 1.5, slow_replicas: 0 },
    Row { name: "4", sessions_per_second: 4.0, slow_replicas: 0 },
    Row { name: "2-slow", sessions_per_second: 2.0, slow_replicas: 2 },
];

/// The load by that name.
pub(crate) fn named(name: &str) -> Result<Row, String> {
    let known = || ALL.map(|row| row.name).join(", ");
    let found = ALL.into_iter().find(|row| row.name == name);
    found.ok_or_else(|| format!("no row {name}: one of {}", known()))
}
