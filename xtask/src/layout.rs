//! Where things lie: the repository, what set-up installs, what cargo and xtask build.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folders that xtask reads and writes, all absolute.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    cargo_output: PathBuf,
}

impl Layout {
    /// The layout of the workspace that cargo runs this xtask in: of a copied folder, too, whose
    /// xtask cargo takes for fresh although it was compiled elsewhere. Cargo's own output follows
    /// `CARGO_TARGET_DIR`; what set-up installs is always below the repository's `target/`.
    pub(crate) fn of_workspace() -> Layout {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR");
        let manifest = manifest.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&manifest);
        let root = manifest.parent().unwrap_or(manifest).to_path_buf();
        Layout::new(root, std::env::var_os("CARGO_TARGET_DIR"))
    }

    /// The layout of a repository that a test has made.
    #[cfg(test)]
    pub(crate) fn at(root: PathBuf) -> Layout {
        Layout::new(root, None)
    }

    fn new(root: PathBuf, cargo_target_dir: Option<OsString>) -> Layout {
        // `join` keeps an absolute path as it is and completes a relative one.
        let cargo_output = match cargo_target_dir {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Layout { root, cargo_output }
    }

    /// The repository's top folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What cargo compiles into: `target/`, or `CARGO_TARGET_DIR`.
    pub(crate) fn cargo_output(&self) -> &Path {
        &self.cargo_output
    }

    /// Where the native binaries of a profile are, which names its folder (`debug`, `release`).
    pub(crate) fn binaries(&self, profile_folder: &str) -> PathBuf {
        self.cargo_output.join(profile_folder)
    }

    /// The virtual environment with the reference Envoy and the Python clients.
    pub(crate) fn venv(&self) -> PathBuf {
        self.installed().join("venv")
    }

    /// The virtual environment of another Envoy version.
    pub(crate) fn venv_of_envoy(&self, version: &str) -> PathBuf {
        self.installed().join(format!("venv-{version}"))
    }

    /// The virtual environment of Presidio, which a benchmark runs.
    pub(crate) fn venv_of_presidio(&self) -> PathBuf {
        self.installed().join("venv-presidio")
    }

    /// The virtual environment of another router, which a benchmark compares with.
    pub(crate) fn venv_of_router(&self, name: &str) -> PathBuf {
        self.installed().join(format!("venv-{name}"))
    }

    /// The virtual environment of a wheel with a Redis server.
    pub(crate) fn venv_of_redis(&self) -> PathBuf {
        self.installed().join("venv-redis")
    }

    /// The virtual environment of Helm's engine.
    pub(crate) fn venv_of_helm(&self) -> PathBuf {
        self.installed().join("venv-helm")
    }

    /// The virtual environment of llama.cpp's server, which an end-to-end test runs.
    pub(crate) fn venv_of_llama_cpp(&self) -> PathBuf {
        self.installed().join("venv-llama-cpp")
    }

    /// Where Debian's packages are unpacked.
    pub(crate) fn debian(&self) -> PathBuf {
        self.installed().join("debian")
    }

    /// What the images of the compose harness are made of.
    pub(crate) fn compose(&self) -> PathBuf {
        self.installed().join("compose")
    }

    /// What `cargo install --root` is given; programs lie in its `bin`.
    pub(crate) fn tools(&self) -> PathBuf {
        self.installed().join("tools")
    }

    /// The program `name` among the installed tools.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.tools().join("bin").join(name)
    }

    /// Where the finished Wasm modules are copied to, as `NAME.wasm`.
    pub(crate) fn modules(&self) -> PathBuf {
        self.installed().join("weir")
    }

    /// A file of the xtask crate itself, such as a list of wheels.
    pub(crate) fn own_file(&self, name: &str) -> PathBuf {
        self.root.join("xtask").join(name)
    }

    /// A file of a benchmark's folder in `bench/`.
    pub(crate) fn bench_file(&self, bench: &str, name: &str) -> PathBuf {
        self.root.join("bench").join(bench).join(name)
    }

    fn installed(&self) -> PathBuf {
        self.root.join("target")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_output_follows_the_environment_and_installed_tools_do_not() {
        for (variable, output) in [
            (None, "/repo/target"),
            (Some("/elsewhere"), "/elsewhere"),
            (Some("near"), "/repo/near"),
        ] {
            let layout = Layout::new("/repo".into(), variable.map(OsString::from));
            assert_eq!(layout.cargo_output(), Path::new(output));
            assert_eq!(layout.venv(), Path::new("/repo/target/venv"));
            assert_eq!(layout.tool("node"), Path::new("/repo/target/tools/bin/node"));
        }
    }
}
