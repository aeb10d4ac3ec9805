//! Limits memory, processes and CPU time, and shows what happens to a command that wants more.
//!
//! Limits need control groups: run it as root, or on control groups v2 below a delegated group.
//!
//!     cargo build -p containerv-examples && sudo target/debug/limits

use containerv::spec::ByteSize;
use containerv::spec::request::Root;
use containerv::{Container, Host, Result, StdioSet};

fn main() -> Result<()> {
    let host = Host::open()?;
    let builder = || {
        let builder = Container::builder(Root::Host).read_only().auto_remove();
        builder.memory(ByteSize::mib(32)).pids(10).cpus(0.5)
    };

    // `tail` keeps the last line in memory, and this one never ends.
    let hog = builder().command(["tail", "/dev/zero"]);
    let (_container, mut child) = hog.run(&host, StdioSet::null())?;
    let status = child.wait()?;
    println!("memory: {status}, out of memory: {}", status.out_of_memory());

    // Each background process lives for a second, so the eleventh finds no room.
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait";
    let crowd = builder().command(["sh", "-c", script]);
    let (_container, child) = crowd.run(&host, StdioSet::piped())?;
    let output = child.wait_with_output()?;
    println!("processes: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
