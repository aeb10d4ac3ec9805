//! The compute service behind the stand-ins.
//!
//! `compute-service serve PREFIX TEMPLATE STATE LAUNCHER` serves clients of the Wine installation
//! PREFIX until it is killed or its standard input ends, and makes containers from TEMPLATE. It
//! writes its address into PREFIX and `ready` to standard output. `compute-service keep` is the first
//! process of a container.

mod answer;
mod calls;
mod container;
mod disks;
mod documents;
mod faults;
mod group;
mod layers;
mod log;
mod machine;
mod modify;
mod network;
mod overlay;
mod processes;
mod properties;
mod schema;
mod server;
mod streams;
mod systems;
mod transport;
mod wire;
mod world;

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use log::Log;
use machine::Machine;
use server::Service;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["keep"] => container::keep(),
        ["serve", prefix, template, state, launcher] => {
            let launcher = Some(PathBuf::from(launcher)).filter(|path| path.is_file());
            let machine =
                Machine { prefix: prefix.into(), template: template.into(), launcher, state: state.into() };
            match serve(machine) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("compute-service: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("usage: compute-service serve PREFIX TEMPLATE STATE LAUNCHER");
            ExitCode::from(2)
        }
    }
}

fn serve(machine: Machine) -> std::io::Result<()> {
    std::fs::create_dir_all(&machine.state)?;
    let token = machine::new_guid();
    let (listener, address) = server::listen(&token)?;
    let file = machine.prefix.join("drive_c/windows/system32/compute-service.json");
    std::fs::write(file, serde_json::to_vec(&address)?)?;
    let log = Log::new(Some(&machine.state.join("calls.jsonl")))?;
    let service = Arc::new(Service::new(machine, log, token));
    let serving = Arc::clone(&service);
    std::thread::spawn(move || serving.serve(&listener));
    println!("ready");
    // Ends with the one who started it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let running: Vec<u64> = service.world().systems.keys().copied().collect();
    running.into_iter().for_each(|number| systems::stop(&service, number, &world::Exit::TERMINATED));
    Ok(())
}
