//! What this program may do: privileges, groups, elevation.

// UNSAFETY: access tokens, which the standard library does not have.
#![allow(unsafe_code, reason = "tokens have no safe wrapper")]

use std::collections::BTreeMap;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use windows_sys::Win32::Foundation::{ERROR_NOT_ALL_ASSIGNED, LUID};
use windows_sys::Win32::Security::Authorization::ConvertSidToStringSidW;
use windows_sys::Win32::Security::{
    AdjustTokenPrivileges, CheckTokenMembership, GetTokenInformation, LUID_AND_ATTRIBUTES,
    LookupPrivilegeValueW, PRIVILEGE_SET, PrivilegeCheck, SE_PRIVILEGE_ENABLED, TOKEN_ADJUST_PRIVILEGES,
    TOKEN_ELEVATION, TOKEN_PRIVILEGES, TOKEN_QUERY, TOKEN_USER, TokenElevation, TokenUser,
};
use windows_sys::Win32::System::SystemServices::PRIVILEGE_SET_ALL_NECESSARY;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::wide::{Allocator, Returned, Wide};

/// A right of a program beyond what access lists say. It must be held, and enabled to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// Reads every file.
    Backup,
    /// Writes every file, with every owner and access list.
    Restore,
    /// Reads and writes audit lists.
    Security,
    /// Mounts volumes.
    ManageVolume,
}

impl Privilege {
    /// Returns the system's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backup => "SeBackupPrivilege",
            Self::Restore => "SeRestorePrivilege",
            Self::Security => "SeSecurityPrivilege",
            Self::ManageVolume => "SeManageVolumePrivilege",
        }
    }
}

/// Privileges count for the whole process, because the system works for us on threads of its own.
/// So several users at once share them: the last one gives back what was not enabled at first.
static IN_USE: Mutex<BTreeMap<Privilege, InUse>> = Mutex::new(BTreeMap::new());

struct InUse {
    users: usize,
    enabled_before: bool,
}

/// Runs a closure with privileges enabled for this process, and disables them after it, also if it
/// panics; those that were enabled before stay.
///
/// # Errors
///
/// The system's; `ERROR_NOT_ALL_ASSIGNED` (1300) if one is not held, and then nothing was run.
pub fn with_privileges<T>(privileges: &[Privilege], run: impl FnOnce() -> T) -> io::Result<T> {
    let mut enabled = Enabled(Vec::new());
    for privilege in privileges {
        enable(*privilege)?;
        enabled.0.push(*privilege);
    }
    Ok(run())
}

struct Enabled(Vec<Privilege>);

impl Drop for Enabled {
    fn drop(&mut self) {
        self.0.iter().for_each(|privilege| disable(*privilege));
    }
}

fn enable(privilege: Privilege) -> io::Result<()> {
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(shared) = in_use.get_mut(&privilege) {
        shared.users += 1;
        return Ok(());
    }
    let enabled_before = adjust(privilege, true)?;
    in_use.insert(privilege, InUse { users: 1, enabled_before });
    Ok(())
}

fn disable(privilege: Privilege) {
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(shared) = in_use.get_mut(&privilege) else { return };
    shared.users -= 1;
    if shared.users == 0 {
        if !shared.enabled_before {
            // It was enabled by the same call, which can be refused no more.
            let _ = adjust(privilege, false);
        }
        in_use.remove(&privilege);
    }
}

/// Says whether this process has a privilege enabled.
///
/// # Errors
///
/// The system's.
pub fn is_enabled(privilege: Privilege) -> io::Result<bool> {
    let token = token(TOKEN_QUERY)?;
    let mut set = PRIVILEGE_SET {
        PrivilegeCount: 1,
        Control: PRIVILEGE_SET_ALL_NECESSARY,
        Privilege: [LUID_AND_ATTRIBUTES { Luid: luid(privilege)?, Attributes: 0 }],
    };
    let mut enabled = 0;
    // SAFETY: the token is open; the set has one privilege, as it says; `enabled` takes the answer.
    let success = unsafe { PrivilegeCheck(token.as_raw_handle(), &raw mut set, &raw mut enabled) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(enabled != 0) }
}

/// Enables or disables, and says whether it was enabled before.
fn adjust(privilege: Privilege, enable: bool) -> io::Result<bool> {
    let token = token(TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY)?;
    let luid = luid(privilege)?;
    let attributes = if enable { SE_PRIVILEGE_ENABLED } else { 0 };
    let wanted = TOKEN_PRIVILEGES {
        PrivilegeCount: 1,
        Privileges: [LUID_AND_ATTRIBUTES { Luid: luid, Attributes: attributes }],
    };
    let mut before = TOKEN_PRIVILEGES::default();
    let (size, mut used) = (size_of::<TOKEN_PRIVILEGES>() as u32, 0);
    // SAFETY: the token is open; both structures have one privilege, as their count says, and the
    // second has room for `size` bytes.
    let success = unsafe {
        let before = &raw mut before;
        AdjustTokenPrivileges(token.as_raw_handle(), 0, &raw const wanted, size, before, &raw mut used)
    };
    match io::Error::last_os_error() {
        error if success == 0 => Err(error),
        // The call succeeds although it did nothing.
        error if error.raw_os_error() == Some(ERROR_NOT_ALL_ASSIGNED.cast_signed()) => Err(error),
        // What was not changed is not told.
        _ if before.PrivilegeCount == 0 => Ok(enable),
        _ => Ok(before.Privileges[0].Attributes & SE_PRIVILEGE_ENABLED != 0),
    }
}

fn luid(privilege: Privilege) -> io::Result<LUID> {
    let name = Wide::path(privilege.name().as_ref())?;
    let mut luid = LUID::default();
    // SAFETY: the name outlives the call, which is for this machine; `luid` takes the answer.
    let success = unsafe { LookupPrivilegeValueW(ptr::null(), name.as_ptr(), &raw mut luid) };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(luid) }
}

fn token(access: u32) -> io::Result<OwnedHandle> {
    let mut raw = ptr::null_mut();
    // SAFETY: the process handle is a constant; `raw` takes the handle.
    let success = unsafe { OpenProcessToken(GetCurrentProcess(), access, &raw mut raw) };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was opened just now and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(raw) })
}

/// A group or account that every Windows has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// `BUILTIN\Administrators`. A filtered token of an administrator does not count.
    Administrators,
    /// `BUILTIN\Hyper-V Administrators`.
    HyperVAdministrators,
    /// `NT AUTHORITY\SYSTEM`.
    System,
}

/// `SID` with at most two parts behind the authority, aligned as the system wants it.
#[repr(C)]
struct Identifier {
    revision: u8,
    count: u8,
    authority: [u8; 6],
    parts: [u32; 2],
}

impl Group {
    /// The system has a function for these too, but not in all versions for all of them.
    fn identifier(self) -> Identifier {
        const NT_AUTHORITY: [u8; 6] = [0, 0, 0, 0, 0, 5];
        const BUILTIN: u32 = 32;
        let (count, parts) = match self {
            Self::Administrators => (2, [BUILTIN, 544]),
            Self::HyperVAdministrators => (2, [BUILTIN, 578]),
            Self::System => (1, [18, 0]),
        };
        Identifier { revision: 1, count, authority: NT_AUTHORITY, parts }
    }
}

/// Says whether this program acts as a member of a group.
///
/// # Errors
///
/// The system's.
pub fn is_member(group: Group) -> io::Result<bool> {
    let mut identifier = group.identifier();
    let mut member = 0;
    // SAFETY: no token means this thread's or process's; the identifier has as many parts as it
    // says; `member` takes the answer.
    let success = unsafe {
        let identifier = (&raw mut identifier).cast();
        CheckTokenMembership(ptr::null_mut(), identifier, &raw mut member)
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(member != 0) }
}

/// Returns the identifier (SID) of the user that this process runs as, in text form.
///
/// # Errors
///
/// The system's.
pub fn user() -> io::Result<String> {
    let token = token(TOKEN_QUERY)?;
    // The structure with the longest identifier behind it (`SECURITY_MAX_SID_SIZE` is 68 bytes).
    let mut room = [0_u64; 16];
    let (size, mut used) = (size_of_val(&room) as u32, 0);
    // SAFETY: the token is open; the room is aligned and as large as said.
    let success = unsafe {
        GetTokenInformation(token.as_raw_handle(), TokenUser, room.as_mut_ptr().cast(), size, &raw mut used)
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut text = Returned::new(Allocator::Local);
    // SAFETY: the structure was filled, and its identifier is in the room; the slot takes a pointer.
    let success = unsafe {
        let user = room.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW((*user).User.Sid, text.slot())
    };
    if success == 0 {
        return Err(io::Error::last_os_error());
    }
    text.required("ConvertSidToStringSidW").map_err(io::Error::other)
}

/// Says whether this program runs elevated.
///
/// # Errors
///
/// The system's.
pub fn is_elevated() -> io::Result<bool> {
    let token = token(TOKEN_QUERY)?;
    let mut elevation = TOKEN_ELEVATION::default();
    let (size, mut used) = (size_of::<TOKEN_ELEVATION>() as u32, 0);
    // SAFETY: the token is open; the structure has room for `size` bytes.
    let success = unsafe {
        let elevation = (&raw mut elevation).cast();
        GetTokenInformation(token.as_raw_handle(), TokenElevation, elevation, size, &raw mut used)
    };
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(elevation.TokenIsElevated != 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests that look at the whole process's privileges, one at a time.
    static ONE: Mutex<()> = Mutex::new(());

    const BOTH: [Privilege; 2] = [Privilege::Backup, Privilege::Restore];

    fn states() -> [bool; 2] {
        BOTH.map(|privilege| is_enabled(privilege).unwrap())
    }

    #[test]
    fn privileges_are_enabled_only_around_the_closure() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states();
        let inside = with_privileges(&BOTH, states).unwrap();
        assert_eq!(inside, [true, true]);
        assert_eq!(states(), before);
    }

    #[test]
    fn nested_users_keep_them_until_the_last_one() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states();
        with_privileges(&BOTH, || {
            with_privileges(&[Privilege::Backup], || ()).unwrap();
            assert_eq!(states(), [true, true]);
        })
        .unwrap();
        assert_eq!(states(), before);
    }

    #[test]
    fn a_panic_disables_them_too() {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states();
        let panicked = std::panic::catch_unwind(|| {
            let _ = with_privileges(&BOTH, || std::panic::resume_unwind(Box::new(())));
        });
        assert!(panicked.is_err());
        assert_eq!(states(), before);
    }

    #[test]
    fn identifiers_have_their_documented_text() {
        let texts = [
            (Group::Administrators, "S-1-5-32-544"),
            (Group::HyperVAdministrators, "S-1-5-32-578"),
            (Group::System, "S-1-5-18"),
        ];
        for (group, expected) in texts {
            let mut identifier = group.identifier();
            let mut text = Returned::new(Allocator::Local);
            // SAFETY: the identifier has as many parts as it says; the slot takes a pointer.
            let success = unsafe { ConvertSidToStringSidW((&raw mut identifier).cast(), text.slot()) };
            assert_ne!(success, 0);
            assert_eq!(text.required("ConvertSidToStringSidW").unwrap(), expected);
        }
    }

    #[test]
    fn this_process_runs_as_somebody() {
        let user = user().unwrap();
        assert!(user.starts_with("S-1-5-"), "{user}");
    }

    #[test]
    fn membership_is_answered_for_each_group() {
        for group in [Group::Administrators, Group::HyperVAdministrators, Group::System] {
            is_member(group).unwrap();
        }
        // Whoever is elevated is an administrator; the account of the system is so without it.
        assert!(!is_elevated().unwrap() || is_member(Group::Administrators).unwrap());
    }
}
