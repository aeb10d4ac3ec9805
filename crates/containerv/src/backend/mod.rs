//! Backends: they execute plans.

// On other systems what does not call Windows is tested.
#[cfg(any(windows, test))]
pub(crate) mod hcs;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
pub(crate) mod system;
mod transfer;
#[cfg(windows)]
pub(crate) use hcs as system;

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("containers are made by Linux or by Windows; there is no backend for this system");
