//! What `ExportLayer` has written, as the archive of a layer.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::backup;
use super::compose::header;
use super::facts::{ARCHIVE, DIRECTORY, Facts, FileTimes, Security, is_descriptor};
use super::path::{self, Part, Place};
use crate::archive::{Attribute, Kind, Output};
use crate::backend::hcs::transfer::changes::{COMPANION, MOST_TOMBSTONES, tombstones};
use crate::backend::hcs::transfer::reparse::Link;
use crate::backend::hcs::transfer::time;
use crate::copy::CopySummary;
use crate::{Error, ErrorKind, Result};

const BUFFER: usize = 256 << 10;
/// The most bytes of a stream that is read at once: all but content.
const MOST_STREAM: u64 = 256 << 10;
/// `FILE_ATTRIBUTE_NORMAL`, which says that there are no others.
const NORMAL: u32 = 0x80;
/// What nobody wants in an image.
const RECYCLED: &str = "$Recycle.Bin";

fn failed(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::io(error, format!("read `{path}` of the exported layer"))
}

fn damaged(path: &Path, problem: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("`{}` of the exported layer: {problem}", path.display()))
}

fn unsupported(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("`{}` of the exported layer is {what}", path.display()))
        .with_hint("remove it in the container, and try again")
}

/// Writes the archive of the layer in a folder in transport format.
///
/// # Errors
///
/// What is no such folder; files that no layer can have: sparse ones, reparse points other than links, names that are
/// not Unicode or that Windows reads as something else.
pub(crate) fn write_exported(folder: &Path, to: impl Write) -> Result<CopySummary> {
    // So that no name in it is read as another one.
    let folder = match folder.to_str() {
        Some(text) if cfg!(windows) && !text.starts_with(r"\\?\") => PathBuf::from(format!(r"\\?\{text}")),
        _ => folder.to_owned(),
    };
    let mut export = Export {
        output: Output::new(to),
        gone: gone(&folder)?,
        summary: CopySummary::default(),
        buffer: vec![0; BUFFER],
    };
    export.tree(&folder)?;
    export.hives(&folder)?;
    export.output.finish().map_err(written)?;
    Ok(export.summary)
}

fn written(error: io::Error) -> Error {
    Error::io(error, "write the layer's archive")
}

/// What is gone, by the key of its directory.
fn gone(folder: &Path) -> Result<BTreeMap<String, Vec<Place>>> {
    let path = folder.join("tombstones.txt");
    let mut content = Vec::new();
    match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        opened => opened
            .and_then(|file| file.take(MOST_TOMBSTONES + 1).read_to_end(&mut content))
            .map_err(failed(&path))?,
    };
    let mut by_directory: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    let mut known = HashSet::new();
    for line in tombstones(&content).map_err(|problem| damaged(&path, &problem))? {
        let names: Vec<String> = line.split('\\').map(str::to_owned).collect();
        let checked = names.iter().try_for_each(|name| path::own(name));
        checked.map_err(|why| damaged(&path, &format!("`{line}` has {why}")))?;
        let place = Place { part: Part::Files, names };
        if known.insert(place.key()) {
            let above = Place { part: Part::Files, names: place.names[..place.names.len() - 1].to_vec() };
            by_directory.entry(above.key()).or_default().push(place);
        }
    }
    Ok(by_directory)
}

struct Export<W: Write> {
    output: Output<W>,
    gone: BTreeMap<String, Vec<Place>>,
    summary: CopySummary,
    buffer: Vec<u8>,
}

impl<W: Write> Export<W> {
    fn tree(&mut self, folder: &Path) -> Result<()> {
        let top = Place { part: Part::Files, names: Vec::new() };
        let mut pending = vec![(folder.join(Part::Files.name()), top)];
        while let Some((path, place)) = pending.pop() {
            let told = Told::read(&with_companion(&path), true)?;
            if place.names.is_empty() && (told.link.is_some() || !told.streams.is_empty()) {
                return Err(unsupported(
                    &told.path,
                    "a root with streams, or that is a link, which layers do not have",
                ));
            }
            self.entry(&place, &told)?;
            if told.link.is_some() {
                continue;
            }
            self.marks(&place)?;
            let mut below = Vec::new();
            for name in names(&path)? {
                let file = path.join(&name);
                if name.ends_with(COMPANION) || place.names.is_empty() && name.eq_ignore_ascii_case(RECYCLED)
                {
                    continue;
                }
                path::own(&name).map_err(|why| damaged(&file, &format!("it has {why}")))?;
                let mut at = place.clone();
                at.names.push(name);
                match fs::symlink_metadata(&file).map_err(failed(&file))?.is_dir() {
                    true => below.push((file, at)),
                    false => self.entry(&at, &Told::read(&file, false)?)?,
                }
            }
            // The last one is taken first.
            pending.extend(below.into_iter().rev());
        }
        for key in self.gone.keys().cloned().collect::<Vec<_>>() {
            self.marks_of(&key)?;
        }
        Ok(())
    }

    fn marks(&mut self, directory: &Place) -> Result<()> {
        self.marks_of(&directory.key())
    }

    fn marks_of(&mut self, key: &str) -> Result<()> {
        for place in self.gone.remove(key).unwrap_or_default() {
            let text = place.to_string();
            let (above, name) = text.rsplit_once('/').unwrap_or(("", &text));
            let mark = format!("{above}/.wh.{name}");
            header(&mut self.output, &mark, (Kind::File, ""), &Facts::default(), 0).map_err(written)?;
        }
        Ok(())
    }

    fn entry(&mut self, place: &Place, told: &Told) -> Result<()> {
        let name = place.to_string();
        let is_directory = told.facts.attributes & DIRECTORY != 0;
        let content = told.content.filter(|_| told.link.is_none());
        let (kind, link) = match &told.link {
            Some(link) => (Kind::Symlink, &link[..]),
            None if is_directory => (Kind::Directory, ""),
            None => (Kind::File, ""),
        };
        let size = content.map_or(0, |(_, size)| size);
        header(&mut self.output, &name, (kind, link), &told.facts, size).map_err(written)?;
        match kind {
            Kind::Directory => self.summary.directories += 1,
            Kind::Symlink => self.summary.symlinks += 1,
            _ => self.summary.files += 1,
        }
        if let Some(content) = content {
            self.copy(&told.path, content)?;
        }
        // Only attributes are a stream's own.
        for (stream, offset, size) in &told.streams {
            let facts = Facts { attributes: ARCHIVE, ..Facts::default() };
            let name = format!("{name}:{stream}");
            header(&mut self.output, &name, (Kind::File, ""), &facts, *size).map_err(written)?;
            self.copy(&told.path, (*offset, *size))?;
        }
        Ok(())
    }

    fn copy(&mut self, path: &Path, (offset, size): (u64, u64)) -> Result<()> {
        let mut file = File::open(path).map_err(failed(path))?;
        file.seek(SeekFrom::Start(offset)).map_err(failed(path))?;
        let mut left = size;
        while left > 0 {
            let room = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.read_exact(&mut self.buffer[..room]).map_err(failed(path))?;
            self.output.content(&self.buffer[..room]).map_err(written)?;
            left -= room as u64;
        }
        self.summary.bytes += size;
        self.output.pad(size).map_err(written)
    }

    /// Files of the registry are as they are.
    fn hives(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join(Part::Hives.name());
        if !path.is_dir() {
            return Ok(());
        }
        let facts = Facts { attributes: DIRECTORY, ..Facts::default() };
        header(&mut self.output, Part::Hives.name(), (Kind::Directory, ""), &facts, 0).map_err(written)?;
        for name in names(&path)? {
            let file = path.join(&name);
            if name.ends_with(COMPANION) {
                continue;
            }
            path::plain(&name).map_err(|why| damaged(&file, &format!("it has {why}")))?;
            let metadata = fs::symlink_metadata(&file).map_err(failed(&file))?;
            let mut facts = Facts { attributes: ARCHIVE, ..Facts::default() };
            facts.times.modified = times(&metadata).modified;
            let name = format!("{}/{name}", Part::Hives.name());
            header(&mut self.output, &name, (Kind::File, ""), &facts, metadata.len()).map_err(written)?;
            self.copy(&file, (0, metadata.len()))?;
            self.summary.files += 1;
        }
        Ok(())
    }
}

/// The names in a directory, sorted.
fn names(path: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let name = entry.map_err(failed(path))?.file_name();
        names.push(name.into_string().map_err(|name| damaged(&path.join(name), "its name is not Unicode"))?);
    }
    names.sort_unstable();
    Ok(names)
}

fn with_companion(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPANION);
    name.into()
}

fn times(metadata: &Metadata) -> FileTimes {
    let ticks = |time: io::Result<SystemTime>| {
        let since = time.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let unix =
            since.and_then(|since| Some((i64::try_from(since.as_secs()).ok()?, since.subsec_nanos().into())));
        unix.map_or(0, time::of_unix)
    };
    let (created, modified) = (ticks(metadata.created()), ticks(metadata.modified()));
    FileTimes { created, accessed: 0, modified, changed: 0 }
}

/// What a file in transport format says.
struct Told {
    path: PathBuf,
    facts: Facts,
    /// Where a link leads, as archives have it.
    link: Option<String>,
    /// Where its content begins, and how long it is.
    content: Option<(u64, u64)>,
    /// The same of its streams, with their names.
    streams: Vec<(String, u64, u64)>,
    /// The names of its streams, in one letter case.
    names: HashSet<String>,
}

impl Told {
    /// Reads a file, or the companion of a directory.
    fn read(path: &Path, directory: bool) -> Result<Self> {
        let bad = |problem: &str| damaged(path, problem);
        let mut file = File::open(path).map_err(failed(path))?;
        let metadata = file.metadata().map_err(failed(path))?;
        let mut attributes = [0; 4];
        file.read_exact(&mut attributes).map_err(|_| bad("it has no attributes"))?;
        let attributes = match u32::from_le_bytes(attributes) {
            0 => NORMAL,
            attributes => attributes,
        };
        match (attributes & DIRECTORY != 0, directory) {
            (true, false) => return Err(bad("a file with the attributes of a directory")),
            (false, true) => return Err(bad("a directory with the attributes of a file")),
            _ => {}
        }
        let facts = Facts { attributes, times: times(&metadata), ..Facts::default() };
        let (streams, names) = (Vec::new(), HashSet::new());
        let mut told = Self { path: path.to_owned(), facts, link: None, content: None, streams, names };
        let mut at = 4;
        while at < metadata.len() {
            let mut head = [0; 20];
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(&mut head))
                .map_err(|_| bad("a stream is cut short"))?;
            let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let (what, flags, name) = (number(0), number(4), u64::from(number(16)));
            let size = u64::from(number(8)) | u64::from(number(12)) << 32;
            let content = at + 20 + name;
            let end = content.checked_add(size).filter(|end| *end <= metadata.len() && name <= 1024);
            let end = end.ok_or_else(|| bad("a stream leaves it"))?;
            let mut bytes = |size: u64| -> Result<Vec<u8>> {
                let mut bytes = vec![
                    0;
                    usize::try_from(size)
                        .ok()
                        .filter(|_| size <= MOST_STREAM)
                        .ok_or_else(|| bad("a stream is too large"))?
                ];
                file.read_exact(&mut bytes).map_err(|_| bad("a stream is cut short"))?;
                Ok(bytes)
            };
            let name = bytes(name)?;
            told.take(what, flags, &name, (content, size), &mut bytes)?;
            at = end;
        }
        match &told {
            Self { content: Some(_), .. } if directory => Err(bad("a directory with content")),
            Self { link: Some(_), streams, .. } if !streams.is_empty() => {
                Err(unsupported(path, "a link with streams, which layers do not have"))
            }
            _ => Ok(told),
        }
    }

    fn take(
        &mut self,
        what: u32,
        flags: u32,
        name: &[u8],
        (content, size): (u64, u64),
        bytes: &mut dyn FnMut(u64) -> Result<Vec<u8>>,
    ) -> Result<()> {
        const SPARSE: u32 = 8;
        let path = self.path.clone();
        let unsupported = |what: &str| unsupported(&path, what);
        match what {
            backup::DATA | backup::ALTERNATE if flags & SPARSE != 0 => {
                return Err(unsupported("a sparse file, which layers do not have"));
            }
            backup::DATA if self.content.is_some() => return Err(damaged(&path, "it has content twice")),
            backup::DATA => self.content = Some((content, size)),
            backup::SECURITY => {
                let raw = bytes(size)?;
                if !is_descriptor(&raw) {
                    return Err(damaged(&path, "its security descriptor is none"));
                }
                self.facts.security = Some(Security::Raw(raw));
            }
            backup::EXTENDED => {
                let list = bytes(size)?;
                self.facts.extended = read_extended(&list)
                    .ok_or_else(|| damaged(&path, "its extended attributes are no list"))?;
            }
            backup::ALTERNATE => {
                let units: Vec<u16> =
                    name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
                let name = String::from_utf16_lossy(&units);
                let stream = name.strip_prefix(':').and_then(|name| name.strip_suffix(":$DATA"));
                let stream = stream.ok_or_else(|| damaged(&path, "a stream has no name"))?;
                path::plain(stream)
                    .map_err(|why| damaged(&path, &format!("it has, as the name of a stream, {why}")))?;
                if !self.names.insert(path::folded(stream)) {
                    return Err(damaged(&path, "it has two streams of a name"));
                }
                self.streams.push((stream.to_owned(), content, size));
            }
            backup::REPARSE => {
                let link = Link::read(&bytes(size)?)
                    .ok_or_else(|| unsupported("a reparse point other than a link"))?;
                self.facts.junction = link.junction;
                let taken = |text: &String| {
                    !text.is_empty() && Link::of_layer(text.as_bytes(), link.junction).is_ok()
                };
                let text = link.layer_text().filter(taken);
                let text = text.ok_or_else(|| unsupported("a link that leads to no path"))?;
                self.link = Some(text);
            }
            // Object identifiers, hard links and properties are this machine's.
            _ => {}
        }
        Ok(())
    }
}

/// Reads a list of `FILE_FULL_EA_INFORMATION`. No name is there twice, nor has what NTFS refuses in them.
fn read_extended(mut list: &[u8]) -> Option<Vec<Attribute>> {
    let (mut found, mut names) = (Vec::new(), HashSet::new());
    loop {
        let head = list.get(..8)?;
        let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (name, value) = (usize::from(head[5]), usize::from(u16::from_le_bytes([head[6], head[7]])));
        let whole = list.get(8..8 + name + 1 + value)?;
        let own = &whole[..name];
        let usable = |byte: &u8| *byte >= b' ' && !b"\\/:*?\"<>|,+=[];".contains(byte);
        if own.is_empty() || !own.iter().all(usable) || !names.insert(own) {
            return None;
        }
        found.push((own.to_vec(), whole[name + 1..].to_vec()));
        match next {
            0 => return Some(found),
            next => list = list.get(next..).filter(|_| next >= 8 + name + 1 + value)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::usual_descriptor;
    use super::super::tests::Scratch;
    use super::super::{View, unpack};
    use super::*;

    fn file(facts: &Facts, security: Option<&[u8]>, content: &[u8], stream: Option<&str>) -> Vec<u8> {
        let mut bytes = backup::before_content(facts, security, None);
        bytes.extend_from_slice(&backup::head(backup::DATA, content.len() as u64, None));
        bytes.extend_from_slice(content);
        if let Some(stream) = stream {
            bytes.extend_from_slice(&backup::head(backup::ALTERNATE, 3, Some(stream)));
            bytes.extend_from_slice(b"abc");
        }
        bytes
    }

    fn directory(path: &Path) {
        fs::create_dir(path).unwrap();
        fs::write(with_companion(path), DIRECTORY.to_le_bytes()).unwrap();
    }

    #[test]
    fn an_exported_layer_becomes_one() {
        let scratch = Scratch::new();
        let folder = scratch.directory("exported");
        let at = |name: &str| folder.join(name);
        directory(&at("Files"));
        directory(&at("Files/Windows"));
        let extended = vec![(b"A".to_vec(), vec![1]), (b"BC".to_vec(), vec![])];
        let facts = Facts { attributes: 0x21, extended: extended.clone(), ..Facts::default() };
        let descriptor = usual_descriptor(false);
        fs::write(at("Files/Windows/a.txt"), file(&facts, Some(&descriptor), b"content", Some("s"))).unwrap();
        let link = Link::of_layer(b"C:/Users", true).unwrap();
        fs::create_dir(at("Files/junction")).unwrap();
        let facts = Facts { attributes: 0x410, ..Facts::default() };
        let companion = backup::before_content(&facts, None, link.write().as_deref());
        fs::write(with_companion(&at("Files/junction")), companion).unwrap();
        fs::create_dir(at("Hives")).unwrap();
        fs::write(at("Hives/System_Delta"), b"regf").unwrap();
        fs::write(at("tombstones.txt"), "\u{feff}Version 1.0\r\n\\Windows\\gone.txt\r\n\\other\\x\r\n")
            .unwrap();
        let mut bytes = Vec::new();
        let summary = write_exported(&folder, &mut bytes).unwrap();
        assert_eq!((summary.files, summary.directories, summary.symlinks), (2, 2, 1));
        let layer = scratch.directory("layer");
        unpack(&bytes[..], &layer, false).unwrap();
        let found = super::super::summary(&layer).unwrap();
        assert_eq!((found.files, found.tombstones, found.links), (2, 2, 1));
        let view = View::of(&[scratch_base(&scratch), layer]).unwrap();
        let entry = |path: &str| view.entries().find(|entry| entry.path == path).unwrap();
        let facts = &entry("Files/Windows/a.txt").facts;
        assert_eq!((facts.attributes, &facts.extended), (0x21, &extended));
        assert_eq!(facts.security, Some(Security::Raw(descriptor)));
        assert_eq!(entry("Files/Windows/a.txt").streams[0].0, "s");
        assert_eq!(entry("Files/junction").target.as_deref(), Some("C:\\Users"));
    }

    fn scratch_base(scratch: &Scratch) -> PathBuf {
        let members = super::super::tests::base();
        let folder = scratch.directory("base");
        unpack(&super::super::tests::archive(&members)[..], &folder, true).unwrap();
        folder
    }

    #[test]
    fn what_is_no_transport_format_is_refused() {
        let scratch = Scratch::new();
        let whole = file(
            &Facts { attributes: 0x20, ..Facts::default() },
            Some(&usual_descriptor(false)),
            b"content",
            Some("s"),
        );
        for (number, end) in (1..whole.len()).enumerate() {
            let folder = scratch.directory(&number.to_string());
            directory(&folder.join("Files"));
            fs::write(folder.join("Files/a"), &whole[..end]).unwrap();
            match write_exported(&folder, io::sink()) {
                // It ends between two streams.
                Ok(_) => assert!([4, 4 + 20 + 128, 4 + 20 + 128 + 20 + 7].contains(&end), "{end}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{end}: {error}"),
            }
        }
        let mut sparse = whole;
        sparse[4 + 20 + 128 + 4] = 8;
        let folder = scratch.directory("sparse");
        directory(&folder.join("Files"));
        fs::write(folder.join("Files/a"), &sparse).unwrap();
        assert_eq!(write_exported(&folder, io::sink()).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    /// What would be another file, or another layer, once it is an archive.
    #[test]
    fn what_archives_would_tell_differently_is_refused() {
        let scratch = Scratch::new();
        let facts = |attributes, extended: &[(&str, &str)]| {
            let bytes = |text: &str| text.as_bytes().to_vec();
            let extended = extended.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
            Facts { attributes, extended, ..Facts::default() }
        };
        let plain = |facts: &Facts| file(facts, None, b"", None);
        let stream = |name: &str| backup::head(backup::ALTERNATE, 0, Some(name));
        let link = Link::of_layer(b"C:/Users", false).unwrap().write();
        let usual = facts(0x20, &[]);
        for (number, (name, content, problem)) in [
            ("Files/.wh.x", plain(&usual), "marks what is gone"),
            ("Files/a", plain(&facts(0x10, &[])), "the attributes of a directory"),
            ("Files.$wcidirs$", plain(&facts(0x20, &[])), "the attributes of a file"),
            ("Files.$wcidirs$", plain(&facts(0x10, &[])), "a directory with content"),
            ("Files/a", [plain(&usual), plain(&usual)[4..].to_vec()].concat(), "content twice"),
            ("Files/a", [plain(&usual), stream("s"), stream("S")].concat(), "two streams of a name"),
            (
                "Files/a",
                [backup::before_content(&usual, None, link.as_deref()), stream("s")].concat(),
                "a link with streams",
            ),
            ("Files/a", plain(&facts(0x20, &[("A=B", "c")])), "no list"),
            ("Files/a", plain(&facts(0x20, &[("A", "b"), ("A", "c")])), "no list"),
            ("tombstones.txt", b"Version 1.0\n\\..\\x\n".to_vec(), "leads elsewhere"),
            ("tombstones.txt", b"Version 1.0\n\\a/b\n".to_vec(), "with a slash"),
            ("tombstones.txt", b"Version 1.0\n\\a\\.wh.x\n".to_vec(), "marks what is gone"),
        ]
        .into_iter()
        .enumerate()
        {
            let folder = scratch.directory(&number.to_string());
            directory(&folder.join("Files"));
            fs::write(folder.join(name), content).unwrap();
            let error = write_exported(&folder, io::sink()).unwrap_err().to_string();
            assert!(error.contains(problem), "{name}: {error}");
        }
    }
}
