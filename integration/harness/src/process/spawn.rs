//! Starting processes from one thread that lives as long as this process.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

type Order = (Command, Sender<io::Result<Child>>);

/// Starts `command`. The kernel's "end with the parent" means the parent *thread*, and threads of
/// tests and of runtimes end early, so one thread of its own starts everything.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| Mutex::new(start_thread()));
    let (answer, answered) = channel();
    let sent = spawner.lock().unwrap_or_else(PoisonError::into_inner).send((command, answer));
    let gone = |_| io::Error::other("the thread that starts processes has ended");
    sent.map_err(|_| gone(()))?;
    answered.recv().map_err(|_| gone(()))?
}

fn start_thread() -> Sender<Order> {
    let (orders, received) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in received {
            // Whoever asked may be gone; then the child is dropped without being waited for.
            let _ = answer.send(command.spawn());
        }
    });
    orders
}
