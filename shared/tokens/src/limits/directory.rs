//! Which limits there are, for whoever looks at slots without a policy.
//!
//! One value of shared data, a line for each limit: id in hexadecimal, measure, capacity, amount, window
//! (in ms, or a [`Calendar`]) and the units of a first grant in decimal (`-` for a limit of this Envoy alone), then the name, and
//! by how many values it goes.

use super::calendar::Calendar;
use super::limit::{Away, FleetTerms, Limit, LimitId, Measure};

/// Name of the value in shared data. The number is that of the layout, as in [`super::Place`].
pub const DIRECTORY_KEY: &str = "weir/limits3/names";

/// Most limits that are listed; the ones that were said longest ago go first.
pub const MAX_LISTED: usize = 256;

/// A limit by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// What it allows.
    pub limit: Limit,
    /// How many values say whose slot of it is meant.
    pub values: u64,
}

impl core::fmt::Display for Listed {
    /// Its line, but for the number of values.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { name, limit, .. } = self;
        let (id, measure) = (limit.id().0, measure_name(limit.measure()));
        let (capacity, amount) = (limit.capacity(), limit.amount());
        write!(f, "{id:08x} {measure} {capacity} {amount} ")?;
        match limit.calendar() {
            Some(calendar) => write!(f, "{calendar} ")?,
            None => write!(f, "{} ", limit.window_ms())?,
        }
        match limit.fleet() {
            Some(terms) => write!(f, "{} {name}", terms.first),
            None => write!(f, "- {name}"),
        }
    }
}

impl Listed {
    fn as_listed(&self) -> Self {
        let name = self.name.clone();
        let limit = match self.limit.fleet() {
            Some(terms) => self.limit.of_fleet(listed_terms(terms.first)),
            None => self.limit,
        };
        Self { name, limit, values: self.values }
    }
}

/// The limits that a directory lists. Lines that cannot be read are left out.
pub fn read_directory(bytes: &[u8]) -> Vec<Listed> {
    let text = core::str::from_utf8(bytes).unwrap_or_default();
    text.lines().filter_map(read_line).take(MAX_LISTED).collect()
}

/// The directory with `limits` as its newest lines; `None` if they are listed as they are.
pub fn with_limits(bytes: &[u8], limits: &[Listed]) -> Option<Vec<u8>> {
    let mut all = read_directory(bytes);
    if limits.iter().all(|limit| all.contains(&limit.as_listed())) {
        return None;
    }
    all.retain(|known| limits.iter().all(|limit| limit.limit.id() != known.limit.id()));
    all.extend_from_slice(limits);
    let first = all.len().saturating_sub(MAX_LISTED);
    let lines = all.iter().skip(first).map(|listed| format!("{listed} {}\n", listed.values));
    Some(lines.collect::<String>().into_bytes())
}

fn read_line(line: &str) -> Option<Listed> {
    let mut words = line.splitn(7, ' ');
    let id = LimitId(u32::from_str_radix(words.next()?, 16).ok()?);
    let measure = measure_by_name(words.next()?)?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (capacity, amount) = (number()?, number()?);
    let window = words.next()?;
    let limit = match Calendar::parse(window) {
        Some(calendar) => Limit::of_calendar(id, measure, amount, calendar),
        None => Limit::new(id, measure, amount, window.parse().ok()?, capacity),
    };
    let limit = limit.ok()?;
    let limit = match words.next()? {
        "-" => limit,
        first => limit.of_fleet(listed_terms(first.parse().ok()?)),
    };
    let (name, values) = words.next()?.rsplit_once(' ')?;
    Some(Listed { name: name.to_owned(), limit, values: values.parse().ok()? })
}

/// Of a fleet's terms, a directory tells the first grant alone.
fn listed_terms(first: u64) -> FleetTerms {
    FleetTerms { first, away: Away::Local, share_permille: 0, reachable: false, named: false }
}

const MEASURES: [(Measure, &str); 4] = [
    (Measure::Tokens, "tokens"),
    (Measure::Cost, "cost"),
    (Measure::Requests, "requests"),
    (Measure::Concurrent, "concurrent"),
];

/// What a measure is called, as in settings.
pub fn measure_name(measure: Measure) -> &'static str {
    MEASURES.iter().find(|(known, _)| *known == measure).map_or("", |(_, name)| name)
}

/// The measure of a name; `None` if it is none.
pub fn measure_by_name(name: &str) -> Option<Measure> {
    MEASURES.iter().find(|(_, known)| *known == name).map(|(measure, _)| *measure)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn listed(id: u32, measure: Measure, amount: u64) -> Listed {
        let limit = Limit::new(LimitId(id), measure, amount, 60_000, amount * 2).unwrap();
        Listed { name: format!("limit-{id}"), limit, values: 2 }
    }

    #[test]
    fn what_was_listed_is_read_and_said_once() {
        let all = MEASURES.map(|(measure, _)| listed(measure.units() as u32, measure, 7));
        let bytes = with_limits(b"", &all[..3]).unwrap();
        assert_eq!(read_directory(&bytes), all[..3]);
        assert_eq!(with_limits(&bytes, &all[1..2]), None);
        let mut other = listed(1_000, Measure::Tokens, 9);
        let terms =
            FleetTerms { away: Away::Deny, share_permille: 7, reachable: true, ..listed_terms(5) };
        other.limit = other.limit.of_fleet(terms);
        let changed = with_limits(&bytes, core::slice::from_ref(&other)).unwrap();
        let found = read_directory(&changed);
        assert_eq!(found.len(), 3);
        assert_eq!(found.last(), Some(&other.as_listed()));
        assert_eq!(with_limits(&changed, &[other]), None);
        let line = "000003e8 tokens 18 9 60000 5 limit-1000";
        assert_eq!(found.last().unwrap().to_string(), line);
        let calendar = Calendar::parse("month-01:30").unwrap();
        let limit = Limit::of_calendar(LimitId(5), Measure::Cost, 9, calendar).unwrap();
        let quota =
            Listed { name: "month".to_owned(), limit: limit.of_fleet(listed_terms(2)), values: 0 };
        let bytes = with_limits(&changed, core::slice::from_ref(&quota)).unwrap();
        let line = read_directory(&bytes).pop().unwrap();
        assert_eq!(
            (line.to_string().as_str(), line),
            ("00000005 cost 9 9 month-01:30 2 month", quota)
        );
    }

    #[test]
    fn a_directory_is_bounded_and_no_bytes_are_an_error() {
        let mut bytes = Vec::new();
        for id in 0..2 * MAX_LISTED as u32 {
            bytes = with_limits(&bytes, &[listed(id, Measure::Tokens, 1)]).unwrap();
        }
        let found = read_directory(&bytes);
        assert_eq!(found.len(), MAX_LISTED);
        assert_eq!(found[0].limit.id(), LimitId(MAX_LISTED as u32));
        for odd in [
            &b"\xff"[..],
            b"1 tokens 1",
            b"1 tokens 1 1 1000 - a",
            b"1 tokens 1 1 1000 - a x",
            b"zz tokens 1 1 1 - a 1",
            b"1 money 1 1 1000 - a 1\n\n",
            b"1 tokens 1 1 year+00:00 - a 1",
        ] {
            assert!(read_directory(odd).is_empty(), "{odd:?}");
        }
    }
}
