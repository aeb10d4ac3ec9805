//! Backends: they execute plans.

mod clock;
mod events;
// A stream of bytes has them on Windows; the sockets of Linux keep frames apart themselves.
#[cfg(any(windows, test, feature = "fuzzing"))]
pub(crate) mod frames;
// On other systems what does not call Windows is tested.
#[cfg(any(windows, test))]
#[cfg_attr(not(windows), allow(dead_code, reason = "only containers of Windows use all of it"))]
pub(crate) mod hcs;
// Layers of Windows images are read and written everywhere, with the same rules for names, links and times.
#[cfg(not(any(windows, test)))]
pub(crate) mod hcs {
    #[cfg(feature = "fuzzing")]
    pub(crate) mod doctor {
        pub(crate) mod access;
    }
    #[allow(dead_code, reason = "copies for Windows use it")]
    pub(crate) mod transfer;
}
mod lines;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
mod logs;
#[cfg(target_os = "linux")]
pub(crate) mod system;
pub(crate) mod transfer;
#[cfg(windows)]
pub(crate) use hcs as system;

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("containers are made by Linux or by Windows; there is no backend for this system");
