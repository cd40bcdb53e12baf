//! The work behind the just recipes: `cargo xtask --help` lists the commands.
//!
//! Everything a command needs beyond rustup's cargo and python3 is brought by [`setup`] into
//! `target/`, so a fresh clone runs its tests and its demo with one command each.

mod bench;
mod circles;
mod command;
mod compile;
mod compose;
mod configs;
mod demo;
mod envoys;
mod failure;
mod layout;
mod setup;
mod soak;
mod steady;
mod suite;
mod usage;

use std::process::ExitCode;

use crate::failure::Failure;
use crate::layout::Layout;
use crate::usage::Task;

fn main() -> ExitCode {
    match usage::parse(std::env::args().skip(1)).and_then(run) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(task: Task) -> Result<ExitCode, Failure> {
    let layout = Layout::of_workspace();
    match task {
        Task::Help(topic) => print!("{}", topic.text()),
        Task::Setup { envoys } => setup::run(&layout, &envoys)?,
        Task::Build { profile } => {
            setup::rust_targets(&layout)?;
            compile::modules(&layout)?;
            compile::binaries(&layout, profile)?;
            compile::check_list(&layout)?;
        }
        Task::Circles { arguments } => return circles::run(&layout, &arguments),
        Task::Test { only } => suite::run(&layout, &only)?,
        Task::TestChart => envoys::chart(&layout)?,
        Task::TestEnvoys(options) => envoys::run(&layout, &options)?,
        Task::Configs { check: true } => configs::check(&layout)?,
        Task::Configs { check: false } => configs::write(&layout)?,
        Task::OlderConfigs { folder } => configs::write_older(&layout, &folder)?,
        Task::Demo { arguments } => return demo::run(&layout, &arguments),
        Task::ComposeImages => compose::images(&layout)?,
        Task::Compose { arguments } => return compose::run(&layout, &arguments),
        Task::ComposeDown => return compose::down(&layout),
        Task::Soak { minutes } => return soak::run(&layout, minutes),
        Task::Bench { name, arguments } => return bench::run(&layout, name, &arguments),
    }
    Ok(ExitCode::SUCCESS)
}
