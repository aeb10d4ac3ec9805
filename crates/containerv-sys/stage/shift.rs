//! Mounts that show other ids than the files have, for the layers of a container whose ids are mapped.

use crate::call;
use crate::fs;
use crate::monitor::socket_pair;
use crate::namespaces::{await_go, clone_process, open_of};
use crate::program::{Operation, Program};
use crate::sys::{self, AT_EMPTY_PATH, AT_FDCWD, Sys};
use crate::wire::NO_FD;
use crate::Stage;

const CLONE_NEWNS: u64 = 0x2_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;

/// The way back from mounts apart, and the mapping.
pub struct Apart {
    mounts: i32,
    /// The root directory, which setns(2) changes to that of the namespace.
    root: i32,
    mapping: i32,
}

impl Apart {
    /// Not apart.
    pub const NONE: Self = Self { mounts: -1, root: -1, mapping: -1 };
}

/// `SHIFT_BEGIN`.
pub fn begin(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    const PRIVATE_RECURSIVE: u64 = 1 << 18 | 1 << 14;
    let open = |path: &core::ffi::CStr, flags: i32| {
        call!(OPENAT, AT_FDCWD, path.as_ptr(), flags | sys::O_CLOEXEC, 0).map(|fd| fd as i32)
    };
    stage.apart = Apart {
        mapping: mapping(program.bytes(o.arg(0)), program.bytes(o.arg(1)))?,
        mounts: open(c"/proc/thread-self/ns/mnt", sys::O_RDONLY)?,
        root: open(c"/", sys::O_PATH)?,
    };
    call!(UNSHARE, CLONE_NEWNS)?;
    fs::propagation(PRIVATE_RECURSIVE)
}

/// A user namespace with these mappings, in which nobody is: a process is made in it, and ended.
fn mapping(uids: &[u8], gids: &[u8]) -> Sys<i32> {
    let [ours, theirs] = socket_pair()?;
    let child = clone_process(CLONE_NEWUSER, NO_FD, None)?;
    if child == 0 {
        sys::close(ours);
        let _ = await_go(theirs);
        sys::exit(0);
    }
    let opened = write_map(child, b"/uid_map", uids)
        .and_then(|()| write_map(child, b"/gid_map", gids))
        .and_then(|()| open_of(child, b"/ns/user", sys::O_RDONLY));
    sys::close(ours);
    sys::close(theirs);
    let _ = call!(WAIT4, child, 0, 0, 0);
    opened
}

/// The kernel takes a map in one write(2) only.
fn write_map(process: i32, name: &[u8], lines: &[u8]) -> Sys<()> {
    let file = open_of(process, name, sys::O_WRONLY)?;
    let written = call!(WRITE, file, lines.as_ptr(), lines.len());
    sys::close(file);
    written.map(drop)
}

/// `SHIFT_LAYER`: mount_setattr(2) with `MOUNT_ATTR_IDMAP`, which a mount takes only before it is attached.
pub fn layer(stage: &Stage, program: &Program, o: &Operation) -> Sys<()> {
    const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
    let path = program.text(o.arg(0));
    let mount = fs::clone_tree(AT_FDCWD, path, 0)?;
    let attributes = [MOUNT_ATTR_IDMAP, 0, 0, stage.apart.mapping as u64];
    let size = core::mem::size_of_val(&attributes);
    call!(MOUNT_SETATTR, mount, c"".as_ptr(), AT_EMPTY_PATH, attributes.as_ptr(), size)?;
    let target = call!(OPENAT, AT_FDCWD, path, sys::O_PATH | sys::O_DIRECTORY | sys::O_CLOEXEC, 0)? as i32;
    let attached = fs::attach_to(mount, target);
    sys::close(target);
    sys::close(mount);
    attached
}

/// `SHIFT_GIVE`: what the container has given to somebody else stays theirs.
pub fn give(program: &Program, o: &Operation) -> Sys<()> {
    const AT_SYMLINK_NOFOLLOW: usize = 0x100;
    let path = program.text(o.arg(0));
    let directory = call!(OPENAT, AT_FDCWD, path, sys::O_PATH | sys::O_DIRECTORY | sys::O_CLOEXEC, 0)? as i32;
    let given = match fs::owner(directory)? {
        0 => call!(FCHOWNAT, directory, c"".as_ptr(), o.int(1), o.int(2), AT_EMPTY_PATH as usize | AT_SYMLINK_NOFOLLOW)
            .map(drop),
        _ => Ok(()),
    };
    sys::close(directory);
    given
}

/// `SHIFT_END`. What was cloned of the mounts stays; the rest goes with the namespace that nobody is in any more.
pub fn end(stage: &mut Stage) -> Sys<()> {
    let apart = core::mem::replace(&mut stage.apart, Apart::NONE);
    call!(SETNS, apart.mounts, CLONE_NEWNS)?;
    call!(FCHDIR, apart.root)?;
    call!(CHROOT, c".".as_ptr())?;
    call!(CHDIR, c"/".as_ptr())?;
    for fd in [apart.mounts, apart.root, apart.mapping] {
        sys::close(fd);
    }
    Ok(())
}
