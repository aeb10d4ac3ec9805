//! Backends: they execute plans.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
#[cfg(target_os = "linux")]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "absent.rs"]
pub(crate) mod system;
