//! Who may do what with files, directories and pipes.

// UNSAFETY: security descriptors are structures of offsets, made and freed by the system.
#![allow(unsafe_code, reason = "security descriptors have no safe wrapper")]

use std::ffi::c_void;
use std::io;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW,
    ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
    SE_FILE_OBJECT, SetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::{
    ACL, DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, GetSecurityDescriptorLength,
    OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, SECURITY_ATTRIBUTES,
};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;

use super::wide::{Allocator, Returned, Wide};

/// A security descriptor.
#[derive(Debug)]
pub struct SecurityDescriptor(*mut c_void);

// SAFETY: the structure is not changed after it was made, and may be freed on any thread.
unsafe impl Send for SecurityDescriptor {}
// SAFETY: as above.
unsafe impl Sync for SecurityDescriptor {}

impl SecurityDescriptor {
    /// Everything for the system and for administrators, also for what is below; nothing for
    /// others, and nothing from above.
    pub const PRIVATE: &str = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

    /// Makes one of its text form (SDDL).
    ///
    /// # Errors
    ///
    /// The system's, for a text that is none.
    pub fn from_text(text: &str) -> io::Result<Self> {
        let text = Wide::path(text.as_ref())?;
        let mut descriptor = ptr::null_mut();
        // SAFETY: the text outlives the call; `descriptor` takes the pointer; the size is not wanted.
        let success = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        if success == 0 || descriptor.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(descriptor))
    }

    /// Its bytes: the system makes them self-relative.
    pub fn to_bytes(&self) -> Vec<u8> {
        // SAFETY: the system made the descriptor, and `self` keeps it.
        unsafe {
            let length = GetSecurityDescriptorLength(self.0) as usize;
            std::slice::from_raw_parts(self.0.cast::<u8>(), length).to_vec()
        }
    }

    /// Makes [`SecurityDescriptor::PRIVATE`].
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn private() -> io::Result<Self> {
        Self::from_text(Self::PRIVATE)
    }

    /// For functions that make something. The handle is not inherited.
    pub(crate) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0,
            bInheritHandle: 0,
        }
    }

    fn access_list(&self) -> io::Result<*mut ACL> {
        let (mut present, mut defaulted, mut list) = (0, 0, ptr::null_mut());
        // SAFETY: the descriptor is valid, and the rest is room for answers; the list is inside it.
        let success =
            unsafe { GetSecurityDescriptorDacl(self.0, &raw mut present, &raw mut list, &raw mut defaulted) };
        if success == 0 {
            return Err(io::Error::last_os_error());
        }
        // A missing list and an empty pointer would both mean everything for everybody.
        if present == 0 || list.is_null() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a security descriptor without a list"));
        }
        Ok(list)
    }
}

impl Drop for SecurityDescriptor {
    fn drop(&mut self) {
        // SAFETY: the system has made it for the caller, and nothing refers to it any more.
        unsafe { LocalFree(self.0) };
    }
}

/// Makes a directory that has this access from its first moment.
///
/// # Errors
///
/// `AlreadyExists`; the system's.
pub fn create_directory(path: &Path, security: &SecurityDescriptor) -> io::Result<()> {
    let path = Wide::path(path)?;
    let attributes = security.attributes();
    // SAFETY: path and attributes outlive the call.
    let success = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a file or directory this access list, in the place of what it inherits.
///
/// # Errors
///
/// `InvalidInput` for a descriptor without a list, the system's.
pub fn set_access(path: &Path, security: &SecurityDescriptor) -> io::Result<()> {
    let path = Wide::path(path)?;
    let list = security.access_list()?;
    let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    let (no_owner, no_group, no_audit) = (ptr::null_mut(), ptr::null_mut(), ptr::null());
    // SAFETY: the path outlives the call, and so does the list inside the descriptor; what is null
    // is not set.
    let code = unsafe {
        SetNamedSecurityInfoW(path.as_ptr(), SE_FILE_OBJECT, what, no_owner, no_group, list, no_audit)
    };
    result(code)
}

/// Returns owner and access list of a file or directory, in text form.
///
/// # Errors
///
/// The system's.
pub fn access(path: &Path) -> io::Result<String> {
    let path = Wide::path(path)?;
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut descriptor = ptr::null_mut();
    // SAFETY: the path outlives the call; `descriptor` takes the pointer, and the parts of it are
    // not wanted.
    let code = unsafe {
        GetNamedSecurityInfoW(
            path.as_ptr(),
            SE_FILE_OBJECT,
            what,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    result(code)?;
    let descriptor = SecurityDescriptor(descriptor);
    let mut text = Returned::new(Allocator::Local);
    // SAFETY: the descriptor is valid, and the slot takes a pointer; the length is not wanted.
    let success = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            what,
            text.slot(),
            ptr::null_mut(),
        )
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    text.required("ConvertSecurityDescriptorToStringSecurityDescriptorW").map_err(io::Error::other)
}

fn result(code: u32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.cast_signed())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::random;

    #[test]
    fn a_directory_is_private_from_its_first_moment() {
        let path = std::env::temp_dir().join(format!("containerv-private-{}", random::hex::<8>().unwrap()));
        create_directory(&path, &SecurityDescriptor::private().unwrap()).unwrap();
        let text = access(&path).unwrap();
        assert!(path.is_dir());
        let again = create_directory(&path, &SecurityDescriptor::private().unwrap()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        std::fs::remove_dir(&path).unwrap();
        // Everyone, users, authenticated users. Wine names the owner instead of the administrators.
        for others in [";;;WD)", ";;;BU)", ";;;AU)"] {
            assert!(!text.contains(others), "{text}");
        }
    }

    #[test]
    fn access_of_what_exists_is_replaced() {
        let path = std::env::temp_dir().join(format!("containerv-access-{}", random::hex::<8>().unwrap()));
        std::fs::write(&path, "x").unwrap();
        set_access(&path, &SecurityDescriptor::from_text("D:P(A;;FA;;;BA)").unwrap()).unwrap();
        access(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let gone = set_access(&path, &SecurityDescriptor::private().unwrap()).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_descriptor_that_would_open_all_is_refused() {
        assert!(SecurityDescriptor::from_text("nonsense").is_err());
        let open = SecurityDescriptor::from_text("O:BA").unwrap();
        assert_eq!(open.access_list().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
