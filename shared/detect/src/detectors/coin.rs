//! Crypto-currency addresses.

use super::address::runs;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;
use crate::validate::crypto;

/// Every address in the segment.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, |b| b.is_ascii_alphanumeric()) {
        let text = segment.slice(run.clone());
        let bitcoin = match text.first() {
            Some(b'1' | b'3' | b'm' | b'n' | b'2') => {
                (26..=35).contains(&text.len()) && crypto::base58check(text)
            }
            Some(b'b' | b't' | b'l' | b'B' | b'T' | b'L') => {
                (14..=90).contains(&text.len()) && crypto::bech32(text)
            }
            _ => false,
        };
        if bitcoin {
            out.push(Candidate::plain(run, BuiltIn::BitcoinAddress));
        } else if is_ethereum(text) {
            let named = segment.topics(run.start).any(Topics::WALLET);
            let confidence = if named { 0.9 } else { BuiltIn::EthereumAddress.confidence() };
            out.push(Candidate::new(run, BuiltIn::EthereumAddress, confidence));
        }
    }
}

fn is_ethereum(text: &[u8]) -> bool {
    let body = text.strip_prefix(b"0x").unwrap_or_default();
    let varied = body.windows(2).filter(|pair| pair.first() != pair.last()).count() > 10;
    body.len() == 40 && varied && body.iter().all(u8::is_ascii_hexdigit)
}
