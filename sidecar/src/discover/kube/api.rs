//! Where the API server is, and who asks.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use tokio::time::Instant;
use weir_settings::SettingsError;
use weir_settings::sidecar::{AccessSettings, HttpUrl, KubernetesSettings};

use crate::client::{AGENT, Access, Client, Target, TlsError, Token, TokenError};

/// Where a pod has its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The API as a pod of the cluster reaches it.
#[derive(Debug)]
pub(crate) struct Api {
    url: HttpUrl,
    access: Access,
    token: Arc<Token>,
    namespace: String,
}

/// Why the API cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// No pod, and no URL.
    #[error("kubernetes.url: needed outside of a pod (KUBERNETES_SERVICE_HOST is not set)")]
    NoServer,
    /// What the environment says is no URL.
    #[error("kubernetes.url: {0}")]
    Url(SettingsError),
    /// No certificate authority.
    #[error("kubernetes.{0}")]
    Tls(TlsError),
}

/// Why one request says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Api {
    /// The API of `settings`, or of the pod that this runs in. The token is read when it is needed.
    ///
    /// # Errors
    /// [`KubernetesError`] if neither says where it is, or whom to trust.
    pub(crate) fn new(settings: &KubernetesSettings) -> Result<Self, KubernetesError> {
        let url = match &settings.url {
            Some(url) => url.clone(),
            None => server_of_pod()?,
        };
        let ca_file = Some(settings.ca_file().to_owned());
        let access = AccessSettings { ca_file, ..AccessSettings::default() };
        let access = if url.is_https() {
            Access::load(&access, true).map_err(KubernetesError::Tls)?
        } else {
            Access::default()
        };
        let token = settings.token_file.clone().unwrap_or_else(|| account("token"));
        let own = || std::fs::read_to_string(account("namespace")).ok();
        let namespace = settings.namespace.clone().or_else(own);
        let namespace = namespace.map_or("default".to_owned(), |name| name.trim().to_owned());
        Ok(Self { url, access, token: Arc::new(Token::at(&token)), namespace })
    }

    /// `named`, or the sidecar's own namespace.
    pub(crate) fn namespace(&self, named: Option<&str>) -> String {
        named.unwrap_or(&self.namespace).to_owned()
    }

    /// A client of the API server.
    pub(super) fn client(&self) -> Result<Client, AskError> {
        Ok(Client::new(Target::of_url(&self.url, &self.access)?))
    }

    /// A request for `path` with the account's token.
    pub(super) fn request(&self, path: &str) -> Result<Request<Full<Bytes>>, AskError> {
        let request = Request::get(path)
            .header(HOST, self.url.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, self.token.header(Instant::now())?);
        Ok(request.body(Full::default())?)
    }

    /// The token was not taken.
    pub(super) fn forget_token(&self) {
        self.token.forget();
    }
}

/// A file of the pod's service account.
fn account(file: &str) -> String {
    format!("{ACCOUNT}/{file}")
}

/// What Kubernetes puts into the environment of every container.
fn server_of_pod() -> Result<HttpUrl, KubernetesError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = variable("KUBERNETES_SERVICE_HOST").ok_or(KubernetesError::NoServer)?;
    let port = variable("KUBERNETES_SERVICE_PORT_HTTPS").unwrap_or_else(|| "443".to_owned());
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    HttpUrl::of(&format!("https://{host}:{port}")).map_err(KubernetesError::Url)
}
