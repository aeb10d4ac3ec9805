//! Making and attaching mounts. Only descriptors are attached, never paths.

use crate::call;
use crate::program::{Operation, Program};
use crate::sys::{self, AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, Sys};
use crate::tree::{self, Rules};
use crate::wire::{self, attach, op};
use crate::Stage;

const OPEN_TREE_CLONE: u64 = 1;
const OPEN_TREE_CLOEXEC: u64 = sys::O_CLOEXEC as u64;
const MOVE_MOUNT_F_EMPTY_PATH: usize = 4;
const MOVE_MOUNT_T_EMPTY_PATH: usize = 0x40;
const MOUNT_ATTR_RDONLY: u64 = 1;
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

const EMPTY: *const u8 = c"".as_ptr().cast();

/// `PROPAGATION`.
pub fn propagation(flags: u64) -> Sys<()> {
    call!(MOUNT, 0, c"/".as_ptr(), 0, flags, 0).map(drop)
}

/// open_tree(2) of a path, cloned.
pub fn clone_tree(dir: i32, path: *const u8, flags: u64) -> Sys<i32> {
    call!(OPEN_TREE, dir, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC).map(|fd| fd as i32)
}

/// mount_setattr(2) on a mount's descriptor.
pub fn set_attributes(mount: i32, set: u64, clear: u64, propagation: u64, recursive: u64) -> Sys<()> {
    if set | clear | propagation == 0 {
        return Ok(());
    }
    let attributes = [set, clear, propagation, 0];
    let flags = AT_EMPTY_PATH as u64 | recursive;
    call!(MOUNT_SETATTR, mount, EMPTY, flags, attributes.as_ptr(), 32).map(drop)
}

/// `TREE`.
pub fn tree(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let mount = clone_tree(AT_FDCWD, program.text(o.arg(1)), o.arg(2))?;
    if o.arg(0) == wire::ROOT && !is_directory(mount)? {
        return Err(sys::ENOTDIR);
    }
    let set = set_attributes(mount, o.arg(3), o.arg(4), o.arg(6), o.arg(5));
    stage.set_register(o.arg(0), mount)?;
    set
}

/// `FILESYSTEM`: fsopen(2), fsconfig(2), fsmount(2).
pub fn filesystem(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    const SET_FLAG: usize = 0;
    const SET_STRING: usize = 1;
    const CREATE: usize = 6;
    let context = call!(FSOPEN, program.text(o.arg(1)), 1)? as i32;
    for (key, value) in program.list(o.arg(3)).zip(program.list(o.arg(4))) {
        let (key, value) = (program.text(key), program.text(value));
        // SAFETY: texts of a program end with NUL; an empty value means a flag.
        let command = if unsafe { *value } == 0 { SET_FLAG } else { SET_STRING };
        let value = if command == SET_FLAG { core::ptr::null() } else { value };
        call!(FSCONFIG, context, command, key, value, 0)?;
    }
    call!(FSCONFIG, context, CREATE, 0, 0, 0)?;
    let mount = call!(FSMOUNT, context, 1, o.arg(2))? as i32;
    sys::close(context);
    stage.set_register(o.arg(0), mount)
}

/// Attaches a detached mount on what `target` refers to.
pub fn attach_to(mount: i32, target: i32) -> Sys<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    call!(MOVE_MOUNT, mount, EMPTY, target, EMPTY, flags).map(drop)
}

/// `ATTACH`.
pub fn attach_op(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let root = stage.register(wire::ROOT)?;
    let mount = stage.register(o.arg(0))?;
    let path = program.bytes(o.arg(1));
    let target = open_target(root, path, mount, o.arg(2))?;
    // A link of the image may lead where the request may not name it.
    if o.arg(2) & attach::NO_LINKS == 0 && file_system_type(target)? == PROC_SUPER_MAGIC {
        return Err(sys::EPERM);
    }
    let attached = attach_to(mount, target);
    sys::close(target);
    attached
}

/// `OPEN_HOST`.
pub fn open_host(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let path = program.text(o.arg(1));
    let opened = call!(OPENAT, AT_FDCWD, path, sys::O_PATH | sys::O_CLOEXEC)? as i32;
    stage.set_register(o.arg(0), opened)
}

/// `DETACH`. The container may have moved directories meanwhile, so that the path leads to another mount, such
/// as one that hides something: only what is the same file on the host, and as read-only, is detached.
/// umount2(2) takes paths alone; that of a descriptor leads to what it refers to, in whichever namespace.
pub fn detach(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    const MNT_DETACH: usize = 2;
    const ST_RDONLY: u64 = 1;
    let (root, source) = (stage.register(wire::ROOT)?, stage.register(o.arg(0))?);
    let target = open_target(root, program.bytes(o.arg(1)), source, o.arg(2) & attach::STRICT)?;
    let read_only = |fd| mount_flags(fd).map(|flags| flags & ST_RDONLY != 0);
    let expected = o.arg(3) != 0 || read_only(source)?;
    if identity(target)? != identity(source)? || read_only(target)? != expected {
        return Err(sys::ESTALE);
    }
    call!(FCHDIR, stage.register(wire::PROC)?)?;
    let (mut path, mut digits) = ([0u8; 24], [0u8; 8]);
    let number = crate::exec::decimal(target, &mut digits);
    for (place, byte) in path.iter_mut().zip(b"self/fd/".iter().chain(number)) {
        *place = *byte;
    }
    call!(UMOUNT2, path.as_ptr(), MNT_DETACH).map(drop)
}

fn open_target(root: i32, path: &[u8], mount: i32, flags: u64) -> Sys<i32> {
    let rules = match flags & (attach::STRICT | attach::NO_LINKS) {
        0 => Rules::CONFINED,
        attach::STRICT => Rules::STRICT,
        _ => Rules::NO_LINKS,
    };
    let found = tree::open(root, path, sys::O_PATH, rules);
    let create = flags & (attach::CREATE_DIR | attach::CREATE_FILE | attach::CREATE_LIKE);
    if found != Err(sys::ENOENT) || create == 0 {
        return found;
    }
    let directory = create & attach::CREATE_DIR != 0 || (create & attach::CREATE_LIKE != 0 && is_directory(mount)?);
    if directory {
        return tree::make_directories(root, path, rules);
    }
    tree::make_file(root, path, rules)?;
    tree::open(root, path, sys::O_PATH, rules)
}

/// Says whether a descriptor refers to a directory.
pub fn is_directory(fd: i32) -> Sys<bool> {
    Ok(file_type(fd)? == 0o040_000)
}

/// Returns the type bits of `st_mode`.
pub fn file_type(fd: i32) -> Sys<u32> {
    Ok(stat(fd)?[3] as u32 & 0o170_000)
}

/// Returns the user that it belongs to.
pub fn owner(fd: i32) -> Sys<u32> {
    Ok((stat(fd)?[3] >> 32) as u32)
}

/// Returns `st_dev` and `st_ino`.
fn identity(fd: i32) -> Sys<(u64, u64)> {
    stat(fd).map(|stat| (stat[0], stat[1]))
}

/// `struct stat` of x86-64: 144 bytes, `st_dev` at 0, `st_ino` at 8, `st_mode` at 24, `st_uid` at 28.
fn stat(fd: i32) -> Sys<[u64; 18]> {
    let mut stat = [0u64; 18];
    call!(FSTAT, fd, stat.as_mut_ptr())?;
    Ok(stat)
}

/// `MKDIR`, `MKNOD` and `SYMLINK` in a mount that no process of the container sees yet.
pub fn make(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let dir = stage.register(o.arg(0))?;
    let name = program.text(o.arg(1));
    let made = match o.code {
        op::MKDIR => call!(MKDIRAT, dir, name, o.arg(2)),
        op::MKNOD => call!(MKNODAT, dir, name, o.arg(2), o.arg(3)),
        _ => call!(SYMLINKAT, program.text(o.arg(2)), dir, name),
    };
    match made {
        // A container that is started again finds what its first start made.
        Err(sys::EEXIST) => Ok(()),
        other => other.map(drop),
    }
}

/// `HOST_MKDIR`.
pub fn host_mkdir(program: &Program, o: &Operation) -> Sys<()> {
    match call!(MKDIRAT, AT_FDCWD, program.text(o.arg(0)), o.arg(1)) {
        Ok(_) | Err(sys::EEXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a path that is to be hidden or protected; none if there is nothing.
///
/// What lies in `/proc` or `/sys` is looked for in the mount itself. Its name in the root may lead
/// elsewhere for a moment, if another container has the same root and swaps it, and the path
/// would then be passed over as one that does not exist.
fn open_existing(stage: &Stage, path: &[u8]) -> Sys<Option<i32>> {
    let system = [(&b"/proc/"[..], wire::PROC), (&b"/sys/"[..], wire::SYS)];
    for (prefix, register) in system {
        if let (Some(rest), Ok(mount)) = (path.strip_prefix(prefix), stage.register(register)) {
            return open_if_there(mount, rest);
        }
    }
    open_if_there(stage.register(wire::ROOT)?, path)
}

fn open_if_there(directory: i32, path: &[u8]) -> Sys<Option<i32>> {
    match tree::open(directory, path, sys::O_PATH, Rules::NO_LINKS) {
        Ok(target) => Ok(Some(target)),
        Err(sys::ENOENT | sys::ENOTDIR | sys::ELOOP | sys::EACCES) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `MASK`: a directory is covered by a clone of an empty one, anything else by the null device.
///
/// Both were cloned from the host before the root was attached, so a root file system cannot put
/// another file in their place.
pub fn mask(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let root = stage.register(wire::ROOT)?;
    let covers = (stage.register(o.arg(0))?, stage.register(o.arg(1))?);
    for entry in program.list(o.arg(2)) {
        let path = program.bytes(entry);
        if let Some(target) = open_existing(stage, path)? {
            cover(target, covers)?;
        }
        // The request may have mounted something over the container's own `/sys`.
        if path.starts_with(b"/sys/") && let Some(target) = open_if_there(root, path)? {
            cover(target, covers)?;
        }
    }
    Ok(())
}

/// Covers what a descriptor refers to, unless it is such a cover itself, and closes it.
fn cover(target: i32, (empty, null): (i32, i32)) -> Sys<()> {
    let cover = if is_directory(target)? { empty } else { null };
    if identity(target)? != identity(cover)? {
        attach_cover(cover, target)?;
    }
    sys::close(target);
    Ok(())
}

/// Attaches a clone of a cover. Kernels before 6.15 do not clone what is attached nowhere: there the
/// first target gets the cover itself, and later ones get clones of that.
fn attach_cover(cover: i32, target: i32) -> Sys<()> {
    match clone_tree(cover, EMPTY, AT_EMPTY_PATH as u64) {
        Ok(clone) => {
            attach_to(clone, target)?;
            sys::close(clone);
            Ok(())
        }
        Err(sys::EINVAL) => attach_to(cover, target),
        Err(error) => Err(error),
    }
}

/// `READONLY`.
pub fn read_only(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    for entry in program.list(o.arg(0)) {
        let Some(target) = open_existing(stage, program.bytes(entry))? else { continue };
        let mount = clone_tree(target, EMPTY, AT_EMPTY_PATH as u64 | AT_RECURSIVE as u64)?;
        set_attributes(mount, MOUNT_ATTR_RDONLY, 0, 0, AT_RECURSIVE as u64)?;
        attach_to(mount, target)?;
        sys::close(mount);
        sys::close(target);
    }
    Ok(())
}

/// `SYSCTL`: only a file of proc is ever written.
pub fn sysctl(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let proc = stage.register(wire::PROC)?;
    let file = tree::open(proc, program.bytes(o.arg(0)), sys::O_WRONLY, Rules::NO_LINKS)?;
    if file_system_type(file)? != PROC_SUPER_MAGIC {
        return Err(sys::EXDEV);
    }
    let written = sys::write_all(file, program.bytes(o.arg(1)));
    sys::close(file);
    written
}

/// Returns `f_type` of fstatfs(2).
pub fn file_system_type(fd: i32) -> Sys<u64> {
    let mut statfs = [0u64; 15];
    call!(FSTATFS, fd, statfs.as_mut_ptr())?;
    Ok(statfs[0])
}

/// Returns `f_flags` of fstatfs(2).
fn mount_flags(fd: i32) -> Sys<u64> {
    let mut statfs = [0u64; 15];
    call!(FSTATFS, fd, statfs.as_mut_ptr())?;
    Ok(statfs[10])
}

/// `FILE`: a new small file in the root, such as `/etc/hosts` of a memory root.
pub fn small_file(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let root = stage.register(wire::ROOT)?;
    let path = program.bytes(o.arg(0));
    tree::make_file(root, path, Rules::CONFINED)?;
    let file = tree::open(root, path, sys::O_WRONLY | sys::O_TRUNC | sys::O_NOFOLLOW, Rules::CONFINED)?;
    let written = sys::write_all(file, program.blob(o.arg(1), o.arg(2)));
    let _ = call!(FCHMOD, file, o.arg(3));
    sys::close(file);
    written
}
