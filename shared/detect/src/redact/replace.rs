//! What stands in for a value.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::pseudonym::Pseudonyms;
use crate::policy::Policy;
use crate::raw::Action;
use crate::rule::Rule;

/// Hexadecimal digits of a hash that are shown: 48 bits, so that values rarely collide.
const HASH_DIGITS: usize = 12;
/// Characters that `mask` leaves readable.
const CLEAR: usize = 4;

/// The replacement of `value`, or `None` when the action leaves it.
pub(crate) fn replacement(
    policy: &Policy,
    rule: &Rule,
    action: Action,
    value: &str,
    pseudonyms: &mut Pseudonyms,
) -> Option<String> {
    let name = || ["[", &rule.entity, "]"].concat();
    match action {
        Action::Flag => None,
        Action::Redact | Action::Block => Some(name()),
        Action::Mask => Some(mask(value)),
        Action::Hash => Some(
            policy
                .hash_key()
                .map_or_else(name, |key| format!("[{}:{}]", rule.entity, keyed_hash(key, value))),
        ),
        Action::Pseudonymise => {
            Some(pseudonyms.name(&rule.entity, value).map_or_else(name, str::to_owned))
        }
    }
}

/// Stars for letters and digits, except the last four; short values are starred whole.
fn mask(value: &str) -> String {
    let counted = |c: char| c.is_alphanumeric();
    let total = value.chars().filter(|c| counted(*c)).count();
    let hidden = if total > 2 * CLEAR { total - CLEAR } else { total };
    let mut seen = 0;
    let star = |c: char| {
        seen += usize::from(counted(c));
        if counted(c) && seen <= hidden { '*' } else { c }
    };
    value.chars().map(star).collect()
}

fn keyed_hash(key: &[u8], value: &str) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(value.as_bytes());
    let digest = mac.finalize().into_bytes();
    let hex = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    digest.iter().flat_map(|b| [hex(b >> 4), hex(b & 15)]).take(HASH_DIGITS).collect()
}
