//! Makes one container and runs many commands in it at once, from several threads.
//!
//! ```sh
//! cargo run -p containerv-examples --bin spawn_many
//! ```

use std::thread;
use std::time::Instant;

use containerv::spec::request::Root;
use containerv::{Container, Host, Result};

const THREADS: usize = 4;
const COMMANDS: usize = 25;

fn main() -> Result<()> {
    let host = Host::open()?;
    // Without a command of its own, the container is a place to run commands in.
    let container = Container::builder(Root::Host).read_only().create(&host)?.delete_on_drop();
    let begin = Instant::now();
    let failed: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| run_some(&container))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(COMMANDS)).sum()
    });
    println!("{} commands, {failed} failed, {:.0?}", THREADS * COMMANDS, begin.elapsed());
    Ok(())
}

/// Runs commands one after the other and returns how many failed.
fn run_some(container: &Container) -> usize {
    let succeeds = |_: &usize| container.command("true").status().is_ok_and(|status| status.success());
    COMMANDS - (0..COMMANDS).filter(succeeds).count()
}
