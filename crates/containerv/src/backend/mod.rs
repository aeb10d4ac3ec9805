//! Backends: they execute plans.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
