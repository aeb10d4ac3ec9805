//! Services of the system: whether they are there, and whether they run.

// UNSAFETY: the service control manager.
#![allow(unsafe_code, reason = "the service control manager has no safe wrapper")]

use std::io;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::ERROR_SERVICE_DOES_NOT_EXIST;
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, OpenSCManagerW, OpenServiceW, QUERY_SERVICE_CONFIGW, QueryServiceConfigW,
    QueryServiceStatus, SC_HANDLE, SC_MANAGER_CONNECT, SERVICE_AUTO_START, SERVICE_BOOT_START,
    SERVICE_CONTINUE_PENDING, SERVICE_DEMAND_START, SERVICE_DISABLED, SERVICE_PAUSE_PENDING, SERVICE_PAUSED,
    SERVICE_QUERY_CONFIG, SERVICE_QUERY_STATUS, SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS,
    SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_SYSTEM_START,
};

use super::wide::Wide;

/// What a service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not run.
    Stopped,
    /// It is about to run.
    Starting,
    /// It is about to stop.
    Stopping,
    /// It runs.
    Running,
    /// It is paused, or about to be, or about to go on.
    Paused,
    /// A number that is none of the documented ones.
    Other(u32),
}

/// When a service is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the system.
    Automatic,
    /// When somebody asks for it; that it is stopped then says nothing.
    OnDemand,
    /// Never.
    Disabled,
    /// A number that is none of the documented ones.
    Other(u32),
}

/// A service's state, and when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is doing.
    pub state: State,
    /// When it is started.
    pub start: Start,
}

/// Asks for a service or driver by its name, such as `vmcompute`; none if it is not installed.
///
/// # Errors
///
/// The system's.
pub fn query(name: &str) -> io::Result<Option<Service>> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = Wide::path(name.as_ref())?;
    // SAFETY: no texts mean this machine and its active services.
    let manager = Handle::new(unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) })?;
    let access = SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG;
    // SAFETY: the manager is open, and the name outlives the call.
    let service = match Handle::new(unsafe { OpenServiceW(manager.0, name.as_ptr(), access) }) {
        Err(error) if error.raw_os_error() == Some(ERROR_SERVICE_DOES_NOT_EXIST.cast_signed()) => {
            return Ok(None);
        }
        service => service?,
    };
    Ok(Some(Service { state: state(&service)?, start: start(&service)? }))
}

/// Questions are asked one after another: they are rare, and not every client of the manager keeps the
/// handles of two threads apart.
static ONE: Mutex<()> = Mutex::new(());

struct Handle(SC_HANDLE);

impl Handle {
    /// To be called right after the function that made the handle.
    fn new(raw: SC_HANDLE) -> io::Result<Self> {
        if raw.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(raw)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle is open and nobody else has it.
        unsafe { CloseServiceHandle(self.0) };
    }
}

fn state(service: &Handle) -> io::Result<State> {
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the service is open; `status` is room for the answer.
    if unsafe { QueryServiceStatus(service.0, &raw mut status) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match status.dwCurrentState {
        SERVICE_STOPPED => State::Stopped,
        SERVICE_START_PENDING => State::Starting,
        SERVICE_STOP_PENDING => State::Stopping,
        SERVICE_RUNNING => State::Running,
        SERVICE_PAUSED | SERVICE_PAUSE_PENDING | SERVICE_CONTINUE_PENDING => State::Paused,
        other => State::Other(other),
    })
}

fn start(service: &Handle) -> io::Result<Start> {
    /// The documented maximum of the answer.
    const MAX_BYTES: usize = 8 * 1024;
    let mut room = vec![0_u64; MAX_BYTES / 8];
    let (config, mut needed) = (room.as_mut_ptr().cast::<QUERY_SERVICE_CONFIGW>(), 0);
    // SAFETY: the service is open; the room is aligned for the structure and as large as said.
    if unsafe { QueryServiceConfigW(service.0, config, MAX_BYTES as u32, &raw mut needed) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the function has filled the structure.
    Ok(match unsafe { (*config).dwStartType } {
        SERVICE_AUTO_START | SERVICE_BOOT_START | SERVICE_SYSTEM_START => Start::Automatic,
        SERVICE_DEMAND_START => Start::OnDemand,
        SERVICE_DISABLED => Start::Disabled,
        other => Start::Other(other),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_every_windows_has_is_found() {
        // Remote Procedure Call: nothing works without it.
        let service = query("RpcSs").unwrap().unwrap();
        assert!(!matches!(service.state, State::Other(_)), "{service:?}");
        assert!(!matches!(service.start, Start::Other(_)), "{service:?}");
    }

    #[test]
    fn a_service_that_is_not_installed_is_none() {
        assert_eq!(query("containerv-no-such-service").unwrap(), None);
    }
}
