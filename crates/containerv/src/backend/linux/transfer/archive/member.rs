//! One member of an archive, as its headers describe it together.

use rustix::fs::{FileType, Timespec};
use tar::{EntryType, Header};

use super::super::attributes::Attribute;
use super::super::node::{ALL_BITS, Node};
use super::pax::{Complaint, Records};
use super::sparse::Map;

/// Largest size that the octal field of a header holds.
const OCTAL_SIZE: u64 = (1 << 33) - 1;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A further name of an earlier member.
    HardLink,
    /// A file, directory, symbolic link, FIFO or device node.
    Node(FileType),
}

/// One member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) kind: Kind,
    /// As written in the archive.
    pub(super) name: Vec<u8>,
    /// Target of a symbolic or hard link; else empty.
    pub(super) link: Vec<u8>,
    /// Mode, owner, times and size; what only a file system knows is zero.
    pub(super) node: Node,
    pub(super) attributes: Vec<Attribute>,
    /// Bytes of content in the archive.
    pub(super) stored: u64,
    /// Where they belong, if the file has holes.
    pub(super) sparse: Option<Map>,
}

/// The names that GNU tar writes before a header whose fields are too short for them.
#[derive(Debug, Default)]
pub(super) struct LongNames {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

/// Puts together what a header and those before it say, without a map of holes.
pub(super) fn assemble(header: &Header, long: LongNames, pax: &Records) -> Result<Member, Complaint> {
    let name = one_of("name", long.path, pax.sparse.name.as_ref().or(pax.path.as_ref()))?;
    let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
    let kind = kind_of(header, &name)?;
    let link = one_of("link target", long.link, pax.link.as_ref())?;
    let link = link.or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
    let stored = stored_size(header, kind, pax)?;
    let has_link = matches!(kind, Kind::HardLink | Kind::Node(FileType::Symlink));
    let link = link.filter(|_| has_link).unwrap_or_default();
    if has_link && link.is_empty() {
        return Err("a link without a target".into());
    }
    if name.contains(&0) || link.contains(&0) {
        return Err("a name with a NUL byte".into());
    }
    let node = node_of(header, kind, stored, pax)?;
    Ok(Member { kind, name, link, node, attributes: pax.attributes.clone(), stored, sparse: None })
}

fn one_of(what: &str, gnu: Option<Vec<u8>>, pax: Option<&Vec<u8>>) -> Result<Option<Vec<u8>>, Complaint> {
    match (gnu, pax) {
        (Some(gnu), Some(pax)) if gnu != *pax => Err(format!("two headers that give it a different {what}")),
        (gnu, pax) => Ok(gnu.or_else(|| pax.cloned())),
    }
}

fn kind_of(header: &Header, name: &[u8]) -> Result<Kind, Complaint> {
    Ok(match header.entry_type() {
        // Before POSIX, a directory was a file whose name ends with a slash.
        EntryType::Regular if name.ends_with(b"/") => Kind::Node(FileType::Directory),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            Kind::Node(FileType::RegularFile)
        }
        EntryType::Link => Kind::HardLink,
        EntryType::Symlink => Kind::Node(FileType::Symlink),
        EntryType::Char => Kind::Node(FileType::CharacterDevice),
        EntryType::Block => Kind::Node(FileType::BlockDevice),
        EntryType::Directory => Kind::Node(FileType::Directory),
        EntryType::Fifo => Kind::Node(FileType::Fifo),
        other => {
            return Err(format!("a member of type `{}`, which is not known", other.as_byte().escape_ascii()));
        }
    })
}

/// Returns how many bytes of content follow the header. GNU tar, Go and Python agree that a hard
/// link has none whatever its size says; of other members without content a size is refused,
/// because they disagree whether it is skipped.
fn stored_size(header: &Header, kind: Kind, pax: &Records) -> Result<u64, Complaint> {
    let field = number("size", &header.as_old().size, header.entry_size())?;
    let size = pax.size.unwrap_or(field);
    if pax.size.is_some() && field != 0 && field != size && size <= OCTAL_SIZE {
        return Err(format!("two headers that give it a different size ({field} and {size})"));
    }
    i64::try_from(size).map_err(|_| format!("a size of {size} bytes, larger than a file can be"))?;
    match kind {
        Kind::HardLink => Ok(0),
        Kind::Node(FileType::RegularFile) => Ok(size),
        Kind::Node(_) if size == 0 => Ok(0),
        Kind::Node(_) => Err(format!("a size of {size} bytes for what has no content")),
    }
}

fn node_of(header: &Header, kind: Kind, size: u64, pax: &Records) -> Result<Node, Complaint> {
    let old = header.as_old();
    let uid = pax.uid.map_or_else(|| number("user id", &old.uid, header.uid()), Ok)?;
    let gid = pax.gid.map_or_else(|| number("group id", &old.gid, header.gid()), Ok)?;
    let mode = number("mode", &old.mode, header.mode().map(u64::from))?;
    let modified = match pax.modified {
        Some(time) => time,
        None => (seconds_of(number("time", &old.mtime, header.mtime())?), 0),
    };
    let accessed = pax.accessed.unwrap_or(modified);
    let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
    let file_type = match kind {
        Kind::HardLink => FileType::RegularFile,
        Kind::Node(file_type) => file_type,
    };
    Ok(Node {
        kind: file_type,
        mode: u32::try_from(mode).unwrap_or(0) & ALL_BITS,
        uid: id_of("user", uid)?,
        gid: id_of("group", gid)?,
        id: (0, 0),
        links: 1,
        size,
        blocks: 0,
        device: device_of(header, file_type)?,
        accessed: time(accessed),
        modified: time(modified),
    })
}

/// Takes a number of a header; a field that was left blank means 0, as GNU tar and Go have it.
fn number(what: &str, field: &[u8], parsed: std::io::Result<u64>) -> Result<u64, Complaint> {
    match parsed {
        Ok(number) => Ok(number),
        Err(_) if field.iter().all(|byte| matches!(byte, 0 | b' ')) => Ok(0),
        Err(_) => Err(format!("a {what} that is not a number")),
    }
}

/// Takes a time of a header; in base 256 it may be negative, which the parser shows as very large.
#[allow(clippy::cast_possible_wrap, reason = "two's complement is what the field holds")]
fn seconds_of(field: u64) -> i64 {
    field as i64
}

/// Ids that do not fit must not become others: 4294967296 is not root.
fn id_of(what: &str, id: u64) -> Result<u32, Complaint> {
    u32::try_from(id)
        .ok()
        .filter(|&id| id != u32::MAX)
        .ok_or_else(|| format!("a {what} id of {id}, which does not exist"))
}

fn device_of(header: &Header, kind: FileType) -> Result<u64, Complaint> {
    if !matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
        return Ok(0);
    }
    let bad = |_| "a device number that is not a number".to_string();
    let major = header.device_major().map_err(bad)?.ok_or("a device without a number")?;
    let minor = header.device_minor().map_err(bad)?.ok_or("a device without a number")?;
    Ok(rustix::fs::makedev(major, minor))
}
