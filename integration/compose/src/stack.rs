//! The containers of one project: started, asked, changed, taken down.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::{self, Engine};
use crate::error::Error;

/// How long all of it may take until both Envoys serve and have snapshots.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where `weir-probe` is in every container.
const PROBE: &str = "/weir/weir-probe";

/// The service that reads metrics, where an image of it is there.
pub(crate) const PROMETHEUS: &str = "prometheus";

/// The variable of its image, which `cargo xtask` sets where it could make one.
const PROMETHEUS_IMAGE: &str = "WEIR_PROMETHEUS_IMAGE";

/// The Envoys.
pub(crate) const ENVOYS: [&str; 2] = ["envoy-a", "envoy-b"];

/// The replicas of the pool `qwen`.
pub(crate) const QWEN: [&str; 3] = ["replica-4", "replica-5", "replica-6"];

/// The replicas of the pool `llama`.
pub(crate) const LLAMA: [&str; 3] = ["replica-1", "replica-2", "replica-3"];

/// One project that runs.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    engine: Engine,
}

/// The folder of this crate in the repository.
pub(crate) fn folder() -> PathBuf {
    let given = std::env::var_os("WEIR_ROOT").map(PathBuf::from);
    given.map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        |root| root.join("integration/compose"),
    )
}

impl Stack {
    /// The project of this name, which may not run yet, with these values for variables that nobody has set.
    ///
    /// # Errors
    /// [`Error::NoEngine`].
    pub(crate) fn of(project: &str, defaults: &[(&str, &str)]) -> Result<Self, Error> {
        let unset = defaults.iter().filter(|(name, _)| std::env::var_os(name).is_none());
        let mut variables: Vec<(String, String)> =
            unset.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if std::env::var_os("WEIR_INTAKE_KEY").is_none() {
            variables.push(("WEIR_INTAKE_KEY".to_owned(), random_key()?));
        }
        let file = folder().join("docker-compose.yaml");
        Ok(Self { engine: Engine::new(project, file, variables)? })
    }

    /// Starts everything and waits until it serves.
    ///
    /// # Errors
    /// When a container does not start, or nothing is served within two minutes.
    pub(crate) fn up(&self) -> Result<(), Error> {
        let without = format!("{PROMETHEUS}=0");
        let mut words = vec!["up", "--detach", "--no-build"];
        if !self.has_prometheus() {
            words.extend(["--scale", &without]);
        }
        self.engine.compose(&words)?;
        self.wait_until_served()
    }

    /// Whether there is a Prometheus.
    pub(crate) fn has_prometheus(&self) -> bool {
        std::env::var_os(PROMETHEUS_IMAGE).is_some()
    }

    /// Takes everything down: containers and networks.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(crate) fn down(&self) -> Result<(), Error> {
        let down = ["down", "--volumes", "--remove-orphans", "--timeout", "1"];
        self.engine.compose(&down).map(drop)
    }

    /// Writes what all containers have logged to a file.
    ///
    /// # Errors
    /// When the engine refuses or the file can't be written.
    pub(crate) fn keep_logs(&self, path: &Path) -> Result<(), Error> {
        let logs = self.engine.compose(&["logs", "--no-color", "--timestamps"])?;
        let file = |source| Error::File { path: path.to_owned(), source };
        fs::create_dir_all(path.parent().unwrap_or(path)).map_err(file)?;
        fs::write(path, logs).map_err(file)
    }

    /// The project's name.
    pub(crate) fn project(&self) -> &str {
        &self.engine.project
    }

    /// `docker` with these words.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Result<String, Error> {
        self.engine.docker(arguments)
    }

    /// The ids of the containers by the services' names, of those that have ended, too.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(crate) fn containers(&self) -> Result<BTreeMap<String, String>, Error> {
        let filter = format!("label=com.docker.compose.project={}", self.engine.project);
        let format = r#"{{.Label "com.docker.compose.service"}} {{.ID}}"#;
        let listed =
            self.docker(&["ps", "--all", "--no-trunc", "--filter", &filter, "--format", format])?;
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(name, id)| (name.to_owned(), id.to_owned())).collect())
    }

    /// The container of a service.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn id(&self, service: &str) -> Result<String, Error> {
        let found = self.containers()?.remove(service);
        found.ok_or_else(|| Error::unexpected("no container of the service", service))
    }

    /// A network's name in the engine.
    pub(crate) fn network(&self, network: &str) -> String {
        format!("{}_{network}", self.engine.project)
    }

    /// What the engine tells of a container or network.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn inspect(&self, kind: &str, name: &str) -> Result<Value, Error> {
        let text = self.docker(&[kind, "inspect", name])?;
        let mut all: Vec<Value> =
            serde_json::from_str(&text).map_err(|error| Error::unexpected(kind, error))?;
        all.pop().ok_or_else(|| Error::unexpected(format!("{kind} inspect {name}"), "nothing"))
    }

    /// The addresses of every service, by network.
    ///
    /// # Errors
    /// When the engine refuses.
    pub(crate) fn addresses(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
        let prefix = self.network("");
        let containers = self.containers()?;
        let ids: Vec<&str> = containers.values().map(String::as_str).collect();
        let text = self.docker(&[&["container", "inspect"], &ids[..]].concat())?;
        let all: Vec<Value> =
            serde_json::from_str(&text).map_err(|error| Error::unexpected("container", error))?;
        // The engine answers in the order of the question.
        Ok(containers.into_keys().zip(all.iter().map(|one| addresses_of(one, &prefix))).collect())
    }

    /// Runs `weir-probe` in a service's container; what it prints.
    ///
    /// # Errors
    /// When it fails, or prints no JSON.
    pub(crate) fn probe(&self, service: &str, arguments: &[&str]) -> Result<Value, Error> {
        let id = self.id(service)?;
        let words = [&["exec", &id, PROBE], arguments].concat();
        let text = self.docker(&words)?;
        serde_json::from_str(&text).map_err(|_| Error::unexpected("no JSON of weir-probe", text))
    }

    /// Starts `weir-probe` in a service's container.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start_probe(&self, service: &str, arguments: &[&str]) -> Result<Running, Error> {
        let id = self.id(service)?;
        let words = [&["exec", "--interactive", &id, PROBE], arguments].concat();
        Ok(Running { child: self.engine.start_docker(&words)? })
    }

    /// A page of an Envoy's admin, which listens inside its container only.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn admin(&self, envoy: &str, page: &str, method: &str) -> Result<String, Error> {
        let url = format!("http://127.0.0.1:9901/{page}");
        let reply = self.probe(envoy, &["request", &url, "--method", method])?;
        match reply["status"].as_u64() {
            Some(200) => Ok(reply["body"].as_str().unwrap_or_default().to_owned()),
            _ => Err(Error::unexpected(format!("{envoy}: {method} {page}"), reply)),
        }
    }

    /// A counter of an Envoy, 0 while it is not there.
    ///
    /// # Errors
    /// When the admin page does not answer.
    pub(crate) fn counter(&self, envoy: &str, name: &str) -> Result<u64, Error> {
        let page = self.admin(envoy, &format!("stats?filter={name}"), "GET")?;
        let lines = page.lines().filter_map(|line| line.rsplit_once(": "));
        Ok(lines
            .filter(|(known, _)| known.contains(name))
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum())
    }

    /// Whether an Envoy serves, and has had a snapshot.
    fn serves(&self, envoy: &str) -> Result<bool, Error> {
        let url = format!("http://{envoy}:10000/v1/models");
        let reply = self.probe("client", &["request", &url])?;
        Ok(reply["status"] == 200 && self.counter(envoy, "weir_intake_accepted_total")? > 0)
    }

    /// Waits until both Envoys serve, and place by what the sidecar has pushed.
    ///
    /// # Errors
    /// After two minutes, with what the last attempt said.
    pub(crate) fn wait_until_served(&self) -> Result<(), Error> {
        for envoy in ENVOYS {
            wait(PATIENCE, &format!("{envoy} does not serve"), || self.serves(envoy))?;
        }
        Ok(())
    }
}

/// The addresses of a container, by the networks' names without the project's prefix.
fn addresses_of(container: &Value, prefix: &str) -> BTreeMap<String, String> {
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let own = networks.into_iter().flatten().filter_map(|(name, network)| {
        let address = network["IPAddress"].as_str().filter(|text| !text.is_empty())?;
        Some((name.strip_prefix(prefix)?.to_owned(), address.to_owned()))
    });
    own.collect()
}

/// Asks until the answer is yes.
///
/// # Errors
/// After `patience`, with what the last answer was.
pub(crate) fn wait(
    patience: Duration,
    problem: &str,
    mut ask: impl FnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        let answer = ask();
        match answer {
            Ok(true) => return Ok(()),
            answer if started.elapsed() > patience => {
                let last = answer.map_or_else(|error| error.to_string(), |_| "no".to_owned());
                return Err(Error::unexpected(problem, last));
            }
            _ => std::thread::sleep(Duration::from_millis(300)),
        }
    }
}

/// A probe that runs beside the tests.
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Tells it that it is enough, and waits for what it prints.
    ///
    /// # Errors
    /// When it fails, or prints no JSON.
    pub(crate) fn finish(mut self) -> Result<Value, Error> {
        if let Some(mut input) = self.child.stdin.take() {
            let _ = input.flush();
        }
        let line = "weir-probe";
        let output = self.child.wait_with_output();
        let output = output.map_err(|source| Error::Start { line: line.to_owned(), source })?;
        let text = engine::text(line, &output)?;
        serde_json::from_str(&text).map_err(|_| Error::unexpected("no JSON of weir-probe", text))
    }
}

/// 32 random bytes in hex.
fn random_key() -> Result<String, Error> {
    use std::io::Read as _;
    let path = PathBuf::from("/dev/urandom");
    let mut bytes = [0; 32];
    let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::File { path, source })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
