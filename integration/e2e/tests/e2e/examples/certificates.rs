//! Certificates of an authority of the test's own.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A folder with `ca.pem`, and the certificates that it has issued.
pub(super) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "tests");
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Writes `FILE.pem` and `FILE.key` for a host by that name.
    pub(super) fn issue(&self, file: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder().join(format!("{file}.{end}"));
        fs::write(path("pem"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Envoy's side of a connection: the certificate in `FILE.pem`, and the clients that are let in, if not all.
    pub(super) fn server(&self, file: &str, clients: Option<&str>) -> serde_json::Value {
        let path = |name: &str| self.folder().join(name).display().to_string();
        let mut context = serde_json::json!({"tls_certificates": [{
            "certificate_chain": {"filename": path(&format!("{file}.pem"))},
            "private_key": {"filename": path(&format!("{file}.key"))},
        }]});
        if let Some(authority) = clients {
            context["validation_context"] =
                serde_json::json!({"trusted_ca": {"filename": path(authority)}});
        }
        serde_json::json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": clients.is_some(),
                "common_tls_context": context,
            },
        })
    }
}

/// Adds a listener to a configuration that ends TLS and hands on what comes to another port, which has no TLS.
pub(super) fn add_terminator(
    config: &mut serde_json::Value,
    listens: u16,
    server: &serde_json::Value,
    hands_on: u16,
) {
    let name = format!("terminator-{listens}");
    add_cluster(config, &name, hands_on);
    let proxy = serde_json::json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": name, "cluster": name,
        },
    });
    let listener = serde_json::json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": listens}},
        "filter_chains": [{"filters": [proxy], "transport_socket": server}],
    });
    config["static_resources"]["listeners"].as_array_mut().unwrap().push(listener);
}

/// Adds a cluster of one endpoint of this machine.
pub(super) fn add_cluster(config: &mut serde_json::Value, name: &str, port: u16) {
    let endpoint = serde_json::json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}});
    let cluster = serde_json::json!({
        "name": name, "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
    });
    config["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
}
