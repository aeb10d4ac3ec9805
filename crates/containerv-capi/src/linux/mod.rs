//! Containers of Linux.

pub(crate) mod container;

mod arguments;
mod files;
mod member;
mod network;
mod processes;
mod request;
mod users;
