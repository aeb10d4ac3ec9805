//! The setters that only Linux has.

use std::ffi::{c_char, c_int};

use containerv_spec::OsText;

use super::{ContainervOptions, set};
use crate::foreign::text;

/// What they were given and copied, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) users: Option<Range>,
    pub(crate) groups: Option<Range>,
    pub(crate) limits: Option<LimitTexts>,
    pub(crate) network: Option<NetworkTexts>,
}

/// Arguments of `containerv_options_set_users` and `_groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) host: u32,
    pub(crate) inside: u32,
    pub(crate) count: c_int,
}

/// Arguments of `containerv_options_set_cgroup_limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LimitTexts {
    pub(crate) memory: Option<OsText>,
    pub(crate) cpu_weight: Option<OsText>,
    pub(crate) pids: Option<OsText>,
}

/// Arguments of `containerv_options_set_network`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NetworkTexts {
    pub(crate) container: Option<OsText>,
    pub(crate) netmask: Option<OsText>,
    pub(crate) host: Option<OsText>,
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_set_users(
    options: *mut ContainervOptions,
    host_start: libc::uid_t,
    child_start: libc::uid_t,
    count: c_int,
) {
    let range = Range { host: host_start, inside: child_start, count };
    set("containerv_options_set_users", options, |options| options.settings.linux.users = Some(range));
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_set_groups(
    options: *mut ContainervOptions,
    host_start: libc::gid_t,
    child_start: libc::gid_t,
    count: c_int,
) {
    let range = Range { host: host_start, inside: child_start, count };
    set("containerv_options_set_groups", options, |options| options.settings.linux.groups = Some(range));
}

/// See `chef/containerv.h`.
///
/// # Safety
/// Each text is NULL or ends in NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_options_set_cgroup_limits(
    options: *mut ContainervOptions,
    memory_max: *const c_char,
    cpu_weight: *const c_char,
    pids_max: *const c_char,
) {
    // SAFETY: as this function's caller promises.
    let [memory, cpu_weight, pids] = [memory_max, cpu_weight, pids_max].map(|one| unsafe { text(one) });
    let limits = LimitTexts { memory, cpu_weight, pids };
    set("containerv_options_set_cgroup_limits", options, |options| {
        options.settings.linux.limits = Some(limits)
    });
}

/// See `chef/containerv.h`.
///
/// # Safety
/// Each text is NULL or ends in NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_options_set_network(
    options: *mut ContainervOptions,
    container_ip: *const c_char,
    container_netmask: *const c_char,
    host_ip: *const c_char,
) {
    // SAFETY: as this function's caller promises.
    let [container, netmask, host] =
        [container_ip, container_netmask, host_ip].map(|one| unsafe { text(one) });
    let network = NetworkTexts { container, netmask, host };
    let network = Some(network).filter(|network| *network != NetworkTexts::default());
    set("containerv_options_set_network", options, |options| options.settings.linux.network = network);
}
