//! Looking at real containers: statistics, processes, logs, events, features and the doctor.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by it, and say why they skip")]

mod events;
mod logs;
mod machine;
mod ordinary;
mod place;
mod stats;
