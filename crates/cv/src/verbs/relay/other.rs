//! Systems other than Linux: there is no backend yet that a command could be in the foreground of.

use containerv::{AttachOptions, Child, Container, Error, ErrorKind};

use super::Passing;
use crate::failure::Failure;

/// Signals that are caught.
#[derive(Debug)]
pub struct Signals(());

impl Signals {
    /// Catches nothing.
    ///
    /// # Errors
    ///
    /// None.
    pub fn block(_: &[i32]) -> Result<Self, Error> {
        Ok(Self(()))
    }
}

fn refusal() -> Failure {
    Error::new(ErrorKind::Unavailable, "containers in the foreground are offered on Linux only").into()
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn wait_for(_: Child, _: &Signals, _: Option<&Container>, _: bool) -> Result<i32, Failure> {
    Err(refusal())
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn terminal(_: Child, _: bool, _: &Signals) -> Result<i32, Failure> {
    Err(refusal())
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn start_attached(_: &Container, _: AttachOptions, _: &Passing) -> Result<i32, Failure> {
    Err(refusal())
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn attach(_: &Container, _: AttachOptions, _: &Passing) -> Result<i32, Failure> {
    Err(refusal())
}
