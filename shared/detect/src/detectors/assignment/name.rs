//! Names of secrets: what stands before an operator.

use crate::detectors::secret_name::{Promise, promise};

/// What a name promises about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Password,
    Key,
    AwsSecret,
    Authorization,
    /// User and password in Base64, as Docker and npm keep them.
    Basic,
}

/// Longest name that is read.
pub(super) const NAME: usize = 48;

/// The kind of the name before the operator at `operator`, if it is one.
pub(super) fn kind(text: &[u8], operator: usize) -> Option<Kind> {
    if !matches!(text.get(operator), Some(b'=' | b':')) {
        return None;
    }
    let from = operator.saturating_sub(NAME);
    let left = text.get(from..operator)?;
    let quiet = |b: &&u8| b" \t\"'`]:)".contains(*b);
    let trimmed = left.len() - left.iter().rev().take(3).take_while(quiet).count();
    let left = left.get(..trimmed)?;
    // Most words before an operator end in something else: settle those at once.
    if !matches!(
        &left.last_chunk::<2>()?.map(|b| b.to_ascii_lowercase()),
        b"rd"
            | b"wd"
            | b"pw"
            | b"ng"
            | b"se"
            | b"de"
            | b"ss"
            | b"et"
            | b"ey"
            | b"en"
            | b"al"
            | b"ls"
            | b"on"
            | b"rt"
            | b"ha"
            | b"th"
            | b"\xB1a"
    ) {
        return None;
    }
    if left.ends_with("contraseña".as_bytes()) {
        return Some(Kind::Password);
    }
    let left = without_type(left);
    let part = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_' || **b == b'-' || **b == b'.';
    let length = left.iter().rev().take_while(part).count();
    let text = left.get(left.len() - length..)?;
    // `ssh_pass` and `pass`, but no `compass`.
    let lower = text.to_ascii_lowercase();
    let alone = |end: &[u8]| matches!(lower.strip_suffix(end), Some([] | [.., b'_' | b'-' | b'.']));
    if alone(b"pass") || alone(b"pw") {
        return Some(Kind::Password);
    }
    if alone(b"auth") {
        return Some(Kind::Basic);
    }
    name(text)
}

/// What stands before the type of a declaration: `token` of `var token string`.
fn without_type(left: &[u8]) -> &[u8] {
    let Some((name, kind)) = left.split_last_chunk::<7>() else { return left };
    if !kind.eq_ignore_ascii_case(b" string") {
        return left;
    }
    name.strip_suffix(b":").unwrap_or(name)
}

/// Ends of the names of passwords, without separators.
const PASSWORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "passcode",
    "userpass",
    "dbpass",
    "passwort",
    "kennwort",
    "senha",
    "wachtwoord",
    "senord",
    "motdepasse",
    "passe",
];

/// Ends of the names of keys and tokens, likewise.
const KEYS: [&str; 22] = [
    "secret",
    "secretkey",
    "secretkeybase",
    "apikey",
    "accesskey",
    "privatekey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "token",
    "clientsecret",
    "encryptionkey",
    "signingkey",
    "authkey",
    "credential",
    "credentials",
    "sharedkey",
    "accountkey",
    "masterkey",
    "servicekey",
    "apisecret",
    "bearer",
];

fn name(text: &[u8]) -> Option<Kind> {
    let mut buffer = [0_u8; NAME];
    let mut length = 0;
    for byte in text.iter().filter(|b| b.is_ascii_alphanumeric()) {
        if let Some(slot) = buffer.get_mut(length) {
            *slot = byte.to_ascii_lowercase();
            length += 1;
        }
    }
    let name = buffer.get(..length)?;
    if is_aws_secret(text) {
        return Some(Kind::AwsSecret);
    }
    if ends(name, &["authorization", "xapikey", "proxyauthorization"]) {
        return Some(Kind::Authorization);
    }
    if ends(name, &PASSWORDS) {
        return Some(Kind::Password);
    }
    (ends(name, &KEYS) && promise(text) != Promise::Public).then_some(Kind::Key)
}

/// Length of an AWS secret access key.
pub(in crate::detectors) const AWS_SECRET: usize = 40;

/// Whether `name` is one of those that AWS's own tools read its secret from.
pub(in crate::detectors) fn is_aws_secret(name: &[u8]) -> bool {
    if !matches!(name.last(), Some(b'y' | b'Y')) {
        return false;
    }
    let letters = || name.iter().rev().filter(|b| b.is_ascii_alphanumeric());
    ["secretaccesskey", "awssecretkey"].iter().any(|end| {
        let same = letters().zip(end.bytes().rev()).filter(|(a, b)| a.to_ascii_lowercase() == *b);
        same.count() == end.len()
    })
}

#[inline(never)]
fn ends(name: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| name.ends_with(word.as_bytes()))
}
