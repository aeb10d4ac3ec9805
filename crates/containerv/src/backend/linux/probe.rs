//! Finds out what lowering must know of this machine. Only what a request needs is looked up.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use containerv_spec::machine::{Machine, Subordinate, SystemRoot};
use containerv_spec::request::{IdRange, Network, Overlay, Process, Request, Root, UserNamespace};
use containerv_spec::{CapabilitySet, OsText};

use super::journal::Journal;
use super::store::text as os_text;
use super::{cgroup, mounts_below};
use crate::lower::linux::{SYSTEM_DIRECTORIES, has_layers, wants_user_namespace};
use crate::{Error, Result};

/// Most bytes of `/etc/subuid` that are read.
const MAX_SUBID_BYTES: u64 = 1 << 20;
/// Most secrets that are hidden one by one; a machine with more keeps its `/etc` out of reach.
const MAX_SECRETS: usize = 4096;

/// Looks up what lowering a container needs.
pub(crate) fn for_request(request: &Request) -> Result<Machine> {
    let mut machine = caller(request.process.as_ref());
    machine.cgroups = cgroup::probe_for(&request.limits)?;
    if !machine.is_privileged() && request.namespaces.user != UserNamespace::Host {
        machine.subordinate = subordinate(machine.uid);
    }
    if request.root == Root::Host {
        machine.system = system(machine.uid == 0)?;
    }
    if matches!(request.root, Root::Layers(_)) && request.network == Network::Host {
        // A link is followed when it is mounted.
        let path = Path::new("/etc/resolv.conf");
        machine.system.resolver = path.is_file().then(|| os_text(path));
    }
    if has_layers(request) && wants_user_namespace(request, &machine) {
        machine.mounts_below = mounts_below::find(&layers(request, &machine.system))?;
        if matches!(request.overlay, Overlay::Kept(_)) {
            // Another container with the same layers may find other mounts.
            mounts_below::keep(&mut machine.mounts_below, &[]);
        }
    }
    Ok(machine)
}

/// Looks up what lowering a container needs that exists already.
pub(crate) fn for_existing(request: &Request, journal: &Journal) -> Result<Machine> {
    let mut machine = for_request(request)?;
    mounts_below::keep(&mut machine.mounts_below, &journal.intent.copies);
    Ok(machine)
}

/// The directories that the lower layers of a container are.
fn layers(request: &Request, system: &SystemRoot) -> Vec<OsText> {
    match &request.root {
        Root::Directory(path) => vec![path.clone()],
        // Nobody mounts anything in the store of images.
        Root::Layers(_) => Vec::new(),
        Root::Host => system.directories.iter().map(|name| OsText::from("/").join(name)).collect(),
    }
}

/// Looks up what lowering a process in a running container needs.
pub(crate) fn for_process(process: &Process) -> Machine {
    caller(Some(process))
}

/// The caller itself.
pub(crate) fn caller(process: Option<&Process>) -> Machine {
    let capabilities = rustix::thread::capabilities(None).map_or(0, |sets| sets.effective.bits());
    let hard =
        |limit: &containerv_spec::request::Rlimit| (limit.resource as u32, hard_limit(limit.resource as u32));
    Machine {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        capabilities: CapabilitySet::from_bits(capabilities),
        kernel: kernel(),
        cgroups: containerv_spec::facts::CgroupFacts::default(),
        subordinate: Subordinate::default(),
        system: SystemRoot::default(),
        mounts_below: Vec::new(),
        hard_limits: process.map_or(Vec::new(), |process| process.rlimits.iter().map(hard).collect()),
    }
}

fn hard_limit(resource: u32) -> u64 {
    use rustix::process::Resource;
    let resource = match resource {
        0 => Resource::Cpu,
        1 => Resource::Fsize,
        2 => Resource::Data,
        3 => Resource::Stack,
        4 => Resource::Core,
        5 => Resource::Rss,
        6 => Resource::Nproc,
        7 => Resource::Nofile,
        8 => Resource::Memlock,
        9 => Resource::As,
        10 => Resource::Locks,
        11 => Resource::Sigpending,
        12 => Resource::Msgqueue,
        13 => Resource::Nice,
        14 => Resource::Rtprio,
        _ => Resource::Rttime,
    };
    rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX)
}

/// Major and minor version of `uname -r`.
pub(crate) fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The subordinate ids of a user, and the programs that may map them.
pub(crate) fn subordinate(uid: u32) -> Subordinate {
    let mut found = Subordinate { helpers: helpers(), ..Subordinate::default() };
    if found.helpers.is_none() {
        found.missing = Some("newuidmap and newgidmap are not installed (package `uidmap`)".to_owned());
        return found;
    }
    let name = user_name(uid);
    found.uids = ranges("/etc/subuid", uid, name.as_deref());
    found.gids = ranges("/etc/subgid", uid, name.as_deref());
    if found.uids.is_empty() || found.gids.is_empty() {
        let file = if found.uids.is_empty() { "/etc/subuid" } else { "/etc/subgid" };
        let who = name.unwrap_or_else(|| uid.to_string());
        found.missing = Some(format!("{file} has no line for `{who}`, such as `{who}:100000:65536`"));
    }
    found
}

fn helpers() -> Option<(OsText, OsText)> {
    let find = |name: &str| {
        let directories = ["/usr/bin", "/bin", "/usr/local/bin"];
        let path =
            directories.iter().map(|directory| Path::new(directory).join(name)).find(|path| may_map(path))?;
        Some(OsText::from_bytes(path.as_os_str().as_bytes()))
    };
    Some((find("newuidmap")?, find("newgidmap")?))
}

/// Set-uid root, or with a file capability; others must not be able to write it.
fn may_map(path: &Path) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return false };
    let set_uid = metadata.mode() & 0o4000 != 0 && metadata.uid() == 0;
    let mut value = [0u8; 64];
    let capable = rustix::fs::getxattr(path, c"security.capability", &mut value[..]).is_ok();
    metadata.is_file() && metadata.permissions().mode() & 0o022 == 0 && (set_uid || capable)
}

fn user_name(uid: u32) -> Option<String> {
    let text = read_bounded("/etc/passwd")?;
    let mut entries = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse::<u32>().ok()?))
    });
    entries.find(|entry| entry.1 == uid).map(|entry| entry.0.to_owned())
}

fn ranges(path: &str, uid: u32, name: Option<&str>) -> Vec<IdRange> {
    parse_ranges(&read_bounded(path).unwrap_or_default(), uid, name)
}

/// Reads the lines `owner:first:count` of one owner; subuid(5).
pub(super) fn parse_ranges(text: &str, uid: u32, name: Option<&str>) -> Vec<IdRange> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            let outside = fields.next()?.trim().parse().ok()?;
            let count = fields.next()?.trim().parse().ok().filter(|count| *count > 0)?;
            let mine = Some(owner) == name || owner.parse() == Ok(uid);
            mine.then_some(IdRange { inside: 0, outside, count })
        })
        .collect()
}

fn read_bounded(path: &str) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(file, MAX_SUBID_BYTES), &mut text).ok()?;
    Some(text)
}

/// The system directories, and in them everything that others may not read: what an ordinary
/// user of this machine cannot see, a container does not see either, even as root.
fn system(hide: bool) -> Result<SystemRoot> {
    let mut found = SystemRoot::default();
    for name in SYSTEM_DIRECTORIES {
        let path = Path::new("/").join(name);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&path).map_err(|error| {
                    Error::io(error, format!("cannot read the link `{}`", path.display()))
                })?;
                found.links.push((name.into(), OsText::from_bytes(target.as_os_str().as_bytes())));
            }
            Ok(metadata) if metadata.is_dir() => found.directories.push(name.into()),
            _ => {}
        }
    }
    found.resolver = resolver();
    if hide {
        secrets(Path::new("/etc"), &mut found.secrets);
    }
    if found.secrets.len() > MAX_SECRETS {
        found.secrets = vec!["/etc".into()];
    }
    Ok(found)
}

/// Follows `/etc/resolv.conf` if it is a link into `/run` or `/var`, which are a container's own.
fn resolver() -> Option<OsText> {
    let target = Path::new("/etc").join(fs::read_link("/etc/resolv.conf").ok()?);
    let mut path = std::path::PathBuf::new();
    for part in target.components() {
        match part {
            std::path::Component::ParentDir => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    let own = path.starts_with("/run") || path.starts_with("/var");
    (own && path.is_file()).then(|| OsText::from_bytes(path.as_os_str().as_bytes()))
}

/// Collects what others may not read. A directory that they may not enter is taken as a whole.
fn secrets(directory: &Path, found: &mut Vec<OsText>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let path = entry.path();
        let mode = metadata.mode();
        let hidden =
            if metadata.is_dir() { mode & 0o005 != 0o005 } else { metadata.is_file() && mode & 0o004 == 0 };
        if hidden {
            found.push(OsText::from_bytes(path.as_os_str().as_bytes()));
        } else if metadata.is_dir() && found.len() <= MAX_SECRETS {
            secrets(&path, found);
        }
    }
}
