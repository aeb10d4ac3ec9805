//! Writing headers and content of a tar stream.

use std::io::{self, Write};

use tar::{EntryType, Header};

use super::member::{Kind, Metadata};
use super::sparse::{Map, write_leading_runs};
use super::{Attribute, BLOCK, padding, pax};

/// Largest numbers that the octal fields of a header hold.
const MOST_ID: u32 = 0o777_7777;
const MOST_SIZE: u64 = (1 << 33) - 1;
const MOST_SECONDS: i64 = (1 << 33) - 1;

/// What is written of one member besides its content.
pub(crate) struct Entry<'a> {
    /// Without a trailing slash.
    pub(crate) name: &'a [u8],
    /// Target of a link, for a hard link the name of an earlier member; else empty.
    pub(crate) link: &'a [u8],
    pub(crate) kind: Kind,
    /// With owner and group as they are inside the container.
    pub(crate) metadata: &'a Metadata,
    pub(crate) attributes: &'a [Attribute],
    /// Further records: keyword and value.
    pub(crate) foreign: &'a [Attribute],
    pub(crate) sparse: Option<&'a Map>,
}

/// Writes a tar stream.
pub(crate) struct Output<W: Write> {
    stream: W,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(stream: W) -> Self {
        Self { stream }
    }

    /// Writes all headers of a member, and the map of a file with holes. The content follows.
    pub(crate) fn header(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let map = entry.sparse.map(|map| write_leading_runs(&map.runs));
        let stored = match (&map, entry.sparse) {
            (Some(leading), Some(map)) => {
                leading.len() as u64 + map.runs.iter().map(|&(_, length)| length).sum::<u64>()
            }
            _ if entry.kind != Kind::File => 0,
            _ => entry.metadata.size,
        };
        let mut name = entry.name.to_vec();
        if entry.kind == Kind::Directory {
            name.push(b'/');
        }
        let mut records = Vec::new();
        let mut header = Header::new_ustar();
        fill(&mut header, &mut records, entry, stored);
        set_name(&mut header, &mut records, &name, entry.sparse);
        if !records.is_empty() {
            self.extended(&records)?;
        }
        header.set_cksum();
        self.stream.write_all(header.as_bytes())?;
        self.stream.write_all(map.as_deref().unwrap_or_default())
    }

    pub(crate) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Fills the last block of content of `size` bytes.
    pub(crate) fn pad(&mut self, size: u64) -> io::Result<()> {
        let count = usize::try_from(padding(size)).unwrap_or(0);
        self.stream.write_all(&[0; BLOCK][..count])
    }

    /// Ends the archive.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.stream.write_all(&[0; 2 * BLOCK])?;
        self.stream.flush()
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..10].copy_from_slice(b"PaxHeaders");
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(records.len() as u64);
        header.set_cksum();
        self.stream.write_all(header.as_bytes())?;
        self.stream.write_all(records)?;
        self.pad(records.len() as u64)
    }
}

fn fill(header: &mut Header, records: &mut Vec<u8>, entry: &Entry<'_>, stored: u64) {
    let metadata = entry.metadata;
    header.set_entry_type(type_of(entry.kind));
    header.set_mode(metadata.mode);
    header.set_uid(u64::from(fit_id(records, b"uid", metadata.uid)));
    header.set_gid(u64::from(fit_id(records, b"gid", metadata.gid)));
    header.set_size(if stored <= MOST_SIZE { stored } else { 0 });
    if stored > MOST_SIZE {
        pax::write(records, b"size", stored.to_string().as_bytes());
    }
    let (seconds, nanoseconds) = metadata.modified;
    let fits = (0..=MOST_SECONDS).contains(&seconds);
    header.set_mtime(if fits { seconds.cast_unsigned() } else { 0 });
    if !fits || nanoseconds != 0 {
        pax::write_time(records, b"mtime", seconds, nanoseconds);
    }
    if entry.kind.is_device() {
        // Both calls fail only for a header that is not ustar.
        let _ = header.set_device_major(metadata.device.0);
        let _ = header.set_device_minor(metadata.device.1);
    }
    let field = &mut header.as_old_mut().linkname;
    let short = entry.link.len().min(field.len());
    field[..short].copy_from_slice(&entry.link[..short]);
    if entry.link.len() > short {
        pax::write(records, b"linkpath", entry.link);
    }
    for (name, value) in entry.attributes {
        pax::write(records, &[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
    for (keyword, value) in entry.foreign {
        pax::write(records, keyword, value);
    }
}

fn type_of(kind: Kind) -> EntryType {
    match kind {
        Kind::HardLink => EntryType::Link,
        Kind::File => EntryType::Regular,
        Kind::Directory => EntryType::Directory,
        Kind::Symlink => EntryType::Symlink,
        Kind::Fifo => EntryType::Fifo,
        Kind::CharacterDevice => EntryType::Char,
        Kind::BlockDevice => EntryType::Block,
    }
}

fn fit_id(records: &mut Vec<u8>, keyword: &[u8], id: u32) -> u32 {
    if id <= MOST_ID {
        return id;
    }
    pax::write(records, keyword, id.to_string().as_bytes());
    0
}

/// Sets the name where it fits. Of a file with holes the header's own name is only seen by a
/// program that does not know the map of version 1.0, and says so.
fn set_name(header: &mut Header, records: &mut Vec<u8>, name: &[u8], sparse: Option<&Map>) {
    let field = &mut header.as_old_mut().name;
    if let Some(map) = sparse {
        for (keyword, value) in [("major", "1"), ("minor", "0"), ("realsize", &map.size.to_string()[..])] {
            pax::write(records, format!("GNU.sparse.{keyword}").as_bytes(), value.as_bytes());
        }
        pax::write(records, b"GNU.sparse.name", name);
        field[..15].copy_from_slice(b"GNUSparseFile.0");
        return;
    }
    let short = name.len().min(field.len());
    field[..short].copy_from_slice(&name[..short]);
    if name.len() > short {
        pax::write(records, b"path", name);
    }
}
