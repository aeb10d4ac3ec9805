//! One regular file to one path, as the C interface promises.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;

use super::content::{self, Extent};
use super::make::{self, Obstacle};
use super::node::Node;
use super::owners::Owners;
use super::place::{self, Destination};
use super::walk::Side;
use super::{name_for, open_regular, refuse_kernel_files};
use crate::backend::transfer::Meter;
use crate::copy::{CopyOptions, CopySummary};
use crate::{Error, ErrorKind, Result};

/// Copies a regular file to a path: links on either side are followed, a file that is there is
/// replaced, and the permission bits are the source's less the umask.
pub(super) fn copy(
    from: Side<'_>,
    to: Side<'_>,
    owners: &Owners,
    out: bool,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let source = place::find_source(from.place, from.path, true)?;
    refuse_kernel_files(out, source.file.as_fd(), from)?;
    if !source.node.kind.is_file() {
        let text = format!("{} is not a regular file", from.name(b""));
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let (parent, name) = match place::find_destination(to.place, to.path)? {
        Destination::Name { asks_directory: false, parent, name, .. } => (parent, name),
        Destination::Name { asks_directory: true, .. } => return Err(refused(Errno::NOTDIR, to)),
        Destination::Directory(_) => return Err(refused(Errno::ISDIR, to)),
    };
    refuse_kernel_files(true, parent.as_fd(), to)?;
    let name = name_for(&name, to)?;
    let failed = |obstacle: Obstacle| obstacle.into_error(&from.name(b""), &to.name(b""));
    let (file, node) = open_regular(from, &source).map_err(failed)?;
    let extent = if out { Extent::AsOpened } else { Extent::ToEnd };
    let mut meter = Meter::new(options.progress.clone());
    write(file.as_fd(), &node, (parent.as_fd(), &name), (owners, extent), &mut meter).map_err(failed)?;
    meter.entry(|summary| &mut summary.files);
    Ok(meter.summary)
}

fn refused(errno: Errno, to: Side<'_>) -> Error {
    Error::os(errno.raw_os_error(), format!("replace {}", to.name(b"")))
}

fn write(
    from: BorrowedFd<'_>,
    node: &Node,
    (parent, name): (BorrowedFd<'_>, &std::ffi::CStr),
    (owners, extent): (&Owners, Extent),
    meter: &mut Meter,
) -> Result<(), Obstacle> {
    let belonging = owners.of(node).map_err(Obstacle::Unmapped)?;
    // openat(2) takes the umask off, without anybody having to ask for it.
    let to = make::file(parent, name, node.mode & 0o777)?;
    let mut buffer = vec![0; content::BUFFER];
    let written = content::copy(from, node, to.as_fd(), extent, &mut buffer, meter).and_then(|()| {
        let (owner, group) = (Uid::from_raw(belonging.uid), Gid::from_raw(belonging.gid));
        rustix::fs::fchown(&to, Some(owner), Some(group))
            .map_err(|errno| Obstacle::System("set the owner of", errno))
    });
    if written.is_err() {
        let _ = place::unlink(parent, name);
    }
    written
}
