//! Virtual disks: a marker file with the size, beside a directory with what is on the disk.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal, Success};
use crate::machine::{self, Machine};

/// The name of a scratch layer's disk.
const SCRATCH: &str = "sandbox.vhdx";
/// What each marker file begins with; the sizes of disk and volume follow, each eight bytes, least
/// significant first.
const MARK: &[u8; 8] = b"vhdxfile";
/// The size of a scratch that nobody has given one.
const USUAL: u64 = 20 << 30;
/// The sizes that the format has.
const LEAST: u64 = 3 << 20;
const MOST: u64 = 64 << 40;
const SECTOR: u64 = 512;

pub struct Disk {
    pub file: PathBuf,
    /// What is on it.
    pub content: PathBuf,
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

/// One name for all ways to write a path.
pub fn plain(windows: &str) -> String {
    windows.trim_start_matches(r"\\?\").trim_end_matches(['\\', '/']).replace('/', "\\").to_ascii_lowercase()
}

/// One name for a disk: that of its file, however the file or the folder of the scratch is written.
pub fn key(layer: &str) -> String {
    let name = plain(layer);
    if name.ends_with(".vhdx") { name } else { format!("{name}\\{SCRATCH}") }
}

/// The disk that the path of its file, or of the scratch layer's folder, names. A disk that was copied
/// gets a content of its own.
pub fn find(machine: &Machine, layer: &str) -> Answer<Disk> {
    let missing = || Refusal::new(codes::FILE_NOT_FOUND, format!("{layer} has no {SCRATCH}"));
    let path = machine.path(layer).ok_or_else(missing)?;
    let file = if path.is_file() { path } else { machine::entry(&path, SCRATCH).ok_or_else(missing)? };
    let disk = at(file);
    fs::create_dir_all(disk.content.join("files")).or_refuse("making the disk's content")?;
    Ok(disk)
}

fn at(file: PathBuf) -> Disk {
    let mut name = OsString::from(file.as_os_str());
    name.push(".files");
    Disk { content: name.into(), file }
}

impl Disk {
    /// The files on it.
    pub fn files(&self) -> PathBuf {
        self.content.join("files")
    }

    /// The bytes of the disk.
    pub fn size(&self) -> Answer<u64> {
        self.sizes().map(|(disk, _)| disk)
    }

    /// The bytes of the disk, and of the volume on it.
    pub fn sizes(&self) -> Answer<(u64, u64)> {
        let bytes = fs::read(&self.file).or_refuse("reading the disk")?;
        let Some(sizes) = bytes.strip_prefix(MARK) else {
            return refuse(codes::FILE_CORRUPT, format!("{} is no virtual disk", self.file.display()));
        };
        let number = |at: usize| sizes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let disk = number(0).unwrap_or(USUAL);
        Ok((disk, number(8).unwrap_or(disk)))
    }

    fn write(&self, disk: u64, volume: u64) -> Answer<()> {
        let numbers = disk.to_le_bytes().into_iter().chain(volume.to_le_bytes());
        let bytes: Vec<u8> = MARK.iter().copied().chain(numbers).collect();
        fs::write(&self.file, bytes).or_refuse("writing the disk")
    }

    /// Makes it larger; the volume stays as it is. A disk is never made smaller.
    fn expand(&self, size: u64) -> Answer<()> {
        let (disk, volume) = self.sizes()?;
        if size < disk {
            return refuse(codes::E_INVALIDARG, format!("the disk has {disk} bytes, more than {size}"));
        }
        check(size)?;
        self.write(size, volume)
    }

    /// Makes the volume larger, up to what the disk has.
    pub fn extend_volume(&self, size: u64) -> Answer<()> {
        let (disk, volume) = self.sizes()?;
        if !(volume..=disk).contains(&size) {
            let message = format!("the volume has {volume} bytes, the disk {disk}: not {size}");
            return refuse(codes::E_INVALIDARG, message);
        }
        self.write(disk, size)
    }
}

fn check(size: u64) -> Answer<()> {
    match (LEAST..=MOST).contains(&size) && size.is_multiple_of(SECTOR) {
        true => Ok(()),
        false => refuse(codes::E_INVALIDARG, format!("no disk has {size} bytes")),
    }
}

/// Makes the disk of a scratch layer in its folder.
pub fn create_scratch(folder: &Path) -> Answer<()> {
    if folder.join(SCRATCH).exists() {
        return refuse(codes::FILE_EXISTS, format!("{} has a scratch disk", folder.display()));
    }
    let disk = at(folder.join(SCRATCH));
    disk.write(USUAL, USUAL)?;
    fs::create_dir(&disk.content).or_refuse("making the disk's content")
}

/// Makes a disk of a size, or of its parent's.
pub fn create(machine: &Machine, windows: &str, size: u64, parent: &str) -> Answer {
    if machine.path(windows).is_some() {
        return refuse(codes::FILE_EXISTS, format!("{windows} exists"));
    }
    let file = machine.new_file(windows)?;
    let size = match (size, parent) {
        (size, "") => size,
        (0, parent) => find(machine, parent)?.size()?,
        (size, parent) => find(machine, parent).map(|_| size)?,
    };
    check(size)?;
    at(file).write(size, 0)?;
    Ok(Success::default())
}

/// Whether it may be opened.
pub fn open(machine: &Machine, windows: &str) -> Answer {
    find(machine, windows)?.size()?;
    Ok(Success::default())
}

pub fn expand(machine: &Machine, windows: &str, size: u64) -> Answer {
    find(machine, windows)?.expand(size)?;
    Ok(Success::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_one_name() {
        assert_eq!(key(r"\\?\C:\Scratch\one\"), r"c:\scratch\one\sandbox.vhdx");
        assert_eq!(key(r"C:\scratch/ONE/sandbox.VHDX"), r"c:\scratch\one\sandbox.vhdx");
        assert_eq!(key(r"C:\layer\blank-base.vhdx"), r"c:\layer\blank-base.vhdx");
    }

    #[test]
    fn sizes_are_kept_and_only_grow() {
        let file = std::env::temp_dir().join(format!("sim-disk-{}.vhdx", std::process::id()));
        let disk = at(file.clone());
        fs::write(&file, MARK).unwrap();
        assert_eq!(disk.size().unwrap(), USUAL);
        disk.expand(USUAL + SECTOR).unwrap();
        assert_eq!(disk.size().unwrap(), USUAL + SECTOR);
        for wrong in [USUAL, USUAL + SECTOR + 1, u64::MAX] {
            assert_eq!(disk.expand(wrong).unwrap_err().hresult, codes::E_INVALIDARG, "{wrong}");
        }
        assert_eq!(disk.sizes().unwrap(), (USUAL + SECTOR, USUAL));
        assert_eq!(disk.extend_volume(USUAL + 2 * SECTOR).unwrap_err().hresult, codes::E_INVALIDARG);
        disk.extend_volume(USUAL + SECTOR).unwrap();
        assert_eq!(disk.sizes().unwrap(), (USUAL + SECTOR, USUAL + SECTOR));
        fs::write(&file, "no disk").unwrap();
        assert_eq!(disk.size().unwrap_err().hresult, codes::FILE_CORRUPT);
        fs::remove_file(file).unwrap();
    }
}
