//! `containerv_user_*`: the users that `as_user` points to.
//!
//! The structure is public in C, so it is real memory of the C library, which is released as
//! it was made.

use std::ffi::{CStr, CString, c_char};
use std::mem::MaybeUninit;
use std::ptr::null_mut;

use containerv_spec::OsText;

use crate::border::{self, Failure, Result, invalid};
use crate::foreign::{self, User};

/// Longest entry of the user database that is read.
const MAX_ENTRY: usize = 1 << 20;

/// See `chef/containerv-user-linux.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_user_real() -> *mut User {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    border::object("containerv_user_real", null_mut(), || make(name_of(uid), uid, gid))
}

/// See `chef/containerv-user-linux.h`.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn containerv_user_effective() -> *mut User {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    border::object("containerv_user_effective", null_mut(), || make(name_of(uid), uid, gid))
}

/// See `chef/containerv-user-linux.h`.
///
/// # Safety
/// `name` is NULL or ends in NUL.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_user_from(
    name: *mut c_char,
    uid: libc::uid_t,
    gid: libc::gid_t,
) -> *mut User {
    border::object("containerv_user_from", null_mut(), || {
        // SAFETY: as this function's caller promises.
        let name = unsafe { foreign::text(name) }.ok_or_else(|| invalid("`name` is NULL"))?;
        make(name, uid, gid)
    })
}

/// See `chef/containerv-user-linux.h`.
///
/// # Safety
/// `user` is NULL or came from a function above and was not released.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn containerv_user_delete(user: *mut User) {
    if user.is_null() {
        return;
    }
    border::nothing("containerv_user_delete", || {
        // SAFETY: both were made with the C library's allocator by `make`.
        unsafe {
            libc::free((*user).name.cast());
            libc::free(user.cast());
        }
        Ok(())
    });
}

fn make(name: OsText, uid: u32, gid: u32) -> Result<*mut User> {
    let name = CString::new(name.as_bytes()).map_err(|_| invalid("the name holds NUL"))?;
    let out_of_memory = || Failure::new(libc::ENOMEM, "cannot make a user");
    // SAFETY: a size is given and a copy of a text is made; both may give NULL.
    let (user, name) =
        unsafe { (libc::malloc(size_of::<User>()).cast::<User>(), libc::strdup(name.as_ptr())) };
    if user.is_null() || name.is_null() {
        // SAFETY: each is NULL or was made above.
        unsafe {
            libc::free(user.cast());
            libc::free(name.cast());
        }
        return Err(out_of_memory());
    }
    // SAFETY: `user` has room for a `User` and malloc aligns for every type.
    unsafe { user.write(User { name, uid, gid }) };
    Ok(user)
}

/// Returns the name in the host's user database, or the number.
fn name_of(uid: u32) -> OsText {
    let mut size = 1024;
    while size <= MAX_ENTRY {
        match look_up(uid, size) {
            Ok(name) => return name.unwrap_or_else(|| OsText::from(uid.to_string())),
            Err(libc::ERANGE) => size *= 2,
            Err(_) => break,
        }
    }
    OsText::from(uid.to_string())
}

fn look_up(uid: u32, size: usize) -> Result<Option<OsText>, i32> {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut texts: Vec<c_char> = vec![0; size];
    let mut found = null_mut();
    // SAFETY: the places are valid and the buffer's length is its own.
    let error =
        unsafe { libc::getpwuid_r(uid, entry.as_mut_ptr(), texts.as_mut_ptr(), texts.len(), &raw mut found) };
    if error != 0 {
        return Err(error);
    }
    // SAFETY: NULL, or `entry`, initialised, whose name is a text in `texts`.
    let name = unsafe { found.as_ref().map(|entry| CStr::from_ptr(entry.pw_name)) };
    Ok(name.map(|name| OsText::from_bytes(name.to_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_hold_copies() {
        let name = c"builder".to_owned().into_raw();
        // SAFETY: a text of this function.
        let user = unsafe { containerv_user_from(name, 7, 8) };
        // SAFETY: both were made above.
        unsafe {
            name.write(0x58);
            assert_eq!(CStr::from_ptr((*user).name), c"builder");
            drop(CString::from_raw(name));
            assert_eq!(((*user).uid, (*user).gid), (7, 8));
            containerv_user_delete(user);
            assert!(containerv_user_from(null_mut(), 1, 1).is_null());
            containerv_user_delete(null_mut());
        }
    }

    #[test]
    fn names_come_from_the_database_or_are_numbers() {
        assert_eq!(name_of(0), "root".into());
        assert_eq!(name_of(3_999_999_999), "3999999999".into());
    }
}
