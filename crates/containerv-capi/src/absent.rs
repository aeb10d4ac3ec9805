//! Containers on a system whose backend does not exist yet: none can be made, so none is alive.

use std::ffi::{c_char, c_int};
use std::ptr::null;

use containerv::{Error, Host};

use crate::border::{self, Result, invalid};
use crate::foreign::{self, ProcessHandle, SpawnOptions};
use crate::options::{ContainervOptions, snapshot};

/// `struct containerv_container`, as far as C sees it.
#[repr(C)]
pub(crate) struct ContainervContainer {
    _private: [u8; 0],
}

fn not_alive<T>() -> Result<T> {
    Err(invalid("the pointer to a container is not alive in this process"))
}

/// See `chef/containerv.h`.
///
/// # Safety
/// The pointers are as the header demands.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_create(
    root: *const c_char,
    options: *mut ContainervOptions,
    out: *mut *mut ContainervContainer,
) -> c_int {
    border::status("containerv_create", || {
        // SAFETY: the caller promises NULL or a text.
        let root = unsafe { foreign::text(root) };
        if root.is_none() || out.is_null() {
            return Err(invalid("`rootFs` or `containerOut` is NULL"));
        }
        // SAFETY: the caller promises that the array is valid until this function returns.
        unsafe { snapshot(options)?.mounts() }?;
        // The library says why there is no backend.
        Host::open()?.new_id().map(drop)
    })
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_spawn(
    _container: *mut ContainervContainer,
    _path: *const c_char,
    _options: *const SpawnOptions,
    _pid_out: *mut ProcessHandle,
) -> c_int {
    border::status("containerv_spawn", not_alive)
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_kill(_container: *mut ContainervContainer, _pid: ProcessHandle) -> c_int {
    border::status("containerv_kill", not_alive)
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_upload(
    _container: *mut ContainervContainer,
    _host_paths: *const *const c_char,
    _container_paths: *const *const c_char,
    _count: c_int,
) -> c_int {
    border::status("containerv_upload", not_alive)
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_download(
    _container: *mut ContainervContainer,
    _container_paths: *const *const c_char,
    _host_paths: *const *const c_char,
    _count: c_int,
) -> c_int {
    border::status("containerv_download", not_alive)
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_destroy(_container: *mut ContainervContainer) -> c_int {
    border::status("containerv_destroy", not_alive)
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_join(_id: *const c_char) -> c_int {
    border::status("containerv_join", || {
        Err(Error::os(libc::ENOSYS, "a process cannot be moved into a container on this system"))
    })
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_id(_container: *mut ContainervContainer) -> *const c_char {
    border::object("containerv_id", null(), not_alive)
}
