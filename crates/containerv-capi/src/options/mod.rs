//! `containerv_options_*`.

#[cfg(not(windows))]
pub(crate) mod linux;

use std::ffi::{c_int, c_uint};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use containerv_spec::OsText;

use crate::border::{self, Result, invalid};
use crate::foreign;
use crate::handles::registry;

/// `struct containerv_options`, as far as C sees it.
#[repr(C)]
pub(crate) struct ContainervOptions {
    _private: [u8; 0],
}

/// What options hold.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) settings: Settings,
    mounts: MountArray,
}

/// What the setters were given and copied, unchecked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) capabilities: c_uint,
    #[cfg(not(windows))]
    pub(crate) linux: linux::Settings,
}

/// One mount, with its texts copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountTexts {
    pub(crate) what: Option<OsText>,
    pub(crate) target: Option<OsText>,
    pub(crate) fstype: Option<OsText>,
    pub(crate) flags: c_uint,
}

/// The caller's array, kept by address.
#[derive(Clone)]
struct MountArray {
    first: *mut foreign::Mount,
    count: c_int,
}

// SAFETY: the address is only kept; reading it is `Options::mounts`, whose caller vouches for it.
unsafe impl Send for MountArray {}

impl Default for MountArray {
    fn default() -> Self {
        Self { first: null_mut(), count: 0 }
    }
}

impl Options {
    /// Copies the mounts out of the caller's array.
    ///
    /// # Safety
    /// The array given to `containerv_options_set_mounts` is still valid, as the header demands
    /// until `containerv_create` returns.
    pub(crate) unsafe fn mounts(&self) -> Result<Vec<MountTexts>> {
        let MountArray { first, count } = self.mounts;
        let count =
            usize::try_from(count).map_err(|_| invalid(format!("mounts: the count {count} is negative")))?;
        if first.is_null() && count > 0 {
            return Err(invalid("mounts: the array is NULL"));
        }
        let mut mounts = Vec::with_capacity(count);
        for index in 0..count {
            // SAFETY: the caller promises `count` valid elements with valid or NULL texts.
            mounts.push(unsafe {
                let mount = &*first.add(index);
                MountTexts {
                    what: foreign::text(mount.what),
                    target: foreign::text(mount.target),
                    fstype: foreign::text(mount.fstype),
                    flags: mount.flags,
                }
            });
        }
        Ok(mounts)
    }
}

/// Returns a copy of what the options hold; of new ones for NULL.
pub(crate) fn snapshot(options: *const ContainervOptions) -> Result<Options> {
    if options.is_null() {
        return Ok(Options::default());
    }
    Ok(locked(&*registry().options.find(options)?).clone())
}

fn locked(options: &Mutex<Options>) -> MutexGuard<'_, Options> {
    options.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(name: &str, options: *mut ContainervOptions, change: impl FnOnce(&mut Options)) {
    border::nothing(name, || {
        change(&mut locked(&*registry().options.find(options)?));
        Ok(())
    });
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_new() -> *mut ContainervOptions {
    border::object("containerv_options_new", null_mut(), || Ok(registry().options.add(Arc::default())))
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_delete(options: *mut ContainervOptions) {
    if !options.is_null() {
        border::nothing("containerv_options_delete", || registry().options.remove(options).map(drop));
    }
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_set_caps(options: *mut ContainervOptions, caps: c_uint) {
    set("containerv_options_set_caps", options, |options| options.settings.capabilities = caps);
}

/// See `chef/containerv.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_options_set_mounts(
    options: *mut ContainervOptions,
    mounts: *mut foreign::Mount,
    count: c_int,
) {
    let mounts = MountArray { first: mounts, count };
    set("containerv_options_set_mounts", options, |options| options.mounts = mounts);
}

#[cfg(test)]
mod tests {
    use std::ptr::null;

    use super::*;

    #[test]
    fn the_last_call_holds_and_the_array_is_read_late() {
        let options = containerv_options_new();
        containerv_options_set_caps(options, 1);
        containerv_options_set_caps(options, 0x8);
        let mut array = [foreign::Mount {
            what: c"/a".as_ptr().cast_mut(),
            target: null_mut(),
            fstype: null_mut(),
            flags: 1,
        }];
        let first = array.as_mut_ptr();
        containerv_options_set_mounts(options, first, 1);
        // SAFETY: the one element of `array`.
        unsafe { (*first).target = c"/b".as_ptr().cast_mut() };
        let found = snapshot(options).unwrap();
        assert_eq!(found.settings.capabilities, 0x8);
        // SAFETY: the array is above.
        let mounts = unsafe { found.mounts() }.unwrap();
        assert_eq!(mounts[0].target, Some("/b".into()));
        containerv_options_delete(options);
        assert!(snapshot(options).is_err());
        containerv_options_delete(options);
        containerv_options_set_caps(options, 1);
    }

    #[test]
    fn arrays_that_cannot_be_are_refused() {
        let mut options = Options::default();
        for (first, count) in [(null_mut(), 1), (null_mut(), -1)] {
            options.mounts = MountArray { first, count };
            // SAFETY: nothing is read.
            assert!(unsafe { options.mounts() }.is_err());
        }
        assert_eq!(snapshot(null()).unwrap().settings.capabilities, 0);
    }
}
