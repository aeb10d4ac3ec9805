//! A layer on disk, the same on every system.
//!
//! A folder with `entries.gz` and `content/`. Content is by its SHA-256, `content/HH/HEX` in
//! hexadecimal digits, HH the first two of them, so that no name of the layer ever
//! names a file of the host. `entries.gz` is a gzip file: the line `containerv windows layer 1`, then what is
//! in the archive besides content, byte for byte and in its order:
//!
//! | Field | Bytes |
//! |---|---|
//! | tag: 1, a member | 1 |
//! | length of its headers | 4 |
//! | its headers, as in the archive | |
//! | padding after its content: 0, zeros; 1, other bytes, which follow the next field | 1 |
//! | size of its content, and its SHA-256 in digits if that is not 0 | 8, 64 |
//! | tag: 2, the end | 1 |
//! | length of what ends the archive, and that | 8 |
//! | size of the archive, and its SHA-256 in digits: the diff ID | 8, 64 |
//!
//! Numbers have the least significant byte first.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use containerv_spec::image::digest::{Algorithm, Digest, Hasher};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::archive::{self, Member, padding};
use crate::{Error, ErrorKind, Result};

const ENTRIES: &str = "entries.gz";
const CONTENT: &str = "content";
const FIRST_LINE: &[u8] = b"containerv windows layer 1\n";
const MEMBER: u8 = 1;
const END: u8 = 2;
/// The most bytes of headers of one member; the archive's reader takes no more.
const MOST_HEADERS: u32 = 4 << 20;
/// The most bytes that end an archive.
const MOST_TAIL: u64 = 80 << 20;
/// Content up to this size is written at once, under its own name.
const SMALL: usize = 64 << 10;
const BUFFER: usize = 256 << 10;

/// Content of a file, by its size and digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// None if it is empty.
    pub(crate) digest: Option<Digest>,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) headers: Vec<u8>,
    pub(crate) content: Content,
    /// What pads the content, unless it is zeros.
    pub(crate) odd_padding: Option<Vec<u8>>,
}

impl Kept {
    /// Reads the headers again.
    pub(crate) fn member(&self) -> Result<Member> {
        let mut reader = archive::Reader::new(&self.headers[..]);
        match reader.next().map_err(archive::Fault::into_error)? {
            Some(member) => Ok(member),
            None => Err(Error::new(ErrorKind::Corrupt, "the layer's entries have a member without headers")),
        }
    }
}

/// How a layer's archive ends, and what it was as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) tail: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) diff_id: Digest,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::io(error, format!("{what} `{path}`"))
}

fn content_path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(CONTENT).join(&digest.hex()[..2]).join(digest.hex())
}

/// Writes a layer's folder.
pub(crate) struct Writer {
    folder: PathBuf,
    entries: GzEncoder<BufWriter<File>>,
    buffer: Vec<u8>,
}

impl Writer {
    /// Begins in an empty directory that is there.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let content = folder.join(CONTENT);
        fs::create_dir(&content).map_err(failed("make", &content))?;
        let path = folder.join(ENTRIES);
        let file = File::create_new(&path).map_err(failed("make", &path))?;
        let mut entries = GzEncoder::new(BufWriter::with_capacity(BUFFER, file), Compression::fast());
        entries.write_all(FIRST_LINE).map_err(failed("write", &path))?;
        Ok(Self { folder: folder.to_owned(), entries, buffer: vec![0; BUFFER] })
    }

    /// Keeps content, as `read` gives it; `size` bytes.
    pub(crate) fn content<E: From<Error>>(
        &mut self,
        size: u64,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, E>,
    ) -> Result<Content, E> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut filled = 0;
        let whole = usize::try_from(size).ok().filter(|&size| size <= SMALL);
        if let Some(size) = whole {
            while filled < size {
                filled += read(&mut self.buffer[filled..size])?;
            }
            if size == 0 {
                return Ok(Content::default());
            }
            hasher.update(&self.buffer[..size]);
            let digest = hasher.finish();
            self.keep_small(&digest, size)?;
            return Ok(Content { size: size as u64, digest: Some(digest) });
        }
        let path = self.folder.join(CONTENT).join("new");
        let mut file = File::create(&path).map_err(failed("make", &path))?;
        let mut left = size;
        while left > 0 {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = read(&mut self.buffer[..room])?;
            hasher.update(&self.buffer[..count]);
            file.write_all(&self.buffer[..count]).map_err(failed("write", &path))?;
            left -= count as u64;
        }
        drop(file);
        let digest = hasher.finish();
        let to = self.directory_of(&digest)?;
        fs::rename(&path, &to).map_err(failed("rename to", &to))?;
        Ok(Content { size, digest: Some(digest) })
    }

    fn keep_small(&mut self, digest: &Digest, size: usize) -> Result<()> {
        let path = self.directory_of(digest)?;
        match File::create_new(&path) {
            Ok(mut file) => file.write_all(&self.buffer[..size]).map_err(failed("write", &path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(failed("make", &path)(error)),
        }
    }

    fn directory_of(&self, digest: &Digest) -> Result<PathBuf> {
        let path = content_path(&self.folder, digest);
        let directory = path.parent().unwrap_or(&path);
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(failed("make", directory)(error))
            }
            _ => Ok(path),
        }
    }

    /// Keeps a member.
    pub(crate) fn member(&mut self, kept: &Kept) -> Result<()> {
        let mut record = vec![MEMBER];
        record.extend_from_slice(&u32::try_from(kept.headers.len()).unwrap_or(u32::MAX).to_le_bytes());
        record.extend_from_slice(&kept.headers);
        record.push(u8::from(kept.odd_padding.is_some()));
        record.extend_from_slice(&kept.content.size.to_le_bytes());
        record.extend_from_slice(kept.content.digest.as_ref().map_or("", Digest::hex).as_bytes());
        record.extend_from_slice(kept.odd_padding.as_deref().unwrap_or_default());
        self.write(&record)
    }

    /// Ends the layer.
    pub(crate) fn finish(mut self, ending: &Ending) -> Result<()> {
        let mut record = vec![END];
        record.extend_from_slice(&(ending.tail.len() as u64).to_le_bytes());
        record.extend_from_slice(&ending.tail);
        record.extend_from_slice(&ending.size.to_le_bytes());
        record.extend_from_slice(ending.diff_id.hex().as_bytes());
        self.write(&record)?;
        let path = self.folder.join(ENTRIES);
        let mut file = self.entries.finish().map_err(failed("write", &path))?;
        file.flush().map_err(failed("write", &path))
    }

    fn write(&mut self, record: &[u8]) -> Result<()> {
        self.entries.write_all(record).map_err(|error| failed("write", &self.folder.join(ENTRIES))(error))
    }
}

/// Reads a layer's folder.
pub(crate) struct Reader {
    folder: PathBuf,
    entries: BufReader<GzDecoder<BufReader<File>>>,
    ending: Option<Ending>,
}

impl Reader {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(ENTRIES);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let entries = GzDecoder::new(BufReader::with_capacity(BUFFER, file));
        let entries = BufReader::with_capacity(BUFFER, entries);
        let mut reader = Self { folder: folder.to_owned(), entries, ending: None };
        let mut line = [0; FIRST_LINE.len()];
        reader.read(&mut line)?;
        if line != *FIRST_LINE {
            return Err(reader.corrupt("its form is another one"));
        }
        Ok(reader)
    }

    fn corrupt(&self, problem: &str) -> Error {
        let path = self.folder.join(ENTRIES);
        Error::new(ErrorKind::Corrupt, format!("`{}`: {problem}", path.display()))
            .with_hint("remove the image and pull it again")
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.entries.read_exact(bytes).map_err(|error| self.corrupt(&error.to_string()))
    }

    fn number(&mut self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn digest(&mut self) -> Result<Digest> {
        let mut digits = [0; 64];
        self.read(&mut digits)?;
        let digest = std::str::from_utf8(&digits).ok().and_then(|hex| format!("sha256:{hex}").parse().ok());
        digest.ok_or_else(|| self.corrupt("a digest that is none"))
    }

    /// The next member; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Kept>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let mut tag = [0];
        self.read(&mut tag)?;
        match tag[0] {
            MEMBER => self.member().map(Some),
            END => {
                let length = self.number()?;
                let length = usize::try_from(length).ok().filter(|_| length <= MOST_TAIL);
                let mut tail = vec![0; length.ok_or_else(|| self.corrupt("its end is too long"))?];
                self.read(&mut tail)?;
                let ending = Ending { tail, size: self.number()?, diff_id: self.digest()? };
                // The checksum of what was read comes behind it.
                match self.entries.read(&mut tag) {
                    Ok(0) => self.ending = Some(ending),
                    Ok(_) => return Err(self.corrupt("something behind its end")),
                    Err(error) => return Err(self.corrupt(&error.to_string())),
                }
                Ok(None)
            }
            _ => Err(self.corrupt("a record of another kind")),
        }
    }

    fn member(&mut self) -> Result<Kept> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > MOST_HEADERS {
            return Err(self.corrupt("headers that are too long"));
        }
        let mut headers = vec![0; length as usize];
        self.read(&mut headers)?;
        let mut odd = [0];
        self.read(&mut odd)?;
        let size = self.number()?;
        let digest = if size > 0 { Some(self.digest()?) } else { None };
        let mut odd_padding = None;
        if odd[0] != 0 {
            let mut bytes = vec![0; usize::try_from(padding(size)).unwrap_or(0)];
            self.read(&mut bytes)?;
            odd_padding = Some(bytes);
        }
        Ok(Kept { headers, content: Content { size, digest }, odd_padding })
    }

    /// How the archive ends, behind the last member.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }
}

/// Says whether the folder has it.
pub(crate) fn has_content(folder: &Path, content: &Content) -> bool {
    content.digest.as_ref().is_none_or(|digest| content_path(folder, digest).is_file())
}

/// Copies content and checks that it is what it was.
pub(crate) fn copy_content(folder: &Path, content: &Content, to: &mut impl Write) -> Result<()> {
    let Some(digest) = &content.digest else { return Ok(()) };
    let path = content_path(folder, digest);
    let mut file = File::open(&path).map_err(failed("open", &path))?;
    let mut buffer = vec![0; BUFFER.min(usize::try_from(content.size).unwrap_or(BUFFER))];
    let (mut hasher, mut size) = (Hasher::new(Algorithm::Sha256), 0);
    loop {
        let count = file.read(&mut buffer).map_err(failed("read", &path))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
        if size > content.size {
            break;
        }
        to.write_all(&buffer[..count]).map_err(|error| Error::io(error, "write the layer's archive"))?;
    }
    if size == content.size && hasher.finish() == *digest {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Corrupt,
        format!("`{}` is not what it was when the layer was unpacked", path.display()),
    )
    .with_hint("remove the image and pull it again"))
}
