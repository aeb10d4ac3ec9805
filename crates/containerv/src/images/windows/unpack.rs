//! Archives of layers to folders, and back byte for byte.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use containerv_spec::image::digest::{Algorithm, Digest, Hasher};

use super::check::{Checker, Item};
use super::form::{self, Content, Ending, Kept};
use crate::archive::{self, Fault, Member, padding};
use crate::{Error, Result};

const BUFFER: usize = 256 << 10;

/// A stream that is counted and hashed on its way.
pub(super) struct Hashing<S> {
    stream: S,
    hasher: Hasher,
    size: u64,
}

impl<S> Hashing<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, hasher: Hasher::new(Algorithm::Sha256), size: 0 }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> Unpacked {
        Unpacked { diff_id: self.hasher.finish(), size: self.size }
    }
}

impl<S: Read> Read for Hashing<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.pass(&buffer[..count]);
        Ok(count)
    }
}

impl<S: Write> Write for Hashing<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(buffer)?;
        self.pass(&buffer[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A layer that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// SHA-256 of the archive without compression.
    pub diff_id: Digest,
    /// Bytes of the archive without compression.
    pub size: u64,
}

/// What takes the members of a layer's archive as they come.
pub(super) trait Sink {
    /// Takes a member that was found good, and all of its content.
    fn take<R: Read>(
        &mut self,
        item: &Item,
        member: &Member,
        headers: Headers,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()>;
}

/// The bytes of a member besides content.
pub(super) struct Headers {
    /// What padded the content of the member before it, unless zeros.
    pub(super) odd_padding_before: Option<Vec<u8>>,
    pub(super) bytes: Vec<u8>,
}

/// The content of a member.
pub(super) struct ContentOf<'a, R> {
    reader: &'a mut archive::Reader<R>,
    pub(super) size: u64,
}

impl<R: Read> ContentOf<'_, R> {
    /// Reads on; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.reader.read(buffer).map_err(Fault::into_error)
    }
}

/// Reads an archive to its end, checks every member and gives it to `sink`. Returns what ends the archive.
///
/// # Errors
///
/// The first member that no layer may have, by its name; a stream that breaks; what the sink says.
pub(super) fn walk(source: impl Read, base: bool, sink: &mut impl Sink) -> Result<Headers> {
    let mut reader = archive::Reader::keeping(BufReader::with_capacity(BUFFER, source));
    let mut checker = Checker::new(base);
    let mut before = 0;
    while let Some(member) = reader.next().map_err(Fault::into_error)? {
        let headers = split(reader.take_kept(), before);
        before = member.stored;
        let refused = |complaint: String| Fault::from(complaint).about(&member.name).into_error();
        if reader.has_global() {
            return Err(refused("a header for all that follow, which layers of Windows do not have".into()));
        }
        let item = checker.take(&member).map_err(refused)?;
        let mut content = ContentOf { reader: &mut reader, size: member.stored };
        sink.take(&item, &member, headers, &mut content)
            .map_err(|error| error.context(format!("unpack the layer's `{}`", shown(&member))))?;
    }
    reader.drain().map_err(Fault::into_error)?;
    Ok(split(reader.take_kept(), before))
}

fn shown(member: &Member) -> String {
    containerv_spec::OsText::from_bytes(&member.name[..]).to_string()
}

/// Parts what pads the content before from the headers.
fn split(mut bytes: Vec<u8>, size_before: u64) -> Headers {
    let count = usize::try_from(padding(size_before)).unwrap_or(0).min(bytes.len());
    let rest = bytes.split_off(count);
    let odd_padding_before = bytes.iter().any(|&byte| byte != 0).then_some(bytes);
    Headers { odd_padding_before, bytes: rest }
}

/// Keeps members in a folder. A member is written when the next one shows how it was padded.
struct Keeper {
    writer: form::Writer,
    last: Option<Kept>,
}

impl Keeper {
    fn write_last(&mut self, odd_padding: Option<Vec<u8>>) -> Result<()> {
        match self.last.take() {
            Some(last) => self.writer.member(&Kept { odd_padding, ..last }),
            None => Ok(()),
        }
    }
}

impl Sink for Keeper {
    fn take<R: Read>(
        &mut self,
        _item: &Item,
        _member: &Member,
        headers: Headers,
        content: &mut ContentOf<'_, R>,
    ) -> Result<()> {
        self.write_last(headers.odd_padding_before)?;
        let content: Content = self.writer.content(content.size, |buffer| content.read(buffer))?;
        self.last = Some(Kept { headers: headers.bytes, content, odd_padding: None });
        Ok(())
    }
}

/// Takes the archive of a layer, without compression, into an empty directory, in the form that
/// [`crate::images::windows`] describes. A `base` layer has none below.
///
/// # Errors
///
/// A name that leads out of the layer, or may on Windows; a member that no layer of Windows has, in each
/// case by its name; a damaged archive; what the system says. What was written by then stays for the caller to remove.
pub fn unpack(source: impl Read, folder: &Path, base: bool) -> Result<Unpacked> {
    let mut hashing = Hashing::new(source);
    let received = receive(&mut hashing, folder, base)?;
    let unpacked = hashing.finish();
    received.finish(&unpacked.diff_id, unpacked.size)?;
    Ok(unpacked)
}

/// The same for who digests the archive as it comes.
pub(crate) fn receive(source: impl Read, folder: &Path, base: bool) -> Result<Received> {
    let mut keeper = Keeper { writer: form::Writer::new(folder)?, last: None };
    let end = walk(source, base, &mut keeper)?;
    keeper.write_last(end.odd_padding_before)?;
    Ok(Received { writer: keeper.writer, tail: end.bytes })
}

/// A layer whose members are all in its folder.
pub(crate) struct Received {
    writer: form::Writer,
    tail: Vec<u8>,
}

impl Received {
    /// Notes what its archive was.
    pub(crate) fn finish(self, diff_id: &Digest, size: u64) -> Result<()> {
        self.writer.finish(&Ending { tail: self.tail, size, diff_id: diff_id.clone() })
    }
}

/// Writes the archive of a layer again, byte for byte as it was unpacked.
///
/// # Errors
///
/// A folder that is damaged, or was changed; what `to` says.
pub fn pack(folder: &Path, to: impl Write) -> Result<Unpacked> {
    let failed = |error| Error::io(error, "write the layer's archive");
    let mut output = Hashing::new(BufWriter::with_capacity(BUFFER, to));
    let mut reader = form::Reader::open(folder)?;
    while let Some(kept) = reader.next()? {
        output.write_all(&kept.headers).map_err(failed)?;
        form::copy_content(folder, &kept.content, &mut output)?;
        let zeros = [0; 512];
        let count = usize::try_from(padding(kept.content.size)).unwrap_or(0);
        let padding = kept.odd_padding.as_deref().unwrap_or(&zeros[..count]);
        output.write_all(padding).map_err(failed)?;
    }
    let ending = reader.ending().cloned();
    if let Some(ending) = &ending {
        output.write_all(&ending.tail).map_err(failed)?;
    }
    output.flush().map_err(failed)?;
    let packed = output.finish();
    match ending {
        Some(ending) if ending.size == packed.size && ending.diff_id == packed.diff_id => Ok(packed),
        _ => Err(Error::new(
            crate::ErrorKind::Corrupt,
            format!("the layer in `{}` is not what it was when it was unpacked", folder.display()),
        )
        .with_hint("remove the image and pull it again")),
    }
}
