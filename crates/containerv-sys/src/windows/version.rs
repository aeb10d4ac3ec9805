//! Which Windows this is.

// UNSAFETY: the kernel's version.
#![allow(unsafe_code, reason = "the standard library does not tell the version")]

use std::fmt;
use std::io;

use windows_sys::Wdk::System::SystemServices::RtlGetVersion;
use windows_sys::Win32::System::SystemInformation::{OSVERSIONINFOEXW, OSVERSIONINFOW};
use windows_sys::Win32::System::SystemServices::VER_NT_WORKSTATION;

use super::registry;

const CURRENT_VERSION: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";

/// A version of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 10 for all that are of interest.
    pub major: u32,
    /// 0 for all that are of interest.
    pub minor: u32,
    /// Such as 20348 for Windows Server 2022.
    pub build: u32,
    /// The last number, which grows with each update; 0 if it is not recorded.
    pub revision: u32,
    /// Whether it is Windows Server, and not Windows 10 or 11.
    pub server: bool,
}

impl Version {
    /// Asks the kernel (`RtlGetVersion`), which tells the truth also to programs without a
    /// manifest, and the registry for the revision.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn of_this_windows() -> io::Result<Self> {
        let mut raw = OSVERSIONINFOEXW {
            dwOSVersionInfoSize: size_of::<OSVERSIONINFOEXW>() as u32,
            ..OSVERSIONINFOEXW::default()
        };
        // SAFETY: the structure says its size, which is that of the longer form that the function
        // knows too.
        let status = unsafe { RtlGetVersion((&raw mut raw).cast::<OSVERSIONINFOW>()) };
        if status != 0 {
            let text = format!("RtlGetVersion: NTSTATUS 0x{:08X}", status.cast_unsigned());
            return Err(io::Error::other(text));
        }
        Ok(Self {
            major: raw.dwMajorVersion,
            minor: raw.dwMinorVersion,
            build: raw.dwBuildNumber,
            revision: registry::number(CURRENT_VERSION, "UBR").ok().flatten().unwrap_or(0),
            server: u32::from(raw.wProductType) != VER_NT_WORKSTATION,
        })
    }
}

/// As images give it: `10.0.20348.2527`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.major, self.minor, self.build, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_one_that_has_containers() {
        let version = Version::of_this_windows().unwrap();
        assert_eq!((version.major, version.minor), (10, 0), "{version}");
        assert!(version.build >= 14393, "{version}");
        assert!(version.to_string().starts_with("10.0."));
    }
}
