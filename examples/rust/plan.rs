//! Shows what making a container would do, without doing it.
//!
//! ```sh
//! cargo run -p containerv-examples --bin plan
//! ```

use containerv::spec::plan::{Phase, Plan};
use containerv::spec::request::Root;
use containerv::{Container, Host, Result};

fn main() -> Result<()> {
    let host = Host::open()?;
    let builder = Container::builder(Root::Host).read_only().command(["true"]);
    let request = builder.bind_read_only("/srv", "/data").request(&host)?;
    let plan = host.plan(&request, true)?;
    print!("{plan}");

    if let Plan::Linux(plan) = plan {
        let inside = plan.phase(Phase::Inside).count();
        println!("{} steps, {inside} of them inside the container", plan.steps.len());
    }
    Ok(())
}
