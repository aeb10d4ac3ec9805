//! Users, groups and capabilities.

use crate::call;
use crate::exec::{self, PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_SET_KEEPCAPS};
use crate::passwd::{self, Lines, MAX_FILE, MAX_GROUPS, MAX_HOME, parse_id};
use crate::program::{Operation, Program};
use crate::sys::{self, AT_FDCWD, Sys, resolve};
use crate::Stage;

const HOME_PREFIX: &[u8] = b"HOME=";

/// Who a process will be.
pub struct User {
    uid: u32,
    gid: u32,
    groups: [u32; MAX_GROUPS],
    group_count: usize,
    /// `HOME=…` with NUL.
    home: [u8; MAX_HOME + 8],
}

impl User {
    /// Root without further groups.
    pub const ROOT: Self =
        Self { uid: 0, gid: 0, groups: [0; MAX_GROUPS], group_count: 0, home: [0; MAX_HOME + 8] };

    /// Returns the environment entry for `HOME`.
    pub fn home_entry(&self) -> *const u8 {
        self.home.as_ptr()
    }

    fn set_home(&mut self, path: &[u8]) {
        let path = if path.is_empty() || path.len() > MAX_HOME { b"/" } else { path };
        self.home = [0; MAX_HOME + 8];
        self.home[..HOME_PREFIX.len()].copy_from_slice(HOME_PREFIX);
        self.home[HOME_PREFIX.len()..HOME_PREFIX.len() + path.len()].copy_from_slice(path);
    }

    fn add_group(&mut self, gid: u32) -> Sys<()> {
        if self.groups[..self.group_count].contains(&gid) {
            return Ok(());
        }
        *self.groups.get_mut(self.group_count).ok_or(sys::EINVAL)? = gid;
        self.group_count += 1;
        Ok(())
    }
}

/// `USER`: `name`, `uid`, `name:group`, `uid:gid`, or empty for root. A name without an entry is
/// `ENOENT`; a number needs none and then has group 0 and home `/`.
pub fn resolve(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let text = program.bytes(o.arg(0));
    let mut halves = text.splitn(2, |byte| *byte == b':');
    let user = halves.next().unwrap_or(b"");
    let group = halves.next();
    let number = if user.is_empty() { Some(0) } else { parse_id(user) };
    let mut name = [0u8; 64];
    let mut name_length = 0;
    let mut found = false;
    let result = &mut stage.user;
    result.set_home(b"/");
    each_line(c"/etc/passwd".as_ptr().cast(), &mut |line| {
        let Some(entry) = passwd::parse_passwd(line) else { return false };
        if number.is_some_and(|uid| uid != entry.uid) || (number.is_none() && entry.name != user) {
            return false;
        }
        found = true;
        (result.uid, result.gid) = (entry.uid, entry.gid);
        result.set_home(entry.home);
        name_length = entry.name.len().min(name.len());
        name[..name_length].copy_from_slice(&entry.name[..name_length]);
        true
    })?;
    match (found, number) {
        (true, _) => {}
        (false, Some(uid)) => {
            (result.uid, result.gid) = (uid, 0);
            if uid == 0 {
                result.set_home(b"/root");
            }
        }
        (false, None) => return Err(sys::ENOENT),
    }
    resolve_groups(result, group, &name[..name_length], program, o.arg(1))
}

fn resolve_groups(user: &mut User, group: Option<&[u8]>, name: &[u8], program: &Program, list: u64) -> Sys<()> {
    if let Some(group) = group.filter(|group| !group.is_empty()) {
        user.gid = group_id(group)?;
    } else if !name.is_empty() {
        let mut full = Ok(());
        each_line(c"/etc/group".as_ptr().cast(), &mut |line| {
            if let Some(entry) = passwd::parse_group(line).filter(|entry| entry.has_member(name)) {
                full = user.add_group(entry.gid);
            }
            full.is_err()
        })?;
        full?;
    }
    for entry in program.list(list) {
        let gid = group_id(program.bytes(entry))?;
        user.add_group(gid)?;
    }
    Ok(())
}

fn group_id(group: &[u8]) -> Sys<u32> {
    if let Some(number) = parse_id(group) {
        return Ok(number);
    }
    let mut found = None;
    each_line(c"/etc/group".as_ptr().cast(), &mut |line| {
        found = passwd::parse_group(line).filter(|entry| entry.name == group).map(|entry| entry.gid);
        found.is_some()
    })?;
    found.ok_or(sys::ENOENT)
}

/// Reads a file of the container line by line; a missing one has no lines.
fn each_line(path: *const u8, take: &mut dyn FnMut(&[u8]) -> bool) -> Sys<()> {
    // Without O_NONBLOCK, opening a FIFO that the image put here would wait for ever.
    let flags = sys::O_RDONLY | sys::O_CLOEXEC | sys::O_NONBLOCK | sys::O_NOCTTY;
    let file = match sys::openat2(AT_FDCWD, path, flags, 0, resolve::NO_MAGICLINKS) {
        Ok(file) => file,
        Err(sys::ENOENT | sys::ENOTDIR) => return Ok(()),
        Err(error) => return Err(error),
    };
    let result = if exec::is_regular(file)? { read_lines(file, take) } else { Err(sys::EINVAL) };
    sys::close(file);
    result
}

fn read_lines(file: i32, take: &mut dyn FnMut(&[u8]) -> bool) -> Sys<()> {
    let mut lines = Lines::empty();
    let mut buffer = [0u8; 4096];
    let mut total = 0;
    loop {
        let count = sys::read(file, &mut buffer)?;
        if count == 0 {
            lines.finish(take);
            return Ok(());
        }
        total += count;
        if total > MAX_FILE {
            return Err(sys::EFBIG);
        }
        if lines.feed(buffer.get(..count).unwrap_or(&[]), take) {
            return Ok(());
        }
    }
}

/// `BECOME_ROOT`: in a new user namespace the own ids mean nobody until they are changed.
pub fn become_root() -> Sys<()> {
    // Where setgroups(2) is denied, as user_namespaces(7) demands for a single mapped group, the
    // caller's groups stay: they are not mapped and grant only what they granted before.
    let _ = call!(SETGROUPS, 0, 0);
    call!(SETRESGID, 0, 0, 0)?;
    call!(SETRESUID, 0, 0, 0).map(drop)
}

/// `CREDENTIALS`: drops the bounding set, takes the ids, then the capabilities.
///
/// For a user other than root only the ambient set survives execve(2), so `effective` counts for
/// root alone. The inheritable set is that of the ambient one: empty in all usual cases
/// (CVE-2022-29162).
pub fn become_user(user: &User, bounding: u64, effective: u64, ambient: u64) -> Sys<()> {
    drop_bounding(bounding)?;
    if ambient != 0 {
        exec::prctl(PR_SET_KEEPCAPS, 1, 0)?;
    }
    match call!(SETGROUPS, user.group_count, user.groups.as_ptr()) {
        Ok(_) => {}
        // Denied in a user namespace with a single mapped group: fine when there is none to set.
        Err(sys::EPERM) if user.group_count == 0 => {}
        Err(error) => return Err(error),
    }
    call!(SETRESGID, user.gid, user.gid, user.gid)?;
    call!(SETRESUID, user.uid, user.uid, user.uid)?;
    let kept = if user.uid == 0 { effective } else { ambient };
    set_capabilities(kept, kept & ambient)?;
    for capability in 0..64 {
        if ambient >> capability & 1 == 1 {
            const PR_CAP_AMBIENT_RAISE: usize = 2;
            exec::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)?;
        }
    }
    Ok(())
}

fn drop_bounding(keep: u64) -> Sys<()> {
    for capability in 0..64 {
        if keep >> capability & 1 == 1 {
            continue;
        }
        match exec::prctl(PR_CAPBSET_DROP, capability, 0) {
            Ok(()) => {}
            // The first number that this kernel does not know.
            Err(sys::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// capset(2), version 3.
fn set_capabilities(permitted: u64, inheritable: u64) -> Sys<()> {
    const VERSION_3: u64 = 0x2008_0522;
    let (p, i) = (permitted, inheritable);
    let half = |value: u64, shift: u32| (value >> shift) as u32;
    let data = [half(p, 0), half(p, 0), half(i, 0), half(p, 32), half(p, 32), half(i, 32)];
    let header = VERSION_3;
    call!(CAPSET, &raw const header, data.as_ptr()).map(drop)
}
