//! Measures the library from inside of a program that uses it, for `cargo xtask bench`.
//!
//! `measure-library STATE CONTAINER REPETITIONS` works with a running container and prints two
//! medians in nanoseconds: of a command spawned in the container and waited for (`/noop`), and of the
//! container's request turned into a plan, which includes a look at the machine.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its interface")]

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use containerv::{Container, Host, Stdio};

fn main() -> ExitCode {
    match measure(std::env::args().skip(1)) {
        Ok((spawn, plan)) => {
            println!("{spawn} {plan}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("measure-library: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(mut arguments: impl Iterator<Item = String>) -> Result<(u128, u128), Box<dyn Error>> {
    let mut argument = || arguments.next().ok_or("usage: measure-library STATE CONTAINER REPETITIONS");
    let host = Host::open_at(argument()?)?;
    let container = host.container(&argument()?)?;
    let repetitions = argument()?.parse::<usize>()?;
    let spawn = median(repetitions, || spawn(&container))?;
    let plan = median(repetitions, || host.plan(container.request(), false).map(drop).map_err(Into::into))?;
    Ok((spawn, plan))
}

fn spawn(container: &Container) -> Result<(), Box<dyn Error>> {
    let mut command = container.command("/noop");
    command = command.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null);
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("/noop: {status}").into()) }
}

/// The middle one of the times that `act` takes; a first call does not count.
fn median(
    repetitions: usize,
    mut act: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<u128, Box<dyn Error>> {
    act()?;
    let mut times = Vec::with_capacity(repetitions);
    for _ in 0..repetitions.max(1) {
        let begin = Instant::now();
        act()?;
        times.push(begin.elapsed().as_nanos());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
