//! One member of an archive, as its headers describe it together.

use tar::{EntryType, Header};

use super::Attribute;
use super::pax::{Complaint, Records};
use super::sparse::Map;

/// Largest size that the octal field of a header holds.
const OCTAL_SIZE: u64 = (1 << 33) - 1;

/// Permission bits with set-user-ID, set-group-ID and sticky.
const ALL_BITS: u32 = 0o7777;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A further name of an earlier member.
    HardLink,
    File,
    Directory,
    Symlink,
    Fifo,
    CharacterDevice,
    BlockDevice,
}

impl Kind {
    /// Says whether it is a device node.
    pub(crate) fn is_device(self) -> bool {
        matches!(self, Self::CharacterDevice | Self::BlockDevice)
    }
}

/// Seconds and nanoseconds since 1970.
pub(crate) type Time = (i64, i64);

/// What an archive says of a member besides its names and content.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// Lower twelve bits of the mode.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes of the file, holes included.
    pub(crate) size: u64,
    /// Major and minor number of a device node.
    pub(crate) device: (u32, u32),
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
}

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    /// As written in the archive.
    pub(crate) name: Vec<u8>,
    /// Target of a symbolic or hard link; else empty.
    pub(crate) link: Vec<u8>,
    pub(crate) metadata: Metadata,
    #[cfg_attr(windows, allow(dead_code, reason = "Windows has no extended attributes of this kind"))]
    pub(crate) attributes: Vec<Attribute>,
    /// Records of Windows: keyword and value.
    pub(crate) foreign: Vec<Attribute>,
    /// Times of access and of change, where the archive states them.
    pub(crate) stated: (Option<Time>, Option<Time>),
    /// Bytes of content in the archive.
    pub(crate) stored: u64,
    /// Where they belong, if the file has holes.
    pub(crate) sparse: Option<Map>,
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
    let has_link = matches!(kind, Kind::HardLink | Kind::Symlink);
    let link = link.filter(|_| has_link).unwrap_or_default();
    if has_link && link.is_empty() {
        return Err("a link without a target".into());
    }
    if name.contains(&0) || link.contains(&0) {
        return Err("a name with a NUL byte".into());
    }
    let metadata = metadata_of(header, kind, stored, pax)?;
    let (attributes, foreign) = (pax.attributes.clone(), pax.foreign.clone());
    let stated = (pax.accessed, pax.changed);
    Ok(Member { kind, name, link, metadata, attributes, foreign, stated, stored, sparse: None })
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
        EntryType::Regular if name.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Link => Kind::HardLink,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::CharacterDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Directory => Kind::Directory,
        EntryType::Fifo => Kind::Fifo,
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
        Kind::File => Ok(size),
        _ if size == 0 => Ok(0),
        _ => Err(format!("a size of {size} bytes for what has no content")),
    }
}

fn metadata_of(header: &Header, kind: Kind, size: u64, pax: &Records) -> Result<Metadata, Complaint> {
    let old = header.as_old();
    let uid = pax.uid.map_or_else(|| number("user id", &old.uid, header.uid()), Ok)?;
    let gid = pax.gid.map_or_else(|| number("group id", &old.gid, header.gid()), Ok)?;
    let mode = number("mode", &old.mode, header.mode().map(u64::from))?;
    let modified = match pax.modified {
        Some(time) => time,
        None => (seconds_of(number("time", &old.mtime, header.mtime())?), 0),
    };
    Ok(Metadata {
        mode: u32::try_from(mode).unwrap_or(0) & ALL_BITS,
        uid: id_of("user", uid)?,
        gid: id_of("group", gid)?,
        size,
        device: device_of(header, kind)?,
        accessed: pax.accessed.unwrap_or(modified),
        modified,
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

fn device_of(header: &Header, kind: Kind) -> Result<(u32, u32), Complaint> {
    if !kind.is_device() {
        return Ok((0, 0));
    }
    let bad = |_| "a device number that is not a number".to_string();
    let major = header.device_major().map_err(bad)?.ok_or("a device without a number")?;
    let minor = header.device_minor().map_err(bad)?.ok_or("a device without a number")?;
    Ok((major, minor))
}
