//! What all stand-ins share: strings, handles, callbacks, the connection to the compute service.
#![cfg(windows)]

pub mod connection;
pub mod detour;
pub mod device;
pub mod handles;
pub mod ownership;
pub mod pipes;
pub mod serial;
pub mod text;
pub mod volumes;

pub use serde_json::{Value, json};
pub use sim_protocol::{Manner, Outcome, codes};
