//! A bearer token that stands in a file, and may change there.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::time::Instant;

/// After that the file is read again: what rotates tokens leaves the old one valid for minutes.
const KEPT: Duration = Duration::from_secs(5);

/// Longest token in bytes; service-account tokens have some 1,200.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// A token and its file. `Debug` doesn't show it.
pub(crate) struct Token {
    path: String,
    read: Mutex<Option<(Instant, HeaderValue)>>,
}

/// Why there is no token. What the file holds is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token in {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Empty, too long, or with characters that no header may have.
    #[error("{0} holds no token")]
    NoToken(String),
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:?})", self.path)
    }
}

impl Token {
    /// The token in the file at `path`, which is read when it is needed.
    pub(crate) fn at(path: &str) -> Self {
        Self { path: path.to_owned(), read: Mutex::default() }
    }

    /// `Bearer …`, read anew every few seconds.
    ///
    /// # Errors
    /// [`TokenError`] if there is none; the one read before is not used any more then.
    pub(crate) fn header(&self, now: Instant) -> Result<HeaderValue, TokenError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, header)) = read.as_ref()
            && now.saturating_duration_since(*at) < KEPT
        {
            return Ok(header.clone());
        }
        *read = None;
        let header = self.load()?;
        *read = Some((now, header.clone()));
        Ok(header)
    }

    /// The server did not take it: it is read again the next time.
    pub(crate) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn load(&self) -> Result<HeaderValue, TokenError> {
        let text = std::fs::read(&self.path)
            .map_err(|error| TokenError::Unreadable { path: self.path.clone(), error })?;
        let token = text.trim_ascii();
        let none = || TokenError::NoToken(self.path.clone());
        if !(1..=MAX_TOKEN_BYTES).contains(&token.len()) {
            return Err(none());
        }
        let mut header =
            HeaderValue::from_bytes(&[b"Bearer ", token].concat()).map_err(|_| none())?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_when_it_is_old_or_was_not_taken_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = Token::at(path.to_str().unwrap());
        let now = Instant::now();
        assert!(token.header(now).unwrap_err().to_string().contains("cannot read the token"));
        for (content, after_ms, forget, expected) in [
            (&b"hunter2\n"[..], 0, false, Some("Bearer hunter2")),
            (b"hunter3", 4_900, false, Some("Bearer hunter2")),
            (b"hunter3", 4_900, true, Some("Bearer hunter3")),
            (b"hunter4", 9_900, false, Some("Bearer hunter4")),
            (b" \n", 20_000, false, None),
            (b"a\nb", 30_000, false, None),
        ] {
            std::fs::write(&path, content).unwrap();
            if forget {
                token.forget();
            }
            let found = token.header(now + Duration::from_millis(after_ms));
            let found = found.ok().map(|header| header.to_str().unwrap().to_owned());
            assert_eq!(found.as_deref(), expected);
        }
        std::fs::write(&path, b"hunter5").unwrap();
        let header = token.header(now + Duration::from_secs(60)).unwrap();
        assert!(!format!("{token:?} {header:?}").contains("hunter"));
    }
}
