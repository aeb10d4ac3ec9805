//! This machine as Windows programs see it: paths, builds, random ids.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sim_protocol::codes;

use crate::answer::{Answer, Refusal};

/// What the installations say they are: Windows Server 2022.
pub const BUILD: u32 = 20348;

pub struct Machine {
    /// The clients' installation.
    pub prefix: PathBuf,
    /// A pristine installation, the base of containers.
    pub template: PathBuf,
    /// The Windows program that starts commands in containers; without it there are none.
    pub launcher: Option<PathBuf>,
    /// The service's own directory.
    pub state: PathBuf,
}

impl Machine {
    /// The file here that the Windows path names, letter case ignored as Windows does.
    pub fn path(&self, windows: &str) -> Option<PathBuf> {
        let text = windows.strip_prefix(r"\\?\").or_else(|| windows.strip_prefix(r"\\.\")).unwrap_or(windows);
        let mut parts = text.split(['\\', '/']).filter(|part| !part.is_empty() && *part != ".");
        let drive = parts.next()?.to_ascii_lowercase();
        let link = self.prefix.join("dosdevices").join(&drive);
        if drive.contains('/') || !(drive.ends_with(':') || drive.starts_with("volume{")) {
            return None;
        }
        let root = fs::read_link(&link).map(|to| link.parent().unwrap_or(&link).join(to)).ok()?;
        parts.try_fold(root, |directory, part| entry(&directory, part))
    }

    /// Where the file or directory of this path is, or would be: in a directory that is there.
    pub fn new_file(&self, windows: &str) -> Answer<PathBuf> {
        if let Some(path) = self.path(windows) {
            return Ok(path);
        }
        let trimmed = windows.trim_end_matches(['\\', '/']);
        let name = last_component(trimmed);
        let parent = trimmed.strip_suffix(name).and_then(|parent| self.path(parent));
        match parent.filter(|parent| !name.is_empty() && name != ".." && parent.is_dir()) {
            Some(parent) => Ok(parent.join(name)),
            None => Err(Refusal::new(codes::PATH_NOT_FOUND, format!("no folder for {windows}"))),
        }
    }

    /// The volume that a mount path such as `\\?\Volume{GUID}\` names, as its link here.
    pub fn volume_link(&self, guid: &str) -> PathBuf {
        self.prefix.join("dosdevices").join(format!("volume{{{}}}", guid.to_ascii_lowercase()))
    }
}

/// The entry of a directory whose name is `name` in some letter case.
pub fn entry(directory: &Path, name: &str) -> Option<PathBuf> {
    if name == ".." {
        return None;
    }
    let exact = directory.join(name);
    if exact.symlink_metadata().is_ok() {
        return Some(exact);
    }
    let same = |found: &fs::DirEntry| found.file_name().to_string_lossy().eq_ignore_ascii_case(name);
    fs::read_dir(directory).ok()?.flatten().find(same).map(|found| found.path())
}

/// The last component of a Windows path.
pub fn last_component(windows: &str) -> &str {
    windows.trim_end_matches(['\\', '/']).rsplit(['\\', '/']).next().unwrap_or_default()
}

/// A random GUID.
pub fn new_guid() -> String {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    guid_text(bytes)
}

fn guid_text(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The GUID of a layer name. Windows' own algorithm is not published: two names of which the answer
/// is known get it, others a value that is stable and different for different names.
pub fn name_to_guid(name: &str) -> String {
    const KNOWN: &[(&str, &str)] = &[
        ("4", "bd9c3ef9-f239-59b5-a27e-15c523b1d149"),
        (
            "fec9f4c73d5fe093161c5993fb6c43434a6e4b69b38a2dd501065143e58d2d1c",
            "fff03c3b-5d10-545c-99ca-0f2e8984d2d3",
        ),
    ];
    let name = name.to_ascii_lowercase();
    if let Some((_, guid)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return (*guid).to_owned();
    }
    let half = |seed: u64| {
        name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half(0).to_be_bytes());
    bytes[8..].copy_from_slice(&half(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x50;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    guid_text(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_paths_are_found_in_any_letter_case_and_never_above() {
        let root = std::env::temp_dir().join(format!("sim-paths-{}", std::process::id()));
        fs::create_dir_all(root.join("dosdevices")).unwrap();
        fs::create_dir_all(root.join("drive_c/Layers/Base")).unwrap();
        std::os::unix::fs::symlink("../drive_c", root.join("dosdevices/c:")).unwrap();
        let empty = PathBuf::new();
        let machine = Machine { prefix: root.clone(), template: empty.clone(), launcher: None, state: empty };
        let found = machine.path(r"\\?\C:\layers\BASE\").unwrap();
        assert!(found.ends_with("drive_c/Layers/Base"), "{found:?}");
        assert!(machine.path(r"C:\layers\other").is_none());
        assert!(machine.path(r"C:\..\dosdevices").is_none());
        assert!(machine.path(r"layers\base").is_none());
        assert!(machine.new_file(r"C:\layers\new\").unwrap().ends_with("drive_c/Layers/new"));
        assert_eq!(machine.new_file(r"C:\none\new").unwrap_err().hresult, codes::PATH_NOT_FOUND);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn layer_names() {
        assert_eq!(name_to_guid("4"), "bd9c3ef9-f239-59b5-a27e-15c523b1d149");
        assert_eq!(name_to_guid("Base"), name_to_guid("base"));
        assert_ne!(name_to_guid("base"), name_to_guid("app"));
        assert!(crate::schema::is_guid(&name_to_guid("base")));
        assert_eq!(last_component(r"C:\layers\app\"), "app");
    }
}
