//! UTF-16 texts that go to DLLs and come back from them.

// UNSAFETY: reads and frees texts of which only a pointer is known.
#![allow(unsafe_code, reason = "texts of DLLs are bare pointers")]

use std::ffi::{OsStr, c_void};
use std::os::windows::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::System::Com::CoTaskMemFree;

use super::error::{Error, Result};

/// The longest document that is accepted, in units of two bytes: what a service returns for all
/// that it runs is far below, and a text without an end is noticed.
const MAX_UNITS: usize = 32 << 20;

/// A text for the system, with its NUL.
#[derive(Debug)]
pub(crate) struct Wide(Vec<u16>);

impl Wide {
    pub(crate) fn new(text: impl AsRef<OsStr>) -> Result<Self> {
        let text = text.as_ref();
        let mut units: Vec<u16> = text.encode_wide().collect();
        if units.contains(&0) {
            return Err(Error::Nul { text: text.to_string_lossy().into_owned() });
        }
        units.push(0);
        Ok(Self(units))
    }

    /// For functions of the system proper, whose errors are the standard library's.
    pub(crate) fn path(path: &Path) -> std::io::Result<Self> {
        Self::new(path).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))
    }

    /// None becomes a null pointer, which is not the same to a DLL as an empty text.
    pub(crate) fn optional(text: Option<&str>) -> Result<Optional> {
        Ok(Optional(text.map(Self::new).transpose()?))
    }

    pub(crate) fn as_ptr(&self) -> *const u16 {
        self.0.as_ptr()
    }

    /// For functions that write to the text that they are given.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u16 {
        self.0.as_mut_ptr()
    }
}

/// A text for the system, or none.
#[derive(Debug)]
pub(crate) struct Optional(Option<Wide>);

impl Optional {
    pub(crate) fn as_ptr(&self) -> *const u16 {
        self.0.as_ref().map_or(ptr::null(), Wide::as_ptr)
    }
}

/// Who frees a text that a DLL returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocator {
    /// `LocalFree`: computecore.dll, computestorage.dll.
    Local,
    /// `CoTaskMemFree`: computenetwork.dll, vmcompute.dll.
    Task,
}

/// Room for a text that a DLL returns and the caller frees.
#[derive(Debug)]
pub(crate) struct Returned {
    text: *mut u16,
    allocator: Allocator,
}

impl Returned {
    pub(crate) fn new(allocator: Allocator) -> Self {
        Self { text: ptr::null_mut(), allocator }
    }

    /// Where the DLL puts its pointer.
    pub(crate) fn slot(&mut self) -> *mut *mut u16 {
        &raw mut self.text
    }

    /// Takes the text, if there is one. An empty text says as little as none.
    pub(crate) fn take(self, function: &'static str) -> Result<Option<String>> {
        // SAFETY: the DLL has set the pointer to a text that belongs to the caller, or left it null.
        let text = unsafe { read(self.text, MAX_UNITS) };
        match text {
            Read::Text(text) => Ok(Some(text)),
            Read::None => Ok(None),
            Read::Endless => Err(Error::Answer { function, problem: "the returned text is too long" }),
        }
    }

    /// Takes a text that must be there.
    pub(crate) fn required(self, function: &'static str) -> Result<String> {
        self.take(function)?.ok_or(Error::Answer { function, problem: "no text was returned" })
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if self.text.is_null() {
            return;
        }
        let text: *mut c_void = self.text.cast();
        // SAFETY: the DLL allocated the text for the caller with the allocator that is documented
        // for it, and nothing refers to it any more.
        unsafe {
            match self.allocator {
                Allocator::Local => drop(LocalFree(text)),
                Allocator::Task => CoTaskMemFree(text),
            }
        }
    }
}

/// Copies a text that stays the DLL's, such as an event's in a callback.
///
/// # Safety
///
/// `text` is null or points to UTF-16 that ends with NUL and does not change meanwhile.
pub(crate) unsafe fn copy(text: *const u16) -> Option<String> {
    // SAFETY: as the caller promises.
    match unsafe { read(text, MAX_UNITS) } {
        Read::Text(text) => Some(text),
        Read::None | Read::Endless => None,
    }
}

enum Read {
    Text(String),
    None,
    Endless,
}

/// # Safety
///
/// `text` is null or points to UTF-16 that ends with NUL.
unsafe fn read(text: *const u16, limit: usize) -> Read {
    if text.is_null() {
        return Read::None;
    }
    // SAFETY: every unit up to the NUL is readable, and none behind it is looked at.
    let length = (0..limit).find(|&at| unsafe { *text.add(at) } == 0);
    match length {
        Some(0) => Read::None,
        Some(length) => {
            // SAFETY: `length` units before the NUL were just read.
            let units = unsafe { std::slice::from_raw_parts(text, length) };
            Read::Text(String::from_utf16_lossy(units))
        }
        None => Read::Endless,
    }
}

/// The text in a buffer up to its NUL.
pub(crate) fn from_buffer(units: &[u16]) -> String {
    let length = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..length])
}

#[cfg(test)]
mod tests {
    use windows_sys::Win32::System::Com::CoTaskMemAlloc;

    use super::*;

    fn returned(text: &str) -> Returned {
        let wide = Wide::new(text).unwrap();
        let bytes = wide.0.len() * 2;
        let mut returned = Returned::new(Allocator::Task);
        // SAFETY: the new memory has room for the units that are copied into it.
        unsafe {
            let memory: *mut u16 = CoTaskMemAlloc(bytes).cast();
            assert!(!memory.is_null());
            ptr::copy_nonoverlapping(wide.0.as_ptr(), memory, wide.0.len());
            *returned.slot() = memory;
        }
        returned
    }

    #[test]
    fn texts_come_back_as_they_are() {
        assert_eq!(returned("{\"a\":\"ä𝄞\"}").take("F").unwrap().unwrap(), "{\"a\":\"ä𝄞\"}");
        assert_eq!(returned("").take("F").unwrap(), None);
        assert_eq!(Returned::new(Allocator::Local).take("F").unwrap(), None);
        assert!(matches!(Returned::new(Allocator::Local).required("F"), Err(Error::Answer { .. })));
    }

    #[test]
    fn a_text_without_an_end_is_not_read_for_ever() {
        let units = [65_u16; 8];
        // SAFETY: no more than the eight units are read.
        assert!(matches!(unsafe { read(units.as_ptr(), 8) }, Read::Endless));
    }

    #[test]
    fn a_nul_inside_is_refused() {
        assert!(matches!(Wide::new("a\0b"), Err(Error::Nul { text }) if text == "a\0b"));
        assert!(Wide::optional(None).unwrap().as_ptr().is_null());
        assert!(!Wide::optional(Some("")).unwrap().as_ptr().is_null());
    }
}
