//! The members of a tar stream, one after the other, in bounded memory.

#[cfg(target_os = "linux")]
use std::io::BufRead;
use std::io::{self, Read};

use containerv_spec::OsText;
use tar::{EntryType, Header};

use super::member::{self, LongNames, Member};
use super::pax::{Complaint, Records};
use super::sparse::{self, Map};
use super::{BLOCK, padding};
use crate::{Error, ErrorKind};

/// Bytes that the extended headers of one member may take.
const MOST_EXTENDED: u64 = 1 << 20;
/// Bytes that may follow the end of the archive, for who pads it to large records.
const MOST_TRAILING: u64 = 64 << 20;

/// Why reading an archive ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The stream failed.
    Stream(io::Error),
    /// The archive says something that cannot be honoured, about a member.
    Refused { member: OsText, complaint: Complaint },
}

impl From<Complaint> for Fault {
    fn from(complaint: Complaint) -> Self {
        Self::Refused { member: OsText::default(), complaint }
    }
}

impl Fault {
    /// Says which member it is about, where that is not known yet.
    pub(crate) fn about(self, name: &[u8]) -> Self {
        match self {
            Self::Refused { member, complaint } if member.is_empty() => {
                Self::Refused { member: OsText::from_bytes(name), complaint }
            }
            other => other,
        }
    }

    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Stream(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Error::new(ErrorKind::Corrupt, "the archive ends in the middle of a member")
                    .with_hint("whoever wrote it stopped early; look at that end's messages")
            }
            Self::Stream(error) => Error::io(error, "read the archive"),
            Self::Refused { member, complaint } if member.is_empty() => {
                Error::new(ErrorKind::Corrupt, format!("the archive is refused: it has {complaint}"))
            }
            Self::Refused { member, complaint } => Error::new(
                ErrorKind::Corrupt,
                format!("the archive is refused: its member `{member}` has {complaint}"),
            ),
        }
    }
}

/// Reads members from a stream.
pub(crate) struct Reader<R> {
    stream: R,
    /// What is left of the current member's content, and the bytes that pad it.
    content: u64,
    padding: u64,
    global: Records,
    /// What was read besides content since it was last taken, for who keeps it.
    kept: Option<Vec<u8>>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self { stream, content: 0, padding: 0, global: Records::default(), kept: None }
    }

    /// Keeps every byte that is not content, for [`Reader::take_kept`].
    pub(crate) fn keeping(stream: R) -> Self {
        Self { kept: Some(Vec::new()), ..Self::new(stream) }
    }

    /// Takes the bytes that were read since the last time and are not content: what pads the content
    /// of the member before, and the headers of the last one. Content that was skipped is not among them.
    pub(crate) fn take_kept(&mut self) -> Vec<u8> {
        self.kept.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Says whether a header for all members that follow was read.
    pub(crate) fn has_global(&self) -> bool {
        self.global != Records::default()
    }

    /// Returns the next member, after skipping what is left of the one before.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Fault> {
        self.skip(self.content)?;
        self.pass(self.padding)?;
        (self.content, self.padding) = (0, 0);
        let mut extended = Extended::new(&self.global);
        loop {
            let Some(header) = self.header(extended.is_empty())? else { return Ok(None) };
            let entry_type = header.entry_type();
            if !is_extension(entry_type) {
                let name = header.path_bytes().into_owned();
                return self.member(&header, extended).map(Some).map_err(|fault| fault.about(&name));
            }
            let size = header.entry_size().map_err(|_| "a size that is not a number".to_string())?;
            let bytes = self.extension(size, &mut extended.room)?;
            if entry_type == EntryType::XGlobalHeader {
                self.global.add(&bytes)?;
                if self.global.is_structural() {
                    return Err("a global pax header that names or measures members".to_string().into());
                }
                extended.pax = self.global.clone();
            } else {
                extended.add(entry_type, bytes)?;
            }
        }
    }

    /// Reads content of the current member; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let room = buffer.len().min(usize::try_from(self.content).unwrap_or(usize::MAX));
        loop {
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) if room > 0 => return Err(Fault::Stream(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.content -= count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Stream(error)),
            }
        }
    }

    /// Reads what follows the end of the archive, so that who writes it into a pipe can finish.
    pub(crate) fn drain(&mut self) -> Result<(), Fault> {
        let mut rest = (&mut self.stream).take(MOST_TRAILING);
        let drained = match &mut self.kept {
            Some(kept) => io::copy(&mut rest, kept),
            None => io::copy(&mut rest, &mut io::sink()),
        };
        match drained.map_err(Fault::Stream)? {
            // Who keeps everything cannot leave something out.
            MOST_TRAILING if self.kept.is_some() => {
                Err(format!("{MOST_TRAILING} bytes or more behind its end").into())
            }
            _ => Ok(()),
        }
    }

    /// Reads a header; none at the end of the archive. `may_end` says that no member was begun.
    fn header(&mut self, may_end: bool) -> Result<Option<Header>, Fault> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < BLOCK {
            match self.stream.read(&mut block[filled..]) {
                Ok(0) if filled == 0 && may_end => return Ok(None),
                Ok(0) => return Err(Fault::Stream(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Stream(error)),
            }
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(block);
        }
        if block.iter().all(|&byte| byte == 0) {
            return match may_end {
                true => Ok(None),
                false => Err("an extended header without a member".to_string().into()),
            };
        }
        if !has_checksum(&header) {
            let complaint = "a header with a wrong checksum; it is no tar archive, or compressed, or damaged";
            return Err(Complaint::from(complaint).into());
        }
        Ok(Some(header))
    }

    fn extension(&mut self, size: u64, room: &mut u64) -> Result<Vec<u8>, Fault> {
        *room = room
            .checked_sub(size)
            .ok_or_else(|| format!("extended headers of more than {MOST_EXTENDED} bytes"))?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.stream.read_exact(&mut bytes).map_err(Fault::Stream)?;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(&bytes);
        }
        self.pass(padding(size))?;
        Ok(bytes)
    }

    fn member(&mut self, header: &Header, extended: Extended) -> Result<Member, Fault> {
        let Extended { long, pax, .. } = extended;
        let mut member = member::assemble(header, long, &pax)?;
        (self.content, self.padding) = (member.stored, padding(member.stored));
        let map = self.map(header, &pax, &mut member.stored);
        member.sparse = map.map_err(|fault| fault.about(&member.name))?;
        if let Some(map) = &member.sparse {
            member.metadata.size = map.size;
        }
        Ok(member)
    }

    /// Reads the map of a file with holes, wherever it is; what it takes of the content comes off `stored`.
    fn map(&mut self, header: &Header, pax: &Records, stored: &mut u64) -> Result<Option<Map>, Fault> {
        let old = header.entry_type() == EntryType::GNUSparse;
        if !old && !pax.sparse.any() {
            return Ok(None);
        }
        if (old && pax.sparse.any()) || !has_content(header) {
            return Err("headers that disagree on whether it has holes".to_string().into());
        }
        if old {
            let gnu = header.as_gnu().ok_or_else(|| "a map of holes without a GNU header".to_string())?;
            let size = gnu.real_size().map_err(|_| "a size that is not a number".to_string())?;
            let (stream, kept) = (&mut self.stream, &mut self.kept);
            let runs = sparse::gnu_runs(gnu, || read_block(stream, kept))?;
            return Ok(Some(Map::new(size, runs, *stored)?));
        }
        match (pax.sparse.major.unwrap_or(0), pax.sparse.minor.unwrap_or(0)) {
            (0, 0 | 1) => Ok(Some(Map::from_records(&pax.sparse, *stored)?)),
            (1, 0) => self.leading_map(pax, stored).map(Some),
            (major, minor) => Err(format!("a map of holes of version {major}.{minor}").into()),
        }
    }

    fn leading_map(&mut self, pax: &Records, stored: &mut u64) -> Result<Map, Fault> {
        let size = pax.sparse.real_size.ok_or_else(|| "a sparse file without its size".to_string())?;
        let (stream, content, kept) = (&mut self.stream, &mut self.content, &mut self.kept);
        let (runs, taken) = sparse::leading_runs(|| {
            let left = content.checked_sub(BLOCK as u64);
            *content = left.ok_or_else(|| "a map of a sparse file that does not end".to_string())?;
            read_block(stream, kept)
        })?;
        *stored -= taken;
        Ok(Map::new(size, runs, *stored)?)
    }

    /// Reads bytes that pad something, fewer than a block.
    fn pass(&mut self, count: u64) -> Result<(), Fault> {
        let mut block = [0; BLOCK];
        let padding = &mut block[..usize::try_from(count).unwrap_or(0)];
        self.stream.read_exact(padding).map_err(Fault::Stream)?;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(padding);
        }
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<(), Fault> {
        let mut rest = (&mut self.stream).take(count);
        match io::copy(&mut rest, &mut io::sink()).map_err(Fault::Stream)? {
            skipped if skipped == count => Ok(()),
            _ => Err(Fault::Stream(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

#[cfg(target_os = "linux")]
impl<R: BufRead> Reader<R> {
    /// Lends what is there of the current member's content, at most `most` bytes; nothing at its end.
    pub(crate) fn lend(&mut self, most: u64) -> Result<&[u8], Fault> {
        let most = usize::try_from(self.content.min(most)).unwrap_or(usize::MAX);
        if most == 0 {
            return Ok(&[]);
        }
        let bytes = self.stream.fill_buf().map_err(Fault::Stream)?;
        match bytes.len() {
            0 => Err(Fault::Stream(io::ErrorKind::UnexpectedEof.into())),
            count => Ok(&bytes[..count.min(most)]),
        }
    }

    /// Takes so many of the bytes that were lent.
    pub(crate) fn take(&mut self, count: usize) {
        self.stream.consume(count);
        self.content -= count as u64;
    }

    /// Checks, at the end of the archive, that no members follow what ended it: programs disagree
    /// whether one empty block is the end.
    pub(crate) fn check_end(&mut self) -> Result<(), Fault> {
        let mut block = Vec::with_capacity(BLOCK);
        (&mut self.stream).take(BLOCK as u64).read_to_end(&mut block).map_err(Fault::Stream)?;
        match block.iter().all(|&byte| byte == 0) {
            true => Ok(()),
            false => Err("something behind a single empty block, which ends it for some".to_string().into()),
        }
    }
}

fn read_block(stream: &mut impl Read, kept: &mut Option<Vec<u8>>) -> Result<[u8; BLOCK], Fault> {
    let mut block = [0; BLOCK];
    stream.read_exact(&mut block).map_err(Fault::Stream)?;
    if let Some(kept) = kept {
        kept.extend_from_slice(&block);
    }
    Ok(block)
}

/// What the headers before a member's own say about it.
struct Extended {
    long: LongNames,
    pax: Records,
    /// A pax header was among them.
    has_pax: bool,
    /// How many bytes more they may take.
    room: u64,
}

impl Extended {
    fn new(global: &Records) -> Self {
        Self { long: LongNames::default(), pax: global.clone(), has_pax: false, room: MOST_EXTENDED }
    }

    fn is_empty(&self) -> bool {
        !self.has_pax && self.long.path.is_none() && self.long.link.is_none()
    }

    fn add(&mut self, entry_type: EntryType, bytes: Vec<u8>) -> Result<(), Complaint> {
        let twice = |what: &str| Err(format!("two extended headers with its {what}"));
        match entry_type {
            EntryType::GNULongName if self.long.path.is_some() => return twice("name"),
            EntryType::GNULongLink if self.long.link.is_some() => return twice("link target"),
            EntryType::GNULongName => self.long.path = Some(until_nul(bytes)?),
            EntryType::GNULongLink => self.long.link = Some(until_nul(bytes)?),
            _ if self.has_pax => return twice("pax records"),
            _ => {
                self.pax.add(&bytes)?;
                self.has_pax = true;
            }
        }
        Ok(())
    }
}

fn is_extension(entry_type: EntryType) -> bool {
    matches!(
        entry_type,
        EntryType::GNULongName | EntryType::GNULongLink | EntryType::XHeader | EntryType::XGlobalHeader
    )
}

fn has_content(header: &Header) -> bool {
    matches!(header.entry_type(), EntryType::Regular | EntryType::GNUSparse)
}

/// Takes a name that GNU tar ends with a NUL byte.
fn until_nul(mut bytes: Vec<u8>) -> Result<Vec<u8>, Complaint> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        if bytes[end..].iter().any(|&byte| byte != 0) {
            return Err("a name with a NUL byte".into());
        }
        bytes.truncate(end);
    }
    if bytes.is_empty() { Err("an empty name".into()) } else { Ok(bytes) }
}

/// Compares the checksum with the sum of the bytes, as unsigned numbers or, as some old programs
/// did, as signed ones.
fn has_checksum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let counted = || bytes[..148].iter().chain(&[b' '; 8]).chain(&bytes[156..]);
    let unsigned: u32 = counted().map(|&byte| u32::from(byte)).sum();
    let signed: i32 = counted().map(|&byte| i32::from(byte.cast_signed())).sum();
    header.cksum().is_ok_and(|stated| stated == unsigned || i64::from(stated) == i64::from(signed))
}
