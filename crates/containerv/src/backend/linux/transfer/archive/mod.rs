//! Members of archives as files of the container, and the other way.

mod extract;
mod parents;
mod stream;

use rustix::fs::{FileType, Timespec};

pub(super) use extract::extract;
pub(crate) use stream::Archive;
pub(super) use stream::{Subject, pack};

use super::node::Node;
use crate::archive::{Kind, Metadata};

/// What a member's file has, as far as the archive says it; what only a file system knows is zero.
fn node_of(metadata: &Metadata, kind: FileType) -> Node {
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    Node {
        kind,
        mode: metadata.mode,
        uid: metadata.uid,
        gid: metadata.gid,
        id: (0, 0),
        links: 1,
        size: metadata.size,
        blocks: 0,
        device: rustix::fs::makedev(metadata.device.0, metadata.device.1),
        accessed: time(metadata.accessed),
        modified: time(metadata.modified),
    }
}

fn metadata_of(node: &Node) -> Metadata {
    let time = |time: Timespec| (time.tv_sec, time.tv_nsec);
    Metadata {
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        size: node.size,
        device: (rustix::fs::major(node.device), rustix::fs::minor(node.device)),
        accessed: time(node.accessed),
        modified: time(node.modified),
    }
}

/// The type of a member's file; a hard link's is not known.
fn type_of(kind: Kind) -> FileType {
    match kind {
        Kind::HardLink => FileType::Unknown,
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::Fifo,
        Kind::CharacterDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
    }
}

fn kind_of(file_type: FileType) -> Kind {
    match file_type {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        _ => Kind::File,
    }
}
