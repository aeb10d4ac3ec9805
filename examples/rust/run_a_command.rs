//! Runs one command in a container of its own and ends with the command's exit code.
//!
//! ```sh
//! cargo run -p containerv-examples --bin run_a_command -- sh -c 'hostname; id'
//! ```

use std::process::ExitCode;

use containerv::spec::request::Root;
use containerv::{Container, Host, Result, StdioSet};

fn main() -> ExitCode {
    let mut command: Vec<_> = std::env::args_os().skip(1).collect();
    if command.is_empty() {
        command = ["sh", "-c", "echo \"process $$ on $(hostname)\""].map(Into::into).to_vec();
    }
    match run(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(125)
        }
    }
}

fn run(command: Vec<std::ffi::OsString>) -> Result<u8> {
    let host = Host::open()?;
    // The root is this machine's own system; the command cannot change it.
    let builder = Container::builder(Root::Host).read_only().auto_remove().command(command);
    let (_container, mut child) = builder.run(&host, StdioSet::inherit())?;
    Ok(child.wait()?.docker_code() as u8)
}
