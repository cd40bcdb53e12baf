//! How servers are asked: with which TLS, token and HTTP version.

use std::sync::Arc;

use weir_settings::sidecar::AccessSettings;

use super::tls::{Tls, TlsError};
use super::token::Token;

/// What all clients of one pool share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// `None` where no `https` is to be expected, or the system knows no authorities.
    pub(super) tls: Option<Tls>,
    pub(crate) token: Option<Arc<Token>>,
    /// Whether HTTP/2 is spoken where no TLS is there to choose it.
    pub(super) http2: bool,
}

impl Access {
    /// As `settings` say.
    ///
    /// # Errors
    /// [`TlsError`] if files that they name cannot be used, or if `https` is needed and there are no authorities.
    pub(crate) fn load(settings: &AccessSettings, needs_tls: bool) -> Result<Self, TlsError> {
        let named = settings.ca_file.is_some() || settings.certificate.is_some();
        let tls = (needs_tls || named).then(|| Tls::load(settings)).transpose()?;
        let token = settings.bearer_token_file.as_deref().map(|path| Arc::new(Token::at(path)));
        Ok(Self { tls, token, http2: settings.http2 })
    }
}
