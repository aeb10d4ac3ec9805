//! What C callers hand over, read into values of our own.

use std::ffi::{CStr, c_char, c_int, c_uint};

use containerv_spec::OsText;

/// `process_handle_t`.
#[cfg(not(windows))]
pub(crate) type ProcessHandle = libc::pid_t;
/// `process_handle_t`.
#[cfg(windows)]
pub(crate) type ProcessHandle = *mut std::ffi::c_void;

/// `struct containerv_mount`.
#[repr(C)]
pub(crate) struct Mount {
    pub(crate) what: *mut c_char,
    pub(crate) target: *mut c_char,
    pub(crate) fstype: *mut c_char,
    pub(crate) flags: c_uint,
}

/// `struct containerv_spawn_options`.
#[repr(C)]
pub(crate) struct SpawnOptions {
    pub(crate) arguments: *const c_char,
    pub(crate) environment: *const *const c_char,
    pub(crate) as_user: *const User,
    pub(crate) flags: c_uint,
}

/// `struct containerv_user`.
#[repr(C)]
pub(crate) struct User {
    pub(crate) name: *mut c_char,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Reads a text; `None` for NULL.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated text that nobody changes during the call.
pub(crate) unsafe fn text(text: *const c_char) -> Option<OsText> {
    if text.is_null() {
        return None;
    }
    // SAFETY: not NULL, and the caller promises the rest.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    Some(OsText::from_bytes(bytes))
}

/// Reads an array of texts; `None` for NULL, and for each text that is NULL.
///
/// # Safety
/// `array` is NULL or points to `count` texts as [`text`] takes them.
pub(crate) unsafe fn texts(array: *const *const c_char, count: c_int) -> Option<Vec<Option<OsText>>> {
    if array.is_null() {
        return None;
    }
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the caller promises `count` elements.
    let elements = (0..count).map(|index| unsafe { *array.add(index) });
    // SAFETY: the caller promises NULL or a text for each.
    Some(elements.map(|element| unsafe { text(element) }).collect())
}

/// Reads an array of texts that ends in NULL; empty for NULL.
///
/// # Safety
/// `array` is NULL or points to texts as [`text`] takes them, the last of them NULL.
pub(crate) unsafe fn terminated_texts(array: *const *const c_char) -> Vec<OsText> {
    let mut found = Vec::new();
    if array.is_null() {
        return found;
    }
    // SAFETY: elements are read up to the first NULL, which the caller promises.
    while let Some(entry) = unsafe { text(*array.add(found.len())) } {
        found.push(entry);
    }
    found
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};
    use std::ptr::null;

    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn structures_have_the_offsets_of_the_interface() {
        assert_eq!(size_of::<Mount>(), 32);
        assert_eq!(
            [offset_of!(Mount, what), offset_of!(Mount, target), offset_of!(Mount, fstype)],
            [0, 8, 16]
        );
        assert_eq!(offset_of!(Mount, flags), 24);
        assert_eq!(size_of::<SpawnOptions>(), 32);
        assert_eq!([offset_of!(SpawnOptions, arguments), offset_of!(SpawnOptions, environment)], [0, 8]);
        assert_eq!([offset_of!(SpawnOptions, as_user), offset_of!(SpawnOptions, flags)], [16, 24]);
        assert_eq!(size_of::<User>(), 16);
        assert_eq!([offset_of!(User, name), offset_of!(User, uid), offset_of!(User, gid)], [0, 8, 12]);
    }

    #[test]
    fn texts_are_read_with_their_gaps() {
        let array = [c"a".as_ptr(), null(), c"b".as_ptr(), null()];
        // SAFETY: three elements of the array, each NULL or a literal.
        let found = unsafe { texts(array.as_ptr(), 3) };
        assert_eq!(found, Some(vec![Some("a".into()), None, Some("b".into())]));
        // SAFETY: the array has a NULL in it.
        assert_eq!(unsafe { terminated_texts(array.as_ptr()) }, [OsText::from("a")]);
        // SAFETY: NULL is allowed.
        assert!(unsafe { terminated_texts(null()).is_empty() && texts(null(), 3).is_none() });
        // SAFETY: no element is read.
        assert_eq!(unsafe { texts(array.as_ptr(), -1) }, Some(Vec::new()));
    }
}
