//! Images made of what is on this machine: `docker import` takes a folder in a tar file, so nothing is pulled.
//!
//! Ours are static binaries. Envoy and Redis come with the few libraries that `ldd` names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Run;
use crate::compile;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;

/// Our own programs, one image each.
const OWN: [&str; 3] = ["probe", "replica", "sidecar"];

/// Where images go that no registry has.
const REPOSITORY: &str = "weir-local";

/// One image.
struct Image {
    name: &'static str,
    /// The program, here and in the image.
    program: PathBuf,
    placed: String,
    /// Whether it needs libraries.
    dynamic: bool,
}

/// Makes the images that nobody has named in the environment, and returns the names of all of them by the variables
/// of the compose file.
///
/// # Errors
/// When a part is missing or does not compile, or the engine refuses an image.
pub(super) fn make(layout: &Layout) -> Result<Vec<(String, String)>, Failure> {
    println!("== static binaries");
    let binaries = own_programs(layout)?;
    place_probe(layout, &binaries)?;
    println!("== images");
    let mut names = Vec::new();
    for image in images(layout, &binaries)? {
        let variable = format!("WEIR_{}_IMAGE", image.name.to_uppercase());
        match std::env::var(&variable) {
            Ok(given) => println!("  {:<8} {given}, as {variable} says", image.name),
            Err(_) => names.push((variable, image.make(layout)?)),
        }
    }
    Ok(names)
}

/// Puts the probe where the harness takes it from for every container.
fn place_probe(layout: &Layout, binaries: &Path) -> Result<(), Failure> {
    let folder = layout.compose();
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    let probe = folder.join("weir-probe");
    let partial = folder.join("weir-probe.partial");
    fs::copy(binaries.join("weir-probe"), &partial).map_err(Failure::file(&partial))?;
    fs::rename(&partial, &probe).map_err(Failure::file(&probe))
}

/// Every image of the compose file: our own, and those of programs that are installed here.
fn images(layout: &Layout, binaries: &Path) -> Result<Vec<Image>, Failure> {
    let own = OWN.map(|name| Image {
        name,
        program: binaries.join(format!("weir-{name}")),
        placed: format!("weir-{name}"),
        dynamic: false,
    });
    let others = [
        Image {
            name: "envoy",
            program: setup::envoy(layout)?,
            placed: "usr/local/bin/envoy".into(),
            dynamic: true,
        },
        Image {
            name: "redis",
            program: setup::redis(layout)?,
            placed: "usr/local/bin/redis-server".into(),
            dynamic: true,
        },
    ];
    // Without one, that container is left out.
    let prometheus = setup::prometheus(layout).map(|program| Image {
        name: "prometheus",
        program,
        placed: "usr/local/bin/prometheus".into(),
        dynamic: true,
    });
    Ok(own.into_iter().chain(others).chain(prometheus).collect())
}

/// Compiles our programs without a libc to load, and returns their folder.
fn own_programs(layout: &Layout) -> Result<PathBuf, Failure> {
    let target = setup::static_target(layout)?;
    let run = Run::cargo(layout).args(["build", "--target", target]);
    let run = run.args(OWN.map(|name| format!("--package=weir-{name}"))).arg("--bins");
    compile::static_compiler(run).shown()?;
    Ok(layout.cargo_output().join(target).join("debug"))
}

impl Image {
    /// Makes the image unless there is one of the same content, which its tag stands for.
    fn make(&self, layout: &Layout) -> Result<String, Failure> {
        let folder = layout.compose().join("images");
        let root = folder.join(self.name);
        self.fill(layout, &root)?;
        let archive = folder.join(format!("{}.tar", self.name));
        let tar = Run::program(layout, "tar").args(["--create", "--sort=name", "--mtime=@0"]);
        let tar = tar.args(["--owner=0", "--group=0", "--numeric-owner", "--file"]).arg(&archive);
        tar.arg("--directory").arg(&root).arg(".").captured()?;
        let sum = Run::program(layout, "sha256sum").arg(&archive).captured()?;
        let tag = sum.get(..12).unwrap_or("unknown");
        let name = format!("{REPOSITORY}/{}:{tag}", self.name);
        let there = Run::program(layout, "docker").args(["image", "inspect", &name]).captured();
        let state = if there.is_ok() { "there" } else { "made" };
        if there.is_err() {
            let entry = format!("ENTRYPOINT [\"/{}\"]", self.placed);
            let run = Run::program(layout, "docker").args(["import", "--change", &entry]);
            let run = run.args(["--change", "ENV PATH=/usr/local/bin"]);
            run.arg(&archive).arg(&name).captured()?;
        }
        println!("  {:<8} {name}: {state}", self.name);
        let latest = format!("{REPOSITORY}/{}:latest", self.name);
        Run::program(layout, "docker").args(["tag", &name, &latest]).captured()?;
        fs::remove_file(&archive).map_err(Failure::file(&archive))?;
        forget_before(layout, &folder.join(format!("{}.image", self.name)), &name)?;
        Ok(name)
    }

    /// Lays out the image's files in `root`.
    fn fill(&self, layout: &Layout, root: &Path) -> Result<(), Failure> {
        let _ = fs::remove_dir_all(root);
        copy(&self.program, &root.join(&self.placed))?;
        if self.dynamic {
            for library in libraries(layout, &self.program)? {
                let placed = library.strip_prefix("/").unwrap_or(&library).to_path_buf();
                copy(&library, &root.join(placed))?;
            }
        }
        // An engine gives a tmpfs the mode of the image's folder.
        let tmp = root.join("tmp");
        fs::create_dir_all(&tmp).map_err(Failure::file(&tmp))?;
        set_mode(&tmp, 0o1777)
    }
}

/// Takes away the image that was made here before, unless a container has it, and notes this one.
fn forget_before(layout: &Layout, note: &Path, name: &str) -> Result<(), Failure> {
    let before = fs::read_to_string(note).unwrap_or_default();
    if !before.is_empty() && before != name {
        let _ = Run::program(layout, "docker").args(["image", "rm", &before]).captured();
    }
    fs::write(note, name).map_err(Failure::file(note))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Failure::file(path))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    }
    fs::copy(from, to).map_err(Failure::file(from))?;
    set_mode(to, 0o755)
}

/// The libraries that a program loads, its loader among them.
fn libraries(layout: &Layout, program: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = Run::program(layout, "ldd").arg(program).captured()?;
    Ok(paths(&listed))
}

fn paths(listed: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let path = line.split_once(" => ").map_or(line, |(_, path)| path).trim();
        let path = path.split(" (").next().unwrap_or_default();
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    listed.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let listed = "\tlinux-vdso.so.1 (0x7f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x7f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x7f)\n\tlibq.so => not found\n";
        let expected = ["/lib/x/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(paths(listed), expected);
    }

    #[test]
    fn every_image_of_the_compose_file_is_made_here_or_a_variable() {
        let file = include_str!("../../../integration/compose/docker-compose.yaml");
        let images = file.lines().filter_map(|line| line.trim().strip_prefix("image: "));
        let mut names: Vec<_> = images.map(|image| image.trim_matches('"')).collect();
        names.sort_unstable();
        names.dedup();
        let known = ["envoy", "probe", "prometheus", "redis", "replica", "sidecar"]
            .map(|name| format!("${{WEIR_{}_IMAGE:-{REPOSITORY}/{name}}}", name.to_uppercase()));
        assert_eq!(names, known);
    }
}
