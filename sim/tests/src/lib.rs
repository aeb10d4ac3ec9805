//! What the tests of the stand-ins share: the exports that they call, looked up as a client does.
#![cfg(windows)]
#![allow(clippy::macro_metavars_in_unsafe, reason = "`call!` is for calls of exports, which are unsafe")]

pub mod api;
pub mod api_console;
pub mod api_first;
pub mod api_layers;
pub mod api_network;
pub mod api_storage;
pub mod bed;
pub mod layers;
pub mod pipes;
pub mod running;

/// Whether this machine has no containers: says so then.
pub fn no_containers() -> bool {
    let absent = !bed::Service::connect().state()["containers"].as_bool().unwrap_or_default();
    if absent {
        println!("skipped: the stand-ins' containers need root");
    }
    absent
}
