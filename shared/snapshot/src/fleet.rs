//! What sidecar and gateway say to each other of limits that are one for a whole fleet.
//!
//! A gateway tells totals since a key's slot was made, and is told totals: so nothing is counted twice,
//! whatever is lost, late or repeated on the way.
//!
//! Both are lists of lines in the JSON of push and reply, words parted by spaces: code that reads and writes
//! objects would take 8 KB of the suite.

use core::fmt::{self, Display};

use crate::hex::{decode_hex_into, hex};
use crate::limits::{MAX_GRANTS, MAX_KEY_REPORTS};

/// How the fleet stands and what it grants. Only a gateway that has told of such limits is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetNews {
    /// Whether the sidecar reaches what the sidecars share.
    pub reachable: bool,
    /// How many gateways there are, 1 at least.
    pub gateways: u32,
    /// For how long this holds, in ms.
    pub valid_ms: u32,
    /// What names of keys are digested with. The same for all gateways.
    pub key: [u8; 32],
    /// What is granted, at most [`MAX_GRANTS`].
    pub grants: Vec<Grant>,
}

/// What a gateway may spend on one key of one limit. All amounts are in units of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grant {
    /// Whose it is.
    pub key: KeyName,
    /// As in [`KeyReport`].
    pub born: u32,
    /// Number of the grant: only one with a greater number than the last is taken over.
    pub sequence: u32,
    /// Granted since the slot was made. Less than before takes back what is neither used nor reserved.
    pub total: u64,
    /// How much of what the gateway has told to be used is charged.
    pub charged: u64,
    /// What is left for all gateways.
    pub left: u64,
    /// ms until what was wanted can be granted; 0 if it was.
    pub retry_ms: u64,
}

/// What a gateway has to tell of a fleet's limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetReport {
    /// Which Envoy: 16 hex digits that it has made when its shared data was empty.
    pub gateway: String,
    /// The limits that its policies name.
    pub limits: Vec<FleetLimit>,
    /// Keys that there is something to tell of, at most [`MAX_KEY_REPORTS`] at a time, in turn.
    pub keys: Vec<KeyReport>,
}

/// A limit of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetLimit {
    /// What stands for it in the names of keys.
    pub id: u32,
    /// What it counts: `tokens`, `cost` or `requests`.
    pub measure: String,
    /// Units at once.
    pub burst: u64,
    /// Units per window.
    pub amount: u64,
    /// The window in ms; 0 where it goes by a calendar.
    pub window_ms: u64,
    /// The calendar whose windows it goes by, such as `month+01:00`; empty where it
    /// goes by none.
    pub calendar: String,
    /// Units that one gateway may spend of a key before its first grant.
    pub first: u64,
    /// What it is called.
    pub name: String,
    /// How many values say whose key is meant; `None` where the gateway did not say.
    pub values: Option<usize>,
}

/// How one key stands at a gateway. All amounts are in units of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyReport {
    /// Whose it is.
    pub key: KeyName,
    /// Tells this slot from an earlier one of the same key.
    pub born: u32,
    /// Number of the grant that is in force; 0 before the first.
    pub sequence: u32,
    /// Used since the slot was made.
    pub used: u64,
    /// Reserved for requests under way.
    pub reserved: u64,
    /// The total that is in force.
    pub granted: u64,
    /// What a request lacked which was refused.
    pub wanted: u64,
}

/// A limit's id, and the digest that stands for the key: 40 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct KeyName {
    /// [`FleetLimit::id`].
    pub limit: u32,
    /// What stands for the key.
    pub digest: [u8; 16],
}

impl KeyName {
    /// The name from its digits; `None` if it is none.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (limit, digest) = name.split_at_checked(8)?;
        let (mut id, mut key) = ([0; 4], Self::default());
        let read = decode_hex_into(limit.as_bytes(), &mut id)
            && decode_hex_into(digest.as_bytes(), &mut key.digest);
        key.limit = u32::from_be_bytes(id);
        read.then_some(key)
    }
}

impl Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.limit.to_be_bytes()))?;
        f.write_str(&hex(&self.digest))
    }
}

impl FleetNews {
    /// The lines: reachable (0 or 1), gateways, validity, digest key; then for each grant key, born, sequence,
    /// total, charged, left, retry.
    #[must_use]
    pub fn to_lines(&self) -> Vec<String> {
        let Self { reachable, gateways, valid_ms, key, grants } = self;
        let head = format!("{} {gateways} {valid_ms} {}", u8::from(*reachable), hex(key));
        let line = |grant: &Grant| {
            let Grant { key, born, sequence, total, charged, left, retry_ms } = grant;
            format!("{key} {born} {sequence} {total} {charged} {left} {retry_ms}")
        };
        [head].into_iter().chain(grants.iter().map(line)).collect()
    }

    /// Reads the lines; `None` if one is none.
    #[must_use]
    pub fn parse(lines: &[String]) -> Option<Self> {
        let (head, grants) = lines.split_first()?;
        let mut words = head.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (reachable, gateways) = (number()? != 0, number()? as u32);
        let valid_ms = number()? as u32;
        let mut news = Self { reachable, gateways, valid_ms, ..Self::default() };
        if !decode_hex_into(words.next()?.as_bytes(), &mut news.key) || grants.len() > MAX_GRANTS {
            return None;
        }
        for line in grants {
            let (key, [born, sequence, total, charged, left, retry_ms]) = key_line(line)?;
            let (born, sequence) = (born as u32, sequence as u32);
            news.grants.push(Grant { key, born, sequence, total, charged, left, retry_ms });
        }
        Some(news)
    }
}

/// A key and six numbers.
fn key_line(line: &str) -> Option<(KeyName, [u64; 6])> {
    let mut words = line.split(' ');
    let key = KeyName::parse(words.next()?)?;
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    Some((key, numbers))
}

impl Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, born, sequence, used, reserved, granted, wanted } = self;
        write!(f, "key {key} {born} {sequence} {used} {reserved} {granted} {wanted}")
    }
}

impl FleetReport {
    /// Reads the lines of a reply: `gateway ID`; `limit` with id, measure, burst, amount, window, first and name
    /// for each limit, and after it `per` with id and number of values; `key` with name, born, sequence, used, reserved, granted,
    /// wanted for each key. Others are left out. `None` where no gateway is named.
    #[must_use]
    pub fn parse(lines: &[String]) -> Option<Self> {
        let mut report = Self::default();
        for line in lines {
            let Some((kind, rest)) = line.split_once(' ') else { continue };
            match kind {
                "gateway" if rest.len() == 16 => rest.clone_into(&mut report.gateway),
                "limit" => report.limits.extend(limit_line(rest)),
                "per" => report.take_values(rest),
                "key" => report.keys.extend(key_report(rest)),
                _ => {}
            }
        }
        report.keys.truncate(MAX_KEY_REPORTS);
        let known = report.gateway.bytes().all(|digit| digit.is_ascii_hexdigit());
        (known && !report.gateway.is_empty()).then_some(report)
    }

    fn take_values(&mut self, line: &str) {
        let Some((id, values)) = line.split_once(' ') else { return };
        let id = u32::from_str_radix(id, 16).ok();
        let limit = self.limits.iter_mut().find(|limit| Some(limit.id) == id);
        if let (Some(limit), Ok(values)) = (limit, values.parse()) {
            limit.values = Some(values);
        }
    }
}

fn limit_line(line: &str) -> Option<FleetLimit> {
    let mut words = line.splitn(7, ' ');
    let id = u32::from_str_radix(words.next()?, 16).ok()?;
    let measure = words.next()?.to_owned();
    let mut number = || words.next()?.parse::<u64>().ok().filter(|number| *number > 0);
    let (burst, amount) = (number()?, number()?);
    let window = words.next()?;
    let (window_ms, calendar) = match window.starts_with(|first: char| first.is_ascii_alphabetic())
    {
        true => (0, window.to_owned()),
        false => (window.parse().ok().filter(|ms| *ms > 0)?, String::new()),
    };
    let first = words.next()?.parse().ok()?;
    let name = words.next()?.to_owned();
    let values = None;
    Some(FleetLimit { id, measure, burst, amount, window_ms, calendar, first, name, values })
}

fn key_report(line: &str) -> Option<KeyReport> {
    let (key, [born, sequence, used, reserved, granted, wanted]) = key_line(line)?;
    let (born, sequence) = (u32::try_from(born).ok()?, u32::try_from(sequence).ok()?);
    Some(KeyReport { key, born, sequence, used, reserved, granted, wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn name(first: u8) -> KeyName {
        KeyName { limit: 0x0A0B_0C0D, digest: core::array::from_fn(|at| at as u8 + first) }
    }

    #[test]
    fn names_of_keys_are_forty_hexadecimal_digits_and_nothing_else_is_one() {
        let text = name(0xF0).to_string();
        assert_eq!(text, "0a0b0c0df0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        assert_eq!(KeyName::parse(&text), Some(name(0xF0)));
        for odd in ["", "0a0b0c0d", &text[1..], "+a0b0c0df0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "é"] {
            assert_eq!(KeyName::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn news_is_read_as_it_was_written_or_not_at_all() {
        let grant =
            |first| Grant { key: name(first), total: u64::MAX, born: 7, ..Grant::default() };
        let grants = vec![grant(0), grant(9)];
        let news =
            FleetNews { reachable: true, gateways: 3, valid_ms: 2_000, key: [5; 32], grants };
        let lines = news.to_lines();
        assert_eq!(FleetNews::parse(&lines), Some(news));
        for (at, odd) in [(0, ""), (0, "1 2"), (0, "1 2 3 0f"), (2, "x"), (1, "")] {
            let mut lines = lines.clone();
            odd.clone_into(&mut lines[at]);
            assert_eq!(FleetNews::parse(&lines), None, "{odd}");
        }
        let many = [&lines[..1], &vec![lines[1].clone(); MAX_GRANTS + 1]].concat();
        assert_eq!((FleetNews::parse(&[]), FleetNews::parse(&many)), (None, None));
    }

    #[test]
    fn a_report_leaves_out_what_it_cannot_read() {
        let key =
            KeyReport { key: name(1), born: 2, used: u64::MAX, wanted: 4, ..KeyReport::default() };
        let lines = [
            "gateway 00ff00ff00ff00ff",
            "limit 0000000a tokens 2 1 60000 0 key-minute",
            "per 0000000a 1",
            "per 0000000b 2",
            "per x",
            "limit 0000000b tokens 2 0 60000 0 no-amount",
            "limit 0000000c tokens 2 1 0 0 no-window",
            "limit 0000000d cost 2 2 month+01:00 0 key-month",
            "limit x",
            &key.to_string(),
            "key 00 1",
            "later 1",
            "",
        ];
        let lines = lines.map(str::to_owned);
        let report = FleetReport::parse(&lines).unwrap();
        let limit = FleetLimit {
            id: 10,
            measure: "tokens".to_owned(),
            burst: 2,
            amount: 1,
            window_ms: 60_000,
            calendar: String::new(),
            first: 0,
            name: "key-minute".to_owned(),
            values: Some(1),
        };
        let month = FleetLimit {
            id: 13,
            measure: "cost".to_owned(),
            amount: 2,
            window_ms: 0,
            calendar: "month+01:00".to_owned(),
            name: "key-month".to_owned(),
            values: None,
            ..limit.clone()
        };
        assert_eq!((report.limits, report.keys), (vec![limit, month], vec![key]));
        assert_eq!(FleetReport::parse(&lines[1..]), None);
        assert_eq!(FleetReport::parse(&["gateway 00ff00ff00ff00fx".to_owned()]), None);
    }
}
