//! Runs one operation of the library in a process of its own, which may be killed at a step of it
//! or afterwards.
//!
//! `crash-at OPERATION --root DIR (--request FILE | --container ID | --image NAME) [--fault STEP] [--stay]`
//!
//! It prints `done` when it has survived the operation; `repair` prints what it did before.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is its interface")]

use std::error::Error;
use std::process::ExitCode;

use containerv::spec::Request;
use containerv::{Container, Host, PruneOptions, PullOptions, Result, StdioSet};
use containerv_tests::inside::command;

/// Limits of a controller that containers are made without, and of one that they have.
const UPDATE: &str = r#"{"cpuset_cpus": "0", "pids": {"at": 1000}}"#;

struct Options {
    operation: String,
    host: Host,
    request: Option<Request>,
    container: Option<String>,
    image: Option<String>,
    stay: bool,
}

fn main() -> ExitCode {
    let done = read(std::env::args().skip(1)).and_then(|options| {
        execute(&options)?;
        Ok(options.stay)
    });
    match done {
        Ok(stay) => {
            println!("done");
            if stay {
                loop {
                    std::thread::park();
                }
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("crash-at: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let operation = arguments.next().ok_or("no operation")?;
    let (mut root, mut fault, mut request, mut container) = (None, None, None, None);
    let (mut image, mut stay) = (None, false);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().ok_or("a value is missing");
        match option.as_str() {
            "--root" => root = Some(value()?),
            "--fault" => fault = Some(value()?.parse::<u32>()?),
            "--request" => request = Some(serde_json::from_slice(&std::fs::read(value()?)?)?),
            "--container" => container = Some(value()?),
            "--image" => image = Some(value()?),
            "--stay" => stay = true,
            other => return Err(format!("`{other}` is not known").into()),
        }
    }
    let host = Host::open_at(root.ok_or("no root")?)?;
    let host = fault.map_or_else(|| host.clone(), |step| host.with_fault(step));
    Ok(Options { operation, host, request, container, image, stay })
}

fn execute(options: &Options) -> Result<(), Box<dyn Error>> {
    let request = || options.request.clone().ok_or("no request");
    let image = || options.image.as_deref().ok_or("no image");
    let container = || options.host.container(options.container.as_deref().unwrap_or_default());
    match options.operation.as_str() {
        "create" => Container::create(&options.host, request()?).map(drop)?,
        "detached" => Container::run_detached(&options.host, request()?).map(drop)?,
        "attached" => run_attached(options, request()?)?,
        "inherit" => inherit(options, request()?)?,
        "exec" => exec(&container()?, options.stay)?,
        "start" => container()?.start()?,
        "prepare" => container()?.prepare()?,
        "plan" => println!("{}", serde_json::to_string(&options.host.plan(&request()?, false)?)?),
        "plan-attached" => println!("{}", serde_json::to_string(&options.host.plan(&request()?, true)?)?),
        "repair" => repair(&options.host, false)?,
        "repair-dry" => repair(&options.host, true)?,
        "update" => container()?.update(&serde_json::from_str(UPDATE)?)?,
        "delete" => container()?.delete(true)?,
        "pull" => options.host.images().pull(image()?, &PullOptions::default()).map(drop)?,
        "remove-image" => options.host.images().remove(image()?, true).map(drop)?,
        "prune-images" => {
            let all = PruneOptions { all: true, ..PruneOptions::default() };
            options.host.images().prune(&all).map(drop)?;
        }
        "look" => look(&container()?)?,
        other => return Err(format!("`{other}` is no operation").into()),
    }
    Ok(())
}

fn repair(host: &Host, dry_run: bool) -> Result<()> {
    for action in host.repair(dry_run)? {
        println!("{action}");
    }
    Ok(())
}

fn run_attached(options: &Options, request: Request) -> Result<()> {
    let (_container, mut child) = Container::run_attached(&options.host, request, StdioSet::null())?;
    if options.stay { Ok(()) } else { child.wait().map(drop) }
}

/// Runs a command with this process's own streams; tells its exit code.
fn inherit(options: &Options, request: Request) -> Result<()> {
    let (container, mut child) = Container::run_attached(&options.host, request, StdioSet::inherit())?;
    let status = child.wait()?;
    container.delete(false)?;
    println!("code {}", status.docker_code());
    Ok(())
}

/// Tells what a container does, and what a command in it says.
fn look(container: &Container) -> Result<()> {
    println!("{}", container.state()?.status.as_str());
    let output = command(container, "echo from inside").output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

fn exec(container: &Container, stay: bool) -> Result<()> {
    use containerv::Stdio;
    let command = command(container, "sleep 1000000");
    let mut child = command.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null).spawn()?;
    if stay {
        return Ok(());
    }
    child.kill()?;
    child.wait().map(drop)
}
