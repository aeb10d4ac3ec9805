//! Opening paths on the host as the caller sees them, and in a container so that none leaves it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use containerv_spec::OsText;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::node::Node;
use crate::{Error, ErrorKind, Result};

/// Longest path handed to one system call; the kernel takes 4095 bytes.
const LONGEST: usize = 4000;
/// How many symbolic links in a row the kernel follows, and so do we.
const MOST_LINKS: usize = 40;
/// How often a resolution is tried again that a concurrent rename or mount made fail (`EAGAIN`).
const MOST_TRIES: usize = 1000;

/// A directory that is looked at but not read.
pub(crate) const LOOK: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Where a path is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The caller's file system and working directory.
    Host,
    /// Below this directory, the container's root.
    Container(BorrowedFd<'a>),
}

impl Place<'_> {
    /// Opens a path, following symbolic links unless `flags` say no. In a container neither `..`
    /// nor a symbolic link leaves the root, and the links in procfs that jump are refused.
    pub(crate) fn open(self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match self {
            Self::Host => rustix::fs::openat(CWD, path, flags, Mode::empty()),
            Self::Container(root) if path.iter().all(|&byte| byte == b'/') => open_in_root(root, b".", flags),
            Self::Container(root) => open_in_root(root, path, flags),
        }
    }

    /// Names a path for a message.
    pub(crate) fn name(self, path: &[u8]) -> String {
        let path = OsText::from_bytes(path);
        match self {
            Self::Host => format!("`{path}`"),
            Self::Container(_) if path.is_absolute() => format!("`{path}` in the container"),
            Self::Container(_) => format!("`/{path}` in the container"),
        }
    }

    fn failed(self, errno: Errno, step: &str, path: &[u8]) -> Error {
        let error = Error::os(errno.raw_os_error(), format!("{step} {}", self.name(path)));
        match errno {
            Errno::NOSYS => error.with_hint("openat2(2) needs Linux 5.6 and must not be filtered by seccomp"),
            Errno::LOOP => error.with_hint(
                "links of procfs such as `/proc/self/fd/1` cannot be followed from outside the container",
            ),
            _ => error,
        }
    }
}

fn open_in_root(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    open_confined(root, path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
}

fn open_confined(
    directory: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < MOST_TRIES => tries += 1,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Opens a directory below `directory` by a relative path of any length in which no component may
/// be a symbolic link.
pub(crate) fn open_below(directory: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut at: Option<OwnedFd> = None;
    let mut rest = path;
    loop {
        let (first, after) = split_long(rest).ok_or(Errno::NAMETOOLONG)?;
        let from = at.as_ref().map_or(directory, AsFd::as_fd);
        let next = open_confined(from, if first.is_empty() { b"." } else { first }, LOOK, resolve)?;
        if after.is_empty() {
            return Ok(next);
        }
        at = Some(next);
        rest = after;
    }
}

/// Cuts a path at a `/` so that the first part is short enough for a system call.
fn split_long(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= LONGEST {
        return Some((path, b""));
    }
    let cut = path[..LONGEST].iter().rposition(|&byte| byte == b'/')?;
    Some((&path[..cut], &path[cut + 1..]))
}

/// Cuts trailing slashes and `.` components; says whether there was one, which asks for a directory.
fn trim(path: &[u8]) -> (&[u8], bool) {
    let mut trimmed = path;
    loop {
        match trimmed {
            [b'/'] => return (trimmed, true),
            [rest @ .., b'/'] => trimmed = rest,
            [rest @ .., b'/', b'.'] if !rest.is_empty() => trimmed = rest,
            [b'/', b'.'] => trimmed = b"/",
            _ => return (trimmed, trimmed.len() != path.len() || trimmed == b"." || trimmed == b".."),
        }
    }
}

/// Splits a trimmed path into its parent and its last component.
fn split_last(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => (b"/", &path[1..]),
        Some(cut) => (&path[..cut], &path[cut + 1..]),
        None => (b".", path),
    }
}

fn check_text(place: Place<'_>, path: &[u8]) -> Result<()> {
    if path.contains(&0) {
        let message = format!("the path {} contains a NUL byte", place.name(path));
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    if path.is_empty() && matches!(place, Place::Host) {
        return Err(Error::new(ErrorKind::InvalidArgument, "the path on the host is empty"));
    }
    Ok(())
}

/// What is to be copied.
pub(crate) struct Source {
    /// Opened with `O_PATH`.
    pub(crate) file: OwnedFd,
    pub(crate) node: Node,
    /// Its name in a directory that it is copied into; empty when only its content is copied.
    pub(crate) name: Vec<u8>,
}

/// Finds the source of a copy. A path that ends in `/.`, in `..` or is the root means the content
/// of the directory; one that ends in `/` must be a directory.
pub(crate) fn find_source(place: Place<'_>, path: &[u8], follow: bool) -> Result<Source> {
    check_text(place, path)?;
    let flags = if follow { OFlags::PATH } else { OFlags::PATH | OFlags::NOFOLLOW };
    let file = place.open(path, flags).map_err(|errno| match errno {
        Errno::NOENT => place
            .failed(errno, "find", path)
            .with_hint("paths in a container are relative to its root; check the name and its case"),
        _ => place.failed(errno, "open", path),
    })?;
    let node = Node::of(&file).map_err(|errno| place.failed(errno, "stat", path))?;
    let (trimmed, asks_directory) = trim(path);
    if asks_directory && !node.is_directory() {
        return Err(Error::os(Errno::NOTDIR.raw_os_error(), format!("open {}", place.name(path))));
    }
    let name = split_last(trimmed).1;
    let content = path.ends_with(b"/.") || matches!(name, b"" | b"." | b"..");
    Ok(Source { file, node, name: if content { Vec::new() } else { name.to_vec() } })
}

/// Where a copy goes.
pub(crate) enum Destination {
    /// A directory that is there.
    Directory(OwnedFd),
    /// A name in a directory.
    Name {
        parent: OwnedFd,
        name: Vec<u8>,
        /// Something other than a directory or symbolic link has the name.
        exists: bool,
        /// The path ended in `/` or `/.`.
        asks_directory: bool,
    },
}

/// Finds the destination of a copy; symbolic links are followed to what they name, even if that
/// is not there yet.
pub(crate) fn find_destination(place: Place<'_>, path: &[u8]) -> Result<Destination> {
    check_text(place, path)?;
    let mut path = path.to_vec();
    for _ in 0..MOST_LINKS {
        match place.open(&path, LOOK) {
            Ok(directory) => return Ok(Destination::Directory(directory)),
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(place.failed(errno, "open", &path)),
        }
        match look_at_name(place, &path)? {
            Look::Found(destination) => return Ok(destination),
            Look::Link(target) => path = target,
        }
    }
    Err(place.failed(Errno::LOOP, "open", &path))
}

enum Look {
    Found(Destination),
    Link(Vec<u8>),
}

fn look_at_name(place: Place<'_>, path: &[u8]) -> Result<Look> {
    let (trimmed, asks_directory) = trim(path);
    let (parent_path, name) = split_last(trimmed);
    let parent = place.open(parent_path, LOOK).map_err(|errno| no_parent(place, errno, parent_path))?;
    if matches!(name, b"" | b"." | b"..") {
        return Err(place.failed(Errno::NOENT, "open", path));
    }
    let name = name.to_vec();
    let exists = match Node::at(&parent, &name) {
        Err(Errno::NOENT) => false,
        Err(errno) => return Err(place.failed(errno, "stat", path)),
        Ok(node) if node.kind == FileType::Symlink => {
            let target = rustix::fs::readlinkat(&parent, &name, Vec::new())
                .map_err(|errno| place.failed(errno, "read the link", path))?;
            return Ok(Look::Link(aim(parent_path, target.as_bytes(), asks_directory)));
        }
        Ok(_) => true,
    };
    Ok(Look::Found(Destination::Name { parent, name, exists, asks_directory }))
}

/// Writes the path that a link in `parent` names.
fn aim(parent: &[u8], target: &[u8], asks_directory: bool) -> Vec<u8> {
    let mut path = if target.starts_with(b"/") { Vec::new() } else { [parent, b"/"].concat() };
    path.extend_from_slice(target);
    if asks_directory {
        path.push(b'/');
    }
    path
}

fn no_parent(place: Place<'_>, errno: Errno, parent: &[u8]) -> Error {
    let error = place.failed(errno, "open the directory", parent);
    match errno {
        Errno::NOENT => error.with_hint("the directory of the destination must exist; make it first"),
        _ => error,
    }
}

/// Reads the target of an open symbolic link.
pub(crate) fn link_target(link: impl AsFd) -> Result<Vec<u8>, Errno> {
    rustix::fs::readlinkat(link, c"", Vec::new()).map(std::ffi::CString::into_bytes)
}

/// Says whether the files of this file system are the kernel's: what is read there is no content,
/// and what is written there is a command.
pub(crate) fn is_kernel_file_system(file: impl AsFd) -> Result<bool, Errno> {
    // From linux/magic.h and the file systems' own headers; statfs(2) lists them.
    const KERNEL: [u64; 17] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x0027_e0eb, // cgroup
        0x6367_7270, // cgroup2
        0x1cd1,      // devpts
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0xcafe_4a11, // bpf
        0x1980_0202, // mqueue
        0x6165_676c, // pstore
        0x6265_6570, // configfs
        0x4249_4e4d, // binfmt_misc
        0xde5e_81e4, // efivarfs
        0xf97c_ff8c, // selinuxfs
        0x4341_5d53, // smackfs
        0x6e73_6673, // nsfs
    ];
    let kind = rustix::fs::fstatfs(file)?.f_type;
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        reason = "its type differs between architectures"
    )]
    let magic = kind as u64 & 0xffff_ffff;
    Ok(KERNEL.contains(&magic))
}

/// Removes a name that is not a directory.
pub(crate) fn unlink(parent: impl AsFd, name: impl rustix::path::Arg) -> Result<(), Errno> {
    rustix::fs::unlinkat(parent, name, AtFlags::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_slashes_and_dots_ask_for_a_directory() {
        assert_eq!(trim(b"/a/b"), (&b"/a/b"[..], false));
        assert_eq!(trim(b"/a/b/"), (&b"/a/b"[..], true));
        assert_eq!(trim(b"/a/b/."), (&b"/a/b"[..], true));
        assert_eq!(trim(b"a/./"), (&b"a"[..], true));
        assert_eq!(trim(b"/"), (&b"/"[..], true));
        assert_eq!(trim(b"//"), (&b"/"[..], true));
        assert_eq!(trim(b"/."), (&b"/"[..], true));
        assert_eq!(trim(b"."), (&b"."[..], true));
        assert_eq!(trim(b"a."), (&b"a."[..], false));
    }

    #[test]
    fn the_last_component_is_split_off() {
        assert_eq!(split_last(b"/a"), (&b"/"[..], &b"a"[..]));
        assert_eq!(split_last(b"a"), (&b"."[..], &b"a"[..]));
        assert_eq!(split_last(b"/a/b"), (&b"/a"[..], &b"b"[..]));
        assert_eq!(split_last(b"/"), (&b"/"[..], &b""[..]));
    }

    #[test]
    fn long_paths_are_cut_between_components() {
        let path = vec![b"abc".to_vec(); 2000].join(&b'/');
        let (first, rest) = split_long(&path).unwrap();
        assert!(first.len() <= LONGEST && first.ends_with(b"/abc") && rest.starts_with(b"abc/"));
        assert_eq!([first, b"/", rest].concat(), path);
        assert_eq!(split_long(&[b'x'; 5000]), None);
    }
}
