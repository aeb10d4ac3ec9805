//! Looking at real containers: statistics, processes, logs, events, features and the doctor.

#![cfg(target_os = "linux")]

mod logs;
mod place;
mod stats;
