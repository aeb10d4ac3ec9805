//! The container's root.

use crate::call;
use crate::fs;
use crate::program::{Operation, Program};
use crate::sys::{self, AT_FDCWD, Sys};
use crate::wire::{NOT_KEPT, ROOT};
use crate::Stage;

const MOVE_MOUNT_F_EMPTY_PATH: usize = 4;
const MOVE_MOUNT_T_SYMLINKS: usize = 0x10;

/// `OVERLAY`: mount(2), because one option of fsconfig(2) holds at most 255 bytes. Relative names of layers
/// count from the working directory, which nothing else depends on before the root is changed.
pub fn overlay(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let path = program.text(o.arg(0));
    let kind = c"overlay".as_ptr();
    call!(CHDIR, program.text(o.arg(3)))?;
    call!(MOUNT, kind, path, kind, 0, program.text(o.arg(1)))?;
    if o.arg(2) == NOT_KEPT { Ok(()) } else { stage.set_register(o.arg(2), open_directory(path)?) }
}

/// `OPEN_ROOT`.
pub fn open(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    stage.set_register(ROOT, open_directory(program.text(o.arg(0)))?)
}

fn open_directory(path: *const u8) -> Sys<i32> {
    call!(OPENAT, AT_FDCWD, path, sys::O_PATH | sys::O_DIRECTORY | sys::O_CLOEXEC).map(|fd| fd as i32)
}

/// `ATTACH_HOST`.
pub fn attach_host(stage: &mut Stage, program: &Program, o: &Operation) -> Sys<()> {
    let mount = stage.register(o.arg(0))?;
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;
    call!(MOVE_MOUNT, mount, c"".as_ptr(), AT_FDCWD, program.text(o.arg(1)), flags).map(drop)
}

/// `MOUNT_READONLY`.
pub fn read_only(mount: i32) -> Sys<()> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    fs::set_attributes(mount, MOUNT_ATTR_RDONLY, 0, 0, 0)
}

/// `PIVOT`: pivot_root(2) with the same directory for both, then the old tree, which lies on top,
/// is detached. `/proc/1/root` of the host and everything else of the old tree is unreachable.
pub fn pivot(stage: &mut Stage) -> Sys<()> {
    const MNT_DETACH: usize = 2;
    let here = c".".as_ptr();
    call!(FCHDIR, stage.register(ROOT)?)?;
    call!(PIVOT_ROOT, here, here)?;
    call!(UMOUNT2, here, MNT_DETACH)?;
    call!(CHDIR, c"/".as_ptr()).map(drop)
}

/// `CHROOT` and `ENTER`.
pub fn chroot(root: i32) -> Sys<()> {
    call!(FCHDIR, root)?;
    call!(CHROOT, c".".as_ptr())?;
    call!(CHDIR, c"/".as_ptr()).map(drop)
}
