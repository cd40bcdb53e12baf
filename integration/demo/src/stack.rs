//! Everything that runs during a part of the demo.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use tempfile::TempDir;
use weir_harness::{
    ChildProcess, Envoy, EnvoyConfig, EnvoyOptions, GpuExporter, Sidecar, workspace,
};

use crate::error::DemoError;

/// Shipped ports of the replicas of each pool, as in `envoy-config/guardrail.yaml`.
pub(crate) const POOLS: [(&str, &[&str], [u16; 3]); 2] = [
    ("llama", &["llama-3.1-8b-instruct", "sql-expert"], [9001, 9002, 9003]),
    ("qwen", &["qwen2.5-7b-instruct"], [9004, 9005, 9006]),
];

/// KV cache of one replica in blocks of 16 tokens: 24,576 tokens, so that a pool can hold the
/// demo's conversations once, and not once on every replica.
const BLOCKS: &str = "1536";

/// Output tokens of a reply: enough to see a stream, few enough for a short demo.
const OUTPUT_TOKENS: &str = "16";

/// The variable that both Envoy and the sidecar take the key from.
pub(crate) const KEY_VARIABLE: &str = "WEIR_INTAKE_KEY";

/// The variable that Envoy takes the key of the guardrail's action `hash` from.
const HASH_KEY_VARIABLE: &str = "WEIR_HASH_KEY";

/// Who chooses the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// The endpoint picker.
    Weir,
    /// Envoy's fallback policy, because the picker has no data.
    RoundRobin,
}

/// Envoy, replicas and sidecar. Dropping it ends them all.
pub(crate) struct Stack {
    envoy: Envoy,
    sidecar: Sidecar,
    /// Tells of the GPUs of pool `llama`.
    exporter: Option<GpuExporter>,
    _replicas: Vec<ChildProcess>,
    _folder: TempDir,
    addresses: Vec<(SocketAddr, &'static str)>,
}

impl Stack {
    /// Starts all of it and waits until the first snapshots have arrived.
    ///
    /// With `gpus`, the sidecar also polls a page of GPUs.
    pub(crate) async fn start(placement: Placement, gpus: bool) -> Result<Self, DemoError> {
        let mut config = EnvoyConfig::from_file("envoy-config/guardrail.yaml")?;
        if placement == Placement::RoundRobin {
            // A pool that nobody pushes: the picker never has anything to say.
            let unknown = "&picker {pool: nobody-pushes-this}";
            config = config.replace("&picker {alternates: 2, fresh_ms: 1000}", unknown)?;
        }
        let folder = TempDir::with_prefix("weir-demo-").map_err(file_error("a folder"))?;
        let addresses = addresses(&config);
        let replicas = start_replicas(&config, &folder)?;
        let key = key_of(KEY_VARIABLE);
        let hash_key = key_of(HASH_KEY_VARIABLE);
        let options = EnvoyOptions::default().env(KEY_VARIABLE, &key);
        let options = options.env(HASH_KEY_VARIABLE, &hash_key);
        let ports = config.ports().clone();
        let envoy = Envoy::start_with(config, options).await?;
        let yaml = std::fs::read_to_string(workspace::file("envoy-config/sidecar.yaml"))
            .map_err(file_error("envoy-config/sidecar.yaml"))?;
        let exporter = if gpus { Some(GpuExporter::start(POOLS[0].2.len()).await?) } else { None };
        let yaml = match &exporter {
            Some(exporter) => exporter.joined(&yaml, &POOLS[0].2),
            None => yaml,
        };
        let mut sidecar = Sidecar::start(&yaml, &ports, &[(KEY_VARIABLE, &key)]).await?;
        sidecar.wait_until_ready().await?;
        Ok(Self { envoy, sidecar, exporter, _replicas: replicas, _folder: folder, addresses })
    }

    /// Where clients connect.
    pub(crate) fn clients(&self) -> SocketAddr {
        self.envoy.clients()
    }

    /// The port that a replica really has, by its shipped one.
    pub(crate) fn port(&self, shipped: u16) -> u16 {
        self.envoy.ports().actual(shipped)
    }

    /// Where the sidecar's own HTTP is.
    pub(crate) fn sidecar(&self) -> SocketAddr {
        self.sidecar.address()
    }

    /// The page of GPUs.
    pub(crate) fn exporter(&self) -> Option<&GpuExporter> {
        self.exporter.as_ref()
    }

    /// The address of replica `index` of pool `llama`.
    pub(crate) fn replica(&self, index: usize) -> String {
        self.addresses.get(index).map(|(address, _)| address.to_string()).unwrap_or_default()
    }

    /// The pool of a replica, by its address.
    pub(crate) fn pool_of(&self, address: &str) -> &'static str {
        let found = self.addresses.iter().find(|(known, _)| known.to_string() == address);
        found.map_or("?", |(_, pool)| pool)
    }

    /// Prints what runs where.
    pub(crate) fn describe(&self) {
        println!("     Envoy {}, admin {}", self.envoy.clients(), self.envoy.admin());
        for (pool, ..) in POOLS {
            let members = self.addresses.iter().filter(|(_, of)| *of == pool);
            let members: Vec<_> = members.map(|(address, _)| address.to_string()).collect();
            println!("     pool {pool}: {}", members.join(" "));
        }
        println!("     sidecar {} → intake {}\n", self.sidecar.address(), self.envoy.intake());
    }

    /// Writes `target/demo/addresses.json`.
    pub(crate) fn write_addresses(&self) -> Result<(), DemoError> {
        let replicas: Vec<_> = self.addresses.iter().map(|(at, _)| at.to_string()).collect();
        let document = serde_json::json!({
            "listener": self.envoy.clients().to_string(),
            "admin": self.envoy.admin().to_string(),
            "intake": self.envoy.intake().to_string(),
            "sidecar": self.sidecar.address().to_string(),
            "replicas": replicas,
        });
        let path = addresses_file();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(file_error("target/demo"))?;
        }
        std::fs::write(&path, format!("{document:#}\n")).map_err(file_error(ADDRESSES))
    }

    /// Prints what to try while it runs.
    pub(crate) fn print_curl_lines(&mut self) {
        let envoy_log = self.envoy.process().log_file().display().to_string();
        let sidecar_log = self.sidecar.process().log_file().display().to_string();
        let (clients, admin) = (self.envoy.clients(), self.envoy.admin());
        let sidecar = self.sidecar.address();
        println!(
            "\nIt goes on running. Addresses are in {ADDRESSES}. Try:\n\
             \n  curl -s http://{clients}/v1/models\
             \n  curl -s http://{clients}/v1/chat/completions -d '{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'\
             \n  curl -sN http://{clients}/v1/chat/completions -d '{{\"model\":\"qwen\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'\
             \n  curl -si http://{clients}/v1/chat/completions -d '{{\"model\":\"nope\",\"messages\":[]}}'\
             \n  curl -s http://{clients}/v1/chat/completions -H 'x-weir-reply-text: [EMAIL_1] is a placeholder; ask bob@example.net' -d '{{\"model\":\"gpt-4o-mini\",\"messages\":[{{\"role\":\"user\",\"content\":\"I am ann@example.org\"}}]}}'   # the guardrail, both ways\
             \n  curl -s http://{sidecar}/snapshot                # what is known of the replicas\
             \n  curl -s 'http://{admin}/stats?filter=wasmcustom'    # what they count\
             \n  curl -s http://{sidecar}/readyz\
             \n\nLogs: {envoy_log}\
             \n      {sidecar_log}\
             \n\nCtrl-C ends it."
        );
    }
}

const ADDRESSES: &str = "target/demo/addresses.json";

/// Removes `target/demo/addresses.json`, so that nobody reads dead addresses.
pub(crate) fn forget_addresses() {
    // It may never have been written.
    let _ = std::fs::remove_file(addresses_file());
}

fn addresses_file() -> PathBuf {
    workspace::file(ADDRESSES)
}

fn file_error(path: &str) -> impl FnOnce(std::io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::File { path, source }
}

fn addresses(config: &EnvoyConfig) -> Vec<(SocketAddr, &'static str)> {
    let replicas =
        POOLS.iter().flat_map(|(pool, _, ports)| ports.iter().map(|port| (*pool, *port)));
    replicas
        .map(|(pool, port)| (SocketAddr::from(([127, 0, 0, 1], config.ports().actual(port))), pool))
        .collect()
}

/// One process per pool, each with a replica on three ports.
fn start_replicas(config: &EnvoyConfig, folder: &TempDir) -> Result<Vec<ChildProcess>, DemoError> {
    let binary = workspace::binary("weir-replica")?;
    let mut processes = Vec::new();
    for (pool, models, ports) in POOLS {
        let ports = ports.map(|port| config.ports().actual(port).to_string()).join(",");
        let mut arguments: Vec<OsString> = vec!["--ports".into(), ports.into()];
        for (at, model) in models.iter().enumerate() {
            arguments.push(if at == 0 { "--model".into() } else { "--lora".into() });
            arguments.push(model.into());
        }
        for argument in ["--blocks", BLOCKS, "--output-tokens", OUTPUT_TOKENS] {
            arguments.push(argument.into());
        }
        let log = folder.path().join(format!("{pool}.log"));
        processes.push(ChildProcess::start(&binary, arguments, &[], &log)?);
    }
    Ok(processes)
}

/// The user's own key in this variable, or one for this run.
fn key_of(variable: &str) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    std::env::var(variable).unwrap_or_else(|_| {
        // The standard library's randomly seeded hashers: good enough for a key that lives a minute.
        let word = || RandomState::new().build_hasher().finish();
        format!("{:016x}{:016x}", word(), word())
    })
}
