//! What control groups this machine has and where the caller may make its own.
//!
//! This runs before every container, so the usual places are asked first, each with one system
//! call: reading the mount table costs more than all of the rest.

use containerv_spec::cgroup::{Controller, GroupVersion};
use containerv_spec::facts::{CgroupFacts, GroupAccess, V1Hierarchy, V2Hierarchy};
use containerv_spec::{Limits, OsText};
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;

use super::files;
use crate::{Error, Result};

/// `CGROUP2_SUPER_MAGIC` of `linux/magic.h`.
const V2_MAGIC: u64 = 0x6367_7270;
const USUAL: &str = "/sys/fs/cgroup";
/// Most bytes read of `/proc/self/cgroup`: a line of at most a path for each of 20 hierarchies.
pub(super) const MOST_MEMBERSHIP: usize = 1 << 17;
/// Most bytes read of the mount table; machines with thousands of mounts have 1 MiB.
const MOST_MOUNTS: usize = 16 << 20;

/// Finds the hierarchies and where the caller may make groups.
///
/// # Errors
///
/// `/proc/self/cgroup` cannot be read, for a reason other than a kernel without control groups.
pub(crate) fn probe() -> Result<CgroupFacts> {
    let memberships = match files::read_whole(b"/proc/self/cgroup", MOST_MEMBERSHIP) {
        Ok(content) => parse_memberships(&content),
        Err(Errno::NOENT) => return Ok(CgroupFacts::default()),
        Err(errno) => {
            let error = Error::os(errno.raw_os_error(), "cannot read `/proc/self/cgroup`");
            return Err(error.with_hint("mount proc at `/proc`"));
        }
    };
    Ok(match is_version_2(USUAL.as_bytes()) {
        true => version_2_only(&memberships),
        false => usual_places(&memberships).unwrap_or_else(|| from_mount_table(&memberships)),
    })
}

/// Does what [`probe`] does and reads what checking these limits needs.
pub(crate) fn probe_for(limits: &Limits) -> Result<CgroupFacts> {
    let mut facts = probe()?;
    let base = base_with_cpuset(&facts);
    let list = |file: &str| {
        let content = files::read(&base.as_ref()?.join(file)).ok()?;
        let text = std::str::from_utf8(&content).ok()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    if limits.cpuset_cpus.is_some() {
        facts.cpus = list("cpuset.effective_cpus").or_else(|| list("cpuset.cpus.effective"));
    }
    if limits.cpuset_mems.is_some() {
        facts.memory_nodes = list("cpuset.effective_mems").or_else(|| list("cpuset.mems.effective"));
    }
    Ok(facts)
}

fn base_with_cpuset(facts: &CgroupFacts) -> Option<OsText> {
    let has = |controllers: &[Controller]| controllers.contains(&Controller::Cpuset);
    let v1 = facts.v1.iter().filter(|it| has(&it.controllers)).map(|it| (&it.mount, &it.access));
    let v2 = facts.v2.iter().filter(|it| has(&it.controllers)).map(|it| (&it.mount, &it.access));
    v1.chain(v2).find_map(|(mount, access)| match access {
        GroupAccess::Below(base) => Some(mount.join(base)),
        _ => None,
    })
}

/// One line of `/proc/self/cgroup` that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Membership {
    /// Controllers as the line names them; empty for version 2.
    pub(in super::super) names: String,
    pub(in super::super) own: OsText,
}

impl Membership {
    fn is_v2(&self) -> bool {
        self.names.is_empty()
    }

    /// Controllers of the line that containers use.
    pub(super) fn controllers(&self) -> Vec<Controller> {
        self.names.split(',').filter_map(Controller::from_name).collect()
    }
}

/// Reads the lines `number:controllers:path`; see cgroups(7).
pub(in super::super) fn parse_memberships(content: &[u8]) -> Vec<Membership> {
    let line = |line: &[u8]| {
        let mut fields = line.splitn(3, |byte| *byte == b':').skip(1);
        let names = std::str::from_utf8(fields.next()?).ok()?.to_owned();
        let own = fields.next().filter(|path| path.first() == Some(&b'/'))?;
        let membership = Membership { names, own: OsText::from_bytes(own) };
        (membership.is_v2() || !membership.controllers().is_empty()).then_some(membership)
    };
    content.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn is_version_2(path: &[u8]) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type as u64 == V2_MAGIC)
}

/// Asks for a file that is only in hierarchies of this version: says at once whether one is
/// mounted here and whether the caller may write to its root.
fn root_access(mount: &OsText, version: GroupVersion) -> Result<GroupAccess, Errno> {
    let file = match version {
        GroupVersion::V1 => "tasks",
        GroupVersion::V2 => "cgroup.subtree_control",
    };
    match access(&mount.join(file), Access::WRITE_OK) {
        Ok(()) => Ok(GroupAccess::Below("/".into())),
        Err(Errno::ROFS) => Ok(GroupAccess::ReadOnly),
        Err(Errno::ACCESS | Errno::PERM) => Ok(GroupAccess::Denied),
        Err(errno) => Err(errno),
    }
}

fn access(path: &OsText, access: Access) -> Result<(), Errno> {
    rustix::fs::accessat(CWD, path.as_bytes(), access, AtFlags::EACCESS)
}

fn version_2_only(memberships: &[Membership]) -> CgroupFacts {
    let own = memberships.iter().find(|it| it.is_v2());
    let own = own.map_or_else(|| "/".into(), |it| it.own.clone());
    CgroupFacts { v2: version_2(USUAL.into(), own).ok(), ..CgroupFacts::default() }
}

/// Looks where systemd and every distribution since have put the hierarchies.
///
/// Returns `None` if a controller is somewhere else. A version 2 hierarchy that is not at
/// `unified` is somebody's own mount and not used beside version 1.
fn usual_places(memberships: &[Membership]) -> Option<CgroupFacts> {
    let mut facts = CgroupFacts::default();
    for membership in memberships {
        if membership.is_v2() {
            facts.v2 = version_2(format!("{USUAL}/unified").into(), membership.own.clone()).ok();
        } else {
            facts.v1.push(version_1(membership, format!("{USUAL}/{}", membership.names).into()).ok()?);
        }
    }
    (facts != CgroupFacts::default() || memberships.is_empty()).then_some(facts)
}

fn from_mount_table(memberships: &[Membership]) -> CgroupFacts {
    let table = files::read_at_most(b"/proc/self/mountinfo", MOST_MOUNTS).unwrap_or_default();
    let mounts = parse_mounts(&table);
    let mut facts = CgroupFacts::default();
    for membership in memberships {
        // A mount that another one covers is still in the table; the last that answers counts.
        let mut fitting =
            mounts.iter().rev().filter(|mount| mount.fits(membership)).map(|it| it.path.clone());
        if membership.is_v2() {
            facts.v2 = fitting.find_map(|path| version_2(path, membership.own.clone()).ok());
        } else {
            facts.v1.extend(fitting.find_map(|path| version_1(membership, path).ok()));
        }
    }
    facts
}

/// A control group mount of the mount table.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct CgroupMount {
    pub(in super::super) path: OsText,
    /// Options of the file system, which name the controllers; `None` for version 2.
    options: Option<Vec<u8>>,
}

impl CgroupMount {
    pub(in super::super) fn fits(&self, membership: &Membership) -> bool {
        match &self.options {
            None => membership.is_v2(),
            Some(options) => membership.names.split(',').all(|name| {
                !name.is_empty() && options.split(|byte| *byte == b',').any(|it| it == name.as_bytes())
            }),
        }
    }
}

/// Reads the control group lines of a mount table; see proc_pid_mountinfo(5).
pub(in super::super) fn parse_mounts(table: &[u8]) -> Vec<CgroupMount> {
    let line = |line: &[u8]| {
        let end = line.windows(3).position(|window| window == b" - ")?;
        let path = line[..end].split(|byte| *byte == b' ').nth(4)?;
        let mut rest = line[end + 3..].split(|byte| *byte == b' ');
        let options = match rest.next()? {
            b"cgroup" => Some(rest.nth(1)?.to_vec()),
            b"cgroup2" => None,
            _ => return None,
        };
        Some(CgroupMount { path: OsText::from_bytes(unescape(path)), options })
    };
    table.split(|byte| *byte == b'\n').filter_map(line).collect()
}

/// Undoes the table's `\040` notation for blanks, line breaks and backslashes.
pub(in super::super) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

/// Fails if no hierarchy of version 1 is mounted there.
fn version_1(membership: &Membership, mount: OsText) -> Result<V1Hierarchy, Errno> {
    let own = membership.own.clone();
    let access = match root_access(&mount, GroupVersion::V1)? {
        GroupAccess::Denied if may_write(&mount, &own, "") => GroupAccess::Below(own.clone()),
        access => access,
    };
    Ok(V1Hierarchy { controllers: membership.controllers(), mount, own, access })
}

/// Fails if no hierarchy of version 2 is mounted there.
fn version_2(mount: OsText, own: OsText) -> Result<V2Hierarchy, Errno> {
    let (access, controllers) = match root_access(&mount, GroupVersion::V2)? {
        GroupAccess::Denied => delegated(&mount, &own),
        access => (access, controllers_of(&mount)),
    };
    Ok(V2Hierarchy { controllers, mount, own, access })
}

/// Finds the nearest group around the caller's own that was delegated to the caller.
///
/// The caller's own group holds at least the caller, and a group with processes cannot give
/// controllers to groups below it. So a delegated group further up that holds none is better.
fn delegated(mount: &OsText, own: &OsText) -> (GroupAccess, Vec<Controller>) {
    let is_ours = |group: &OsText| {
        ["", "cgroup.procs", "cgroup.subtree_control"].iter().all(|file| may_write(mount, group, file))
    };
    if !is_ours(own) {
        return (GroupAccess::Denied, controllers_of(mount));
    }
    let mut group = own.clone();
    while let Some(parent) = parent_of(&group).filter(is_ours) {
        if is_without_processes(&mount.join(&parent)) {
            let controllers = controllers_of(&mount.join(&parent));
            return (GroupAccess::Below(parent), controllers);
        }
        group = parent;
    }
    (GroupAccess::Below(own.clone()), Vec::new())
}

fn parent_of(group: &OsText) -> Option<OsText> {
    let bytes = group.as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/')?;
    (slash > 0).then(|| OsText::from_bytes(&bytes[..slash]))
}

fn is_without_processes(directory: &OsText) -> bool {
    files::read_at_most(directory.join("cgroup.procs").as_bytes(), 1).is_ok_and(|content| content.is_empty())
}

fn may_write(mount: &OsText, group: &OsText, file: &str) -> bool {
    // A path out of the caller's control group namespace begins with `/..`.
    if group.as_bytes().split(|byte| *byte == b'/').any(|name| name == b"..") {
        return false;
    }
    let directory = mount.join(group);
    match file {
        "" => access(&directory, Access::WRITE_OK | Access::EXEC_OK).is_ok(),
        file => access(&directory.join(file), Access::WRITE_OK).is_ok(),
    }
}

fn controllers_of(directory: &OsText) -> Vec<Controller> {
    let content =
        files::read_whole(directory.join("cgroup.controllers").as_bytes(), 4096).unwrap_or_default();
    let text = String::from_utf8_lossy(&content);
    text.split_ascii_whitespace().filter_map(Controller::from_name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memberships_keep_what_containers_use() {
        let content = b"12:net_cls,net_prio:/\n9:name=systemd:/\n4:cpu,cpuacct:/a b:c\n0::/user.slice\n";
        let found = parse_memberships(content);
        let names: Vec<&str> = found.iter().map(|it| it.names.as_str()).collect();
        assert_eq!(names, ["cpu,cpuacct", ""]);
        assert_eq!(found[0].own.to_string(), "/a b:c");
        assert_eq!(found[0].controllers(), [Controller::Cpu, Controller::Cpuacct]);
    }

    #[test]
    fn malformed_memberships_are_left_out() {
        for content in [&b""[..], b"\n\n", b"4:memory", b"4", b"4:memory:no-slash", b"4:\xff:/", b"::"] {
            assert_eq!(parse_memberships(content), [], "{content:?}");
        }
    }

    #[test]
    fn mounts_are_read_with_optional_fields_and_escapes() {
        let table = b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /cg\\040x/cpu rw shared:3 master:1 - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:30 / /u rw - cgroup2 none rw\n\
            34 broken\n";
        let mounts = parse_mounts(table);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].path.to_string(), "/cg x/cpu");
        let member = |names: &str| Membership { names: names.to_owned(), own: "/".into() };
        assert!(mounts[0].fits(&member("cpu,cpuacct")) && !mounts[0].fits(&member("cpuset")));
        assert!(!mounts[0].fits(&member("")) && mounts[1].fits(&member("")));
    }

    #[test]
    fn unescape_leaves_other_backslashes() {
        assert_eq!(unescape(b"a\\011b\\134\\9\\04"), b"a\tb\\\\9\\04");
    }

    #[test]
    fn parents_end_below_the_root() {
        assert_eq!(parent_of(&"/a/b".into()), Some("/a".into()));
        assert_eq!(parent_of(&"/a".into()), None);
        assert_eq!(parent_of(&"/".into()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_content_breaks_the_parsers(content: Vec<u8>, escaped in "([a-z: ,/-]|\\\\[0-9]{1,3}|\n| - cgroup ){0,60}") {
            for content in [&content[..], escaped.as_bytes()] {
                let memberships = parse_memberships(content);
                proptest::prop_assert!(memberships.iter().all(|it| it.own.is_absolute()));
                parse_mounts(content);
                proptest::prop_assert!(unescape(content).len() <= content.len());
            }
        }
    }
}
