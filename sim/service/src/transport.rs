//! Layers in transport format: read when they are imported, written when they are exported.
//!
//! A file is its attributes in four bytes and its backup streams; a directory has a companion file of the
//! same form. On Windows an imported directory shows what the layers below have in it until that is removed; here
//! such an entry is an empty file or directory, a ghost, and `ghosts` in the layer's folder says which they are.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal};
use crate::machine;

const COMPANION: &str = ".$wcidirs$";
const GHOSTS: &str = "ghosts";
const DIRECTORY: u32 = 0x10;
const REPARSE_POINT: u32 = 0x400;

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// Makes the layer's files of the folder `from`, over those of the layers below.
pub fn import(from: &Path, layer: &Path, parents: &[PathBuf]) -> Answer<()> {
    let Some(files) = machine::entry(from, "Files") else {
        return refuse(codes::PATH_NOT_FOUND, format!("{} has no files", from.display()));
    };
    for entry in fs::read_dir(from).or_refuse("reading the folder")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let known = ["Files", "Hives"].contains(&name.trim_end_matches(COMPANION));
        if !known {
            return refuse(codes::E_INVALIDARG, format!("{name} is none of a layer's trees"));
        }
    }
    companion(from, "Files")?;
    let to = layer.join("Files");
    fs::create_dir(&to).or_refuse("making the layer's files")?;
    take_directory(&files, &to, &to)?;
    if let Some(hives) = machine::entry(from, "Hives") {
        companion(from, "Hives")?;
        let status = std::process::Command::new("cp")
            .arg("-a")
            .arg("--")
            .args([&hives, &layer.join("Hives")])
            .status();
        if !status.or_refuse("copying the registry")?.success() {
            return refuse(codes::E_FAIL, "copying the registry");
        }
    }
    if parents.is_empty() {
        return Ok(());
    }
    let mut ghosts = String::new();
    show_below(&to, Path::new(""), parents, &mut ghosts)?;
    fs::write(layer.join(GHOSTS), ghosts).or_refuse("writing the ghosts")
}

/// A directory's companion has to be there, and to be one.
fn companion(parent: &Path, name: &str) -> Answer<()> {
    let path = parent.join(format!("{name}{COMPANION}"));
    let told = Told::read(&path, None)?;
    if told.attributes & DIRECTORY == 0 || told.has_data {
        return refuse(codes::E_INVALID_DATA, format!("{} is not of a directory", path.display()));
    }
    Ok(())
}

fn take_directory(from: &Path, to: &Path, top: &Path) -> Answer<()> {
    for entry in fs::read_dir(from).or_refuse("reading the folder")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let target = to.join(&name);
        if let Some(directory) = name.strip_suffix(COMPANION) {
            if !from.join(directory).is_dir() {
                return refuse(
                    codes::E_INVALID_DATA,
                    format!("{} is the companion of nothing", entry.path().display()),
                );
            }
            continue;
        }
        if entry.file_type().or_refuse("reading the folder")?.is_dir() {
            let told = Told::read(&from.join(format!("{name}{COMPANION}")), None)?;
            if told.attributes & DIRECTORY == 0 {
                return refuse(codes::E_INVALID_DATA, format!("{name} is no directory by its companion"));
            }
            match told.target {
                Some(link) => make_link(&link, &target, top)?,
                None => {
                    fs::create_dir(&target).or_refuse("making a directory")?;
                    take_directory(&entry.path(), &target, top)?;
                }
            }
            continue;
        }
        let told = Told::read(&entry.path(), Some(&target))?;
        if let Some(link) = told.target {
            let _ = fs::remove_file(&target);
            make_link(&link, &target, top)?;
        } else if !told.has_data {
            return refuse(codes::E_INVALID_DATA, format!("{name} has no content"));
        } else {
            let times = fs::metadata(entry.path())
                .and_then(|metadata| metadata.modified())
                .or_refuse("reading times")?;
            File::options()
                .write(true)
                .open(&target)
                .and_then(|file| file.set_modified(times))
                .or_refuse("setting times")?;
        }
    }
    Ok(())
}

/// Where a symbolic link or junction leads, by Windows' own text.
struct Link {
    target: String,
    relative: bool,
}

/// A link here: relative, or through the root of the layer.
fn make_link(link: &Link, at: &Path, top: &Path) -> Answer<()> {
    let text = link.target.replace('\\', "/");
    let up = || "../".repeat(at.strip_prefix(top).map_or(0, |below| below.components().count() - 1));
    let target = match (link.relative, text.strip_prefix("/??/C:/")) {
        (true, _) if text.starts_with('/') => format!("{}{}", up(), text.trim_start_matches('/')),
        (true, _) => text,
        (false, Some(below)) => format!("{}{below}", up()),
        // It leads to nothing that a container here has.
        (false, None) => "nowhere".to_owned(),
    };
    let target = if target.is_empty() { ".".to_owned() } else { target };
    std::os::unix::fs::symlink(target, at).or_refuse("making a link")
}

/// What a file in transport format says.
struct Told {
    attributes: u32,
    has_data: bool,
    target: Option<Link>,
}

impl Told {
    /// Reads it; content goes to the file `to`, streams into files beside it, as Wine has them.
    fn read(path: &Path, to: Option<&Path>) -> Answer<Told> {
        let bad = |what: &str| Refusal::new(codes::E_INVALID_DATA, format!("{}: {what}", path.display()));
        let mut file = File::open(path).map_err(|_| bad("is not there"))?;
        let mut attributes = [0; 4];
        file.read_exact(&mut attributes).map_err(|_| bad("no attributes"))?;
        let mut told = Told { attributes: u32::from_le_bytes(attributes), has_data: false, target: None };
        let mut before = 0;
        loop {
            let mut head = [0; 20];
            match file.read(&mut head[..1]).or_refuse("reading a stream")? {
                0 => break,
                _ => file.read_exact(&mut head[1..]).map_err(|_| bad("a head that is cut short"))?,
            }
            let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let (what, size, name) =
                (number(0), u64::from(number(8)) | u64::from(number(12)) << 32, number(16));
            let name =
                take(&mut file, u64::from(name), 1024).ok_or_else(|| bad("a name that is cut short"))?;
            match what {
                1 => {
                    if told.has_data || before == 4 {
                        return Err(bad("content at the wrong place"));
                    }
                    told.has_data = true;
                    copy(&mut file, size, to).map_err(|_| bad("content that is cut short"))?;
                }
                2 => {
                    let list = take(&mut file, size, 64 << 10)
                        .ok_or_else(|| bad("attributes that are cut short"))?;
                    if !is_extended(&list) {
                        return Err(bad("extended attributes that are no list"));
                    }
                }
                3 => {
                    let descriptor = take(&mut file, size, 128 << 10)
                        .ok_or_else(|| bad("a descriptor that is cut short"))?;
                    if descriptor.len() < 20 || descriptor[3] & 0x80 == 0 {
                        return Err(bad("a security descriptor that is none"));
                    }
                }
                4 => {
                    let units: Vec<u16> =
                        name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
                    let name = String::from_utf16_lossy(&units);
                    let stream = name.strip_prefix(':').and_then(|name| name.strip_suffix(":$DATA"));
                    let stream = stream.filter(|name| !name.contains(['/', '\\', ':', '\0']));
                    let stream = stream.ok_or_else(|| bad("the name of a stream that is none"))?;
                    let beside = to.map(|to| PathBuf::from(format!("{}:{stream}", to.display())));
                    copy(&mut file, size, beside.as_deref())
                        .map_err(|_| bad("a stream that is cut short"))?;
                }
                8 => {
                    let data = take(&mut file, size, 16 << 10)
                        .ok_or_else(|| bad("reparse data that are cut short"))?;
                    told.target = Some(link(&data).ok_or_else(|| bad("reparse data that make no sense"))?);
                }
                _ => return Err(bad("a stream of another kind")),
            }
            before = what;
        }
        if told.target.is_some() != (told.attributes & REPARSE_POINT != 0) {
            return Err(bad("attributes and reparse data that disagree"));
        }
        Ok(told)
    }
}

fn take(file: &mut File, size: u64, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    (size <= most).then(|| file.take(size).read_to_end(&mut bytes))?.ok()?;
    (bytes.len() as u64 == size).then_some(bytes)
}

fn copy(file: &mut File, size: u64, to: Option<&Path>) -> io::Result<()> {
    let copied = match to {
        Some(to) => io::copy(&mut file.take(size), &mut File::create_new(to)?)?,
        None => io::copy(&mut file.take(size), &mut io::sink())?,
    };
    if copied == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn is_extended(mut list: &[u8]) -> bool {
    loop {
        let Some(head) = list.get(..8) else { return false };
        let next = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (name, value) = (usize::from(head[5]), usize::from(u16::from_le_bytes([head[6], head[7]])));
        let end = 8 + name + 1 + value;
        if name == 0 || list.get(8 + name) != Some(&0) || list.len() < end {
            return false;
        }
        match next {
            0 => return list.len() == end,
            next if next >= end && next % 4 == 0 && next < list.len() => list = &list[next..],
            _ => return false,
        }
    }
}

fn link(data: &[u8]) -> Option<Link> {
    let number = |at: usize| Some(usize::from(u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?])));
    let tag = u32::from_le_bytes(data.get(..4)?.try_into().ok()?);
    let names = match tag {
        0xA000_000C => 20,
        0xA000_0003 => 16,
        _ => return None,
    };
    if number(4)? + 8 != data.len() {
        return None;
    }
    let (offset, length) = (number(8)?, number(10)?);
    let bytes = data.get(names + offset..names + offset + length)?;
    let units: Vec<u16> = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    Some(Link { target: String::from_utf16(&units).ok()?, relative: names == 20 && data.get(16)? & 1 == 1 })
}

/// Puts a ghost for each entry that the layers below have in a directory of this one.
fn show_below(directory: &Path, at: &Path, parents: &[PathBuf], ghosts: &mut String) -> Answer<()> {
    let own: Vec<PathBuf> =
        fs::read_dir(directory).or_refuse("reading the layer")?.flatten().map(|entry| entry.path()).collect();
    for (name, is_directory) in below(at, parents) {
        if machine::entry(directory, &name).is_some() {
            continue;
        }
        let path = directory.join(&name);
        match is_directory {
            true => fs::create_dir(&path).or_refuse("making a ghost")?,
            false => File::create(&path).map(drop).or_refuse("making a ghost")?,
        }
        let number = fs::symlink_metadata(&path).or_refuse("making a ghost")?.ino();
        ghosts.push_str(&format!("{number} {}\n", at.join(&name).display()));
    }
    for path in own {
        if path.is_dir() && !path.is_symlink() {
            let name = path.file_name().unwrap_or_default();
            show_below(&path, &at.join(name), parents, ghosts)?;
        }
    }
    Ok(())
}

/// What the layers below have in a directory, by name; whether each is a directory.
fn below(at: &Path, parents: &[PathBuf]) -> BTreeMap<String, bool> {
    let mut found: BTreeMap<String, bool> = BTreeMap::new();
    for parent in parents {
        let Some(directory) = find(&parent.join("Files"), at).filter(|path| path.is_dir()) else { continue };
        let ghosts = Ghosts::of(parent);
        if ghosts.is_ghost(&directory) {
            continue;
        }
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A stream is none of a directory's entries.
            let known = found.keys().any(|known| known.eq_ignore_ascii_case(&name)) || name.contains(':');
            if !known {
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                found.insert(name, is_directory);
            }
        }
        // It shows what is below itself.
        if ghosts.any {
            break;
        }
    }
    found
}

/// The entry of a tree by its path, in any letter case.
pub fn find(root: &Path, at: &Path) -> Option<PathBuf> {
    at.components()
        .try_fold(root.to_owned(), |found, name| machine::entry(&found, &name.as_os_str().to_string_lossy()))
}

/// Which entries of a layer stand for those of the layers below.
#[derive(Default)]
pub struct Ghosts {
    /// The layer was imported over others.
    pub any: bool,
    by_number: HashMap<u64, PathBuf>,
}

impl Ghosts {
    /// Those of a layer's folder.
    pub fn of(layer: &Path) -> Ghosts {
        let Ok(text) = fs::read_to_string(layer.join(GHOSTS)) else { return Ghosts::default() };
        let ghost = |line: &str| {
            line.split_once(' ').and_then(|(number, path)| Some((number.parse().ok()?, path.into())))
        };
        Ghosts { any: true, by_number: text.lines().filter_map(ghost).collect() }
    }

    /// What a ghost stands for, by the number of its file.
    pub fn original(&self, number: u64) -> Option<&Path> {
        self.by_number.get(&number).map(PathBuf::as_path)
    }

    fn is_ghost(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|metadata| self.by_number.contains_key(&metadata.ino()))
    }
}

/// Writes what a scratch holds in transport format, with the list of what is gone.
pub fn export(files: &Path, to: &Path) -> Answer<()> {
    let target = to.join("Files");
    fs::create_dir(&target).or_refuse("making the folder")?;
    write_companion(to, "Files")?;
    let mut gone = String::from("\u{feff}Version 1.0\r\n");
    give_directory(files, &target, Path::new(""), &mut gone)?;
    fs::write(to.join("tombstones.txt"), gone).or_refuse("writing the tombstones")
}

fn give_directory(from: &Path, to: &Path, at: &Path, gone: &mut String) -> Answer<()> {
    for entry in fs::read_dir(from).or_refuse("reading the scratch")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let (kind, path) = (entry.file_type().or_refuse("reading the scratch")?, at.join(&name));
        if kind.is_char_device() {
            gone.push_str(&format!("\\{}\r\n", path.display().to_string().replace('/', "\\")));
        } else if kind.is_dir() {
            fs::create_dir(to.join(&name)).or_refuse("making a directory")?;
            write_companion(to, &name)?;
            give_directory(&entry.path(), &to.join(&name), &path, gone)?;
        } else if kind.is_file() && !name.contains(':') {
            give_file(&entry.path(), &to.join(&name)).or_refuse("writing a file")?;
        }
    }
    Ok(())
}

fn write_companion(parent: &Path, name: &str) -> Answer<()> {
    fs::write(parent.join(format!("{name}{COMPANION}")), DIRECTORY.to_le_bytes())
        .or_refuse("writing a companion")
}

fn give_file(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create_new(to)?);
    let metadata = source.metadata()?;
    let attributes: u32 = if metadata.mode() & 0o200 == 0 { 0x21 } else { 0x20 };
    target.write_all(&attributes.to_le_bytes())?;
    target.write_all(&[1, 0, 0, 0, 0, 0, 0, 0])?;
    target.write_all(&metadata.len().to_le_bytes())?;
    target.write_all(&[0; 4])?;
    io::copy(&mut source, &mut target)?;
    target.set_modified(metadata.modified()?)
}
