//! Who keeps a file open: the Restart Manager's answer.

// UNSAFETY: calls of rstrtmgr.dll.
#![allow(unsafe_code, reason = "calls of rstrtmgr.dll")]

use std::path::Path;
use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_MORE_DATA;
use windows_sys::Win32::System::RestartManager::{CCH_RM_SESSION_KEY, RM_PROCESS_INFO};

use super::error::{Error, Hresult, Result};
use super::library::{Libraries, functions};
use super::wide::{self, Wide};

functions! {
    /// rstrtmgr.dll, which small installations lack. Its functions return Win32 error numbers.
    RestartManagerTable = "rstrtmgr.dll" {
        fn RmStartSession(*mut u32, u32, *mut u16) -> u32;
        fn RmRegisterResources(
            u32, u32, *const *const u16, u32, *const core::ffi::c_void, u32, *const *const u16,
        ) -> u32;
        fn RmGetList(u32, *mut u32, *mut u32, *mut RM_PROCESS_INFO, *mut u32) -> u32;
        fn RmEndSession(u32) -> u32;
    }
}

/// The most processes that are told of.
const MAX_PROCESSES: usize = 256;

/// The Restart Manager.
#[derive(Clone, Debug)]
pub struct RestartManager {
    table: Arc<RestartManagerTable>,
}

/// A process that keeps a file open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub process: u32,
    /// What the system calls it: a program's description or a service's long name.
    pub name: String,
}

impl RestartManager {
    /// Loads the DLL and looks up its functions.
    pub fn load(from: &Libraries) -> Self {
        Self { table: Arc::new(RestartManagerTable::load(from)) }
    }

    /// Says whether this Windows has the DLL.
    pub fn is_loaded(&self) -> bool {
        self.table.is_loaded()
    }

    /// Returns the processes that keep a file open, as far as the system knows: drivers are none,
    /// and at most 256 are told of.
    ///
    /// # Errors
    ///
    /// If this Windows lacks it; the system's.
    pub fn holders(&self, file: &Path) -> Result<Vec<Holder>> {
        let session = self.session()?;
        let file = Wide::new(file)?;
        let files = [file.as_ptr()];
        let register = self.table.RmRegisterResources()?;
        let none = std::ptr::null();
        // SAFETY: the session is open; one file is given and neither processes nor services; the
        // list and its text outlive the call.
        let code = unsafe { register(session.number, 1, files.as_ptr(), 0, none, 0, none.cast()) };
        done("RmRegisterResources", code)?;
        self.list(&session)
    }

    fn session(&self) -> Result<Session<'_>> {
        let start = self.table.RmStartSession()?;
        let mut key = [0_u16; CCH_RM_SESSION_KEY as usize + 1];
        let mut number = 0;
        // SAFETY: the key has the documented length; `number` takes the session's.
        done("RmStartSession", unsafe { start(&raw mut number, 0, key.as_mut_ptr()) })?;
        Ok(Session { manager: self, number })
    }

    fn list(&self, session: &Session<'_>) -> Result<Vec<Holder>> {
        let get = self.table.RmGetList()?;
        let mut processes = vec![RM_PROCESS_INFO::default(); 8];
        loop {
            let (mut needed, mut count, mut reasons) = (0, processes.len() as u32, 0);
            // SAFETY: the session is open; the list has room for `count` processes.
            let code = unsafe {
                let (needed, count) = (&raw mut needed, &raw mut count);
                get(session.number, needed, count, processes.as_mut_ptr(), &raw mut reasons)
            };
            if code == ERROR_MORE_DATA && processes.len() < MAX_PROCESSES {
                // More may have come in the meantime, so not just as many as needed.
                let room = (needed as usize).max(processes.len()).saturating_mul(2).min(MAX_PROCESSES);
                processes.resize(room, RM_PROCESS_INFO::default());
                continue;
            }
            if code != ERROR_MORE_DATA {
                done("RmGetList", code)?;
            }
            processes.truncate(count as usize);
            return Ok(processes.iter().map(holder).collect());
        }
    }
}

fn holder(info: &RM_PROCESS_INFO) -> Holder {
    let name = [&info.strAppName[..], &info.strServiceShortName[..]].map(wide::from_buffer);
    let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    Holder { process: info.Process.dwProcessId, name }
}

/// There are at most 64 at a time in a user's session, so it must be ended.
struct Session<'a> {
    manager: &'a RestartManager,
    number: u32,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Ok(end) = self.manager.table.RmEndSession() {
            // SAFETY: the session is open, and is ended once.
            unsafe { end(self.number) };
        }
    }
}

fn done(function: &'static str, code: u32) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::failed(function, Hresult::from_win32(code), None)) }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_void};

    use windows_sys::Win32::System::RestartManager;

    use super::*;
    use crate::windows::library::Address;
    use crate::windows::signatures::compare;

    #[test]
    fn functions_are_as_in_the_metadata() {
        let unknown = compare!(RestartManagerTable, RestartManager;
            RmStartSession(_, _, _);
            RmRegisterResources(_, _, _, _, _, _, _);
            RmGetList(_, _, _, _, _);
            RmEndSession(_);
        );
        assert!(unknown.is_empty());
    }

    #[test]
    fn the_real_one_answers() {
        let manager = super::RestartManager::load(&Libraries::system32());
        let path = std::env::current_exe().unwrap();
        match manager.holders(&path) {
            Ok(holders) => assert!(holders.len() <= MAX_PROCESSES),
            // Wine has parts of it only.
            Err(error) => assert!(error.function().is_some(), "{error}"),
        }
    }

    unsafe extern "system" fn start(number: *mut u32, flags: u32, key: *mut u16) -> u32 {
        assert_eq!(flags, 0);
        // SAFETY: the caller's rooms.
        unsafe {
            *key.add(CCH_RM_SESSION_KEY as usize) = 0;
            *number = 5;
        }
        0
    }

    unsafe extern "system" fn register(
        session: u32,
        files: u32,
        _names: *const *const u16,
        _processes: u32,
        _: *const c_void,
        _services: u32,
        _: *const *const u16,
    ) -> u32 {
        assert_eq!((session, files), (5, 1));
        0
    }

    unsafe extern "system" fn get(
        _session: u32,
        needed: *mut u32,
        count: *mut u32,
        list: *mut RM_PROCESS_INFO,
        _reasons: *mut u32,
    ) -> u32 {
        // SAFETY: the caller's rooms; the list has as many entries as it says.
        unsafe {
            *needed = 20;
            if *count < 20 {
                return ERROR_MORE_DATA;
            }
            *count = 20;
            for at in 0..20 {
                let info = &mut *list.add(at);
                info.Process.dwProcessId = 100 + at as u32;
                info.strAppName[0] = u16::from(b'A');
            }
        }
        0
    }

    unsafe extern "system" fn end(session: u32) -> u32 {
        assert_eq!(session, 5);
        0
    }

    fn find(name: &CStr) -> Option<Address> {
        let address: *const c_void = match name.to_bytes() {
            b"RmStartSession" => start as *const c_void,
            b"RmRegisterResources" => register as *const c_void,
            b"RmGetList" => get as *const c_void,
            b"RmEndSession" => end as *const c_void,
            _ => return None,
        };
        // SAFETY: an address of a function; the table gives it its signature.
        Some(unsafe { std::mem::transmute::<*const c_void, Address>(address) })
    }

    #[test]
    fn a_list_longer_than_expected_is_read_whole() {
        let manager = super::RestartManager { table: Arc::new(RestartManagerTable::of_test(find)) };
        let holders = manager.holders(Path::new(r"C:\sandbox.vhdx")).unwrap();
        assert_eq!(holders.len(), 20);
        assert_eq!(holders[19], Holder { process: 119, name: "A".into() });
    }
}
