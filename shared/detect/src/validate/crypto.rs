//! Addresses of crypto-currencies.

use sha2::{Digest, Sha256};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// Base58check of a 20-byte hash with one version byte (Bitcoin and its relatives).
pub(crate) fn base58check(text: &[u8]) -> bool {
    let Some(bytes) = base58(text) else { return false };
    let (payload, check) = bytes.split_at(21);
    let digest = Sha256::digest(Sha256::digest(payload));
    digest.starts_with(check)
}

/// The 25 bytes of an address, or `None` when it has another length.
fn base58(text: &[u8]) -> Option<[u8; 25]> {
    let mut number = [0_u8; 25];
    for byte in text {
        let mut carry = BASE58.iter().position(|c| c == byte)? as u32;
        for digit in number.iter_mut().rev() {
            carry += u32::from(*digit) * 58;
            *digit = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

/// Bech32 or Bech32m (BIP 173, BIP 350) with the prefix `bc`, `tb` or `ltc`.
pub(crate) fn bech32(text: &[u8]) -> bool {
    let mixed = text.iter().any(u8::is_ascii_uppercase) && text.iter().any(u8::is_ascii_lowercase);
    let lower = text.to_ascii_lowercase();
    let Some(split) = memchr::memrchr(b'1', &lower) else { return false };
    let (prefix, data) = (lower.get(..split).unwrap_or_default(), lower.get(split + 1..));
    let Some(data) = data.filter(|d| d.len() > 6 && !mixed) else { return false };
    if !matches!(prefix, b"bc" | b"tb" | b"ltc") {
        return false;
    }
    let values = data.iter().map(|b| BECH32.iter().position(|c| c == b).map(|v| v as u32));
    let high = prefix.iter().map(|b| Some(u32::from(b >> 5)));
    let low = prefix.iter().map(|b| Some(u32::from(b & 31)));
    let all = high.chain([Some(0)]).chain(low).chain(values);
    matches!(polymod(all), Some(1 | 0x2BC8_30A3))
}

fn polymod(values: impl Iterator<Item = Option<u32>>) -> Option<u32> {
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let mut check = 1_u32;
    for value in values {
        let top = check >> 25;
        check = (check & 0x01FF_FFFF) << 5 ^ value?;
        for (bit, term) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                check ^= term;
            }
        }
    }
    Some(check)
}
