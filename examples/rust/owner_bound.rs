//! Binds a container to this process: however the process ends, the kernel ends the container.
//!
//! ```sh
//! cargo run -p containerv-examples --bin owner_bound
//! ```

use containerv::spec::request::Root;
use containerv::{Container, Host, Result, Stdio};

fn main() -> Result<()> {
    let host = Host::open()?;
    let container = Container::builder(Root::Host).read_only().auto_remove().owner_bound().create(&host)?;
    let sleeper = container.command("sleep").arg("1000").stdout(Stdio::Null).stderr(Stdio::Null).spawn()?;
    println!("container {} runs process {}", container.id().short(), sleeper.id());

    // No destructor runs, no handler, nothing is cleaned up here. What the container leaves on disk
    // is removed by the next `Host::repair`, or `cv system repair`.
    std::process::abort();
}
