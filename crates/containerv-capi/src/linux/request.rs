//! Settings to a request.

use std::ffi::c_uint;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use containerv::Error;
use containerv_spec::request::{
    IdRange, Lifetime, Mount, MountOptions, MountSource, Namespaces, Network, Overlay, Root, Share, Stop,
    UserNamespace,
};
use containerv_spec::{Bound, ByteSize, ContainerId, Limits, OsText, Request};

use super::network;
use crate::border::{Result, invalid};
use crate::options::linux::{LimitTexts, Range};
use crate::options::{MountTexts, Settings};

const NETWORK: c_uint = 0x1;
const PROCESS_CONTROL: c_uint = 0x2;
const IPC: c_uint = 0x4;
const FILESYSTEM: c_uint = 0x8;
const CGROUPS: c_uint = 0x10;
const USERS: c_uint = 0x20;

const BIND: c_uint = 0x1;
const RECURSIVE: c_uint = 0x2;
const READONLY: c_uint = 0x4;
const CREATE: c_uint = 0x100;

/// Name that every container of this interface has.
const HOSTNAME: &str = "containerv-host";

/// The caller of a container: what "its own id" means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Returns the request for a container whose root is the directory `root`. Every problem that
/// needs no look at the machine is found here, all of them at once.
pub(crate) fn request(
    id: ContainerId,
    root: &OsText,
    settings: &Settings,
    mounts: &[MountTexts],
    caller: Caller,
) -> Result<Request> {
    let mut problems = Problems::default();
    let has = |bit: c_uint| settings.capabilities & bit != 0;
    problems.needs(has(FILESYSTEM), !mounts.is_empty(), "mounts", "CV_CAP_FILESYSTEM");
    problems.needs(has(USERS), settings.linux.users.is_some(), "users", "CV_CAP_USERS");
    problems.needs(has(USERS), settings.linux.groups.is_some(), "groups", "CV_CAP_USERS");
    problems.needs(has(NETWORK), settings.linux.network.is_some(), "network", "CV_CAP_NETWORK");
    let limit_texts = settings.linux.limits.clone().unwrap_or_default();
    problems.needs(has(CGROUPS), limit_texts != LimitTexts::default(), "limits", "CV_CAP_CGROUPS");
    let request = Request {
        name: None,
        created_unix_ns: 0,
        labels: Default::default(),
        isolation: Default::default(),
        root: Root::Directory(problems.take(absolute(root)).unwrap_or_default()),
        overlay: Overlay::None,
        read_only: false,
        mounts: if has(FILESYSTEM) { all_mounts(mounts, &mut problems) } else { Vec::new() },
        namespaces: Namespaces {
            mount: has(FILESYSTEM),
            pid: share(has(PROCESS_CONTROL)),
            ipc: share(has(IPC)),
            uts: Share::Private,
            cgroup: share(has(CGROUPS)),
            user: if has(USERS) { users(settings, caller, &mut problems) } else { UserNamespace::Auto },
            ..Namespaces::default()
        },
        network: network_of(&id, settings, has(NETWORK), &mut problems),
        ports: Vec::new(),
        dns: Default::default(),
        hostname: Some(HOSTNAME.to_owned()),
        domainname: None,
        extra_hosts: Vec::new(),
        sysctls: Default::default(),
        limits: if has(CGROUPS) { limits(&limit_texts, &mut problems) } else { Limits::default() },
        cgroup_parent: None,
        security: Default::default(),
        devices: Vec::new(),
        assigned_devices: Vec::new(),
        storage_bytes: None,
        shm_bytes: None,
        process: None,
        init: false,
        lifetime: Lifetime::OwnerBound,
        // Nothing of the container shall outlast a restart of the machine.
        auto_remove: true,
        log: Default::default(),
        stop: Stop::default(),
        id,
    };
    problems.finish(request)
}

/// Collects what is wrong.
#[derive(Default)]
struct Problems(Vec<Error>);

impl Problems {
    fn needs(&mut self, has: bool, given: bool, what: &str, capability: &str) {
        if given && !has {
            let problem = invalid(format!("{what} were given without {capability}"));
            self.0.push(problem.with_hint("add it with containerv_options_set_caps()"));
        }
    }

    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    fn finish(self, request: Request) -> Result<Request> {
        match self.0.is_empty() {
            true => Ok(request),
            false => Err(Error::problems("cannot create a container", self.0)),
        }
    }
}

fn share(private: bool) -> Share {
    if private { Share::Private } else { Share::Host }
}

/// Takes a path of the host relative to the working directory, as every C function does.
fn absolute(path: &OsText) -> Result<OsText> {
    let path =
        std::path::absolute(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()))).map_err(|error| {
            Error::io(error, format!("cannot make `{path}` absolute")).with_hint("give an absolute path")
        })?;
    Ok(OsText::from_bytes(path.as_os_str().as_bytes()))
}

/// The empty `/tmp` and the caller's mounts, which may lie in it.
fn all_mounts(mounts: &[MountTexts], problems: &mut Problems) -> Vec<Mount> {
    let options = MountOptions { create_target: true, strict_target: true, ..MountOptions::default() };
    let source = MountSource::Tmpfs { size: None, mode: Some(0o1777) };
    let mut all = vec![Mount { source, target: "/tmp".into(), read_only: false, options }];
    for (index, mount) in mounts.iter().enumerate() {
        all.extend(
            problems.take(self::mount(mount).map_err(|error| error.context(format!("mount {index}")))),
        );
    }
    all
}

fn mount(texts: &MountTexts) -> Result<Mount> {
    let unknown = texts.flags & !(BIND | RECURSIVE | READONLY | CREATE);
    if unknown != 0 {
        return Err(invalid(format!("the flags {unknown:#x} have no meaning")));
    }
    let target = texts.target.clone().ok_or_else(|| invalid("`where` is NULL"))?;
    if !target.is_absolute() {
        return Err(invalid(format!("`where` is `{target}`, which is not absolute")));
    }
    let source = source(texts)?;
    let asked = texts.flags & CREATE != 0;
    let options = MountOptions {
        create_target: asked && makes_directory(&source),
        strict_target: true,
        suid: true,
        ..MountOptions::default()
    };
    Ok(Mount { source, target, read_only: texts.flags & READONLY != 0, options })
}

/// What a mount shows. Without a file system type it is a bind, and a bind needs none.
fn source(texts: &MountTexts) -> Result<MountSource> {
    let kind = texts.fstype.as_ref().filter(|kind| texts.flags & BIND == 0 && !kind.is_empty());
    let Some(kind) = kind else {
        let what = texts.what.as_ref().ok_or_else(|| invalid("`what` is NULL"))?;
        if what.is_empty() {
            return Err(Error::os(libc::ENOENT, "`what` is empty"));
        }
        return Ok(MountSource::Bind { path: absolute(what)?, recursive: texts.flags & RECURSIVE != 0 });
    };
    // Of these file systems `what` is a word; a path would be a device, which is not offered.
    if let Some(device) = texts.what.as_ref().filter(|what| what.as_bytes().contains(&b'/')) {
        return Err(Error::os(libc::ENOTSUP, format!("cannot mount the device `{device}` as `{kind}`"))
            .with_hint("mount it on the host, and bind the directory"));
    }
    match kind.to_str() {
        Some("tmpfs") => Ok(MountSource::Tmpfs { size: None, mode: None }),
        Some(kind) => Ok(MountSource::FileSystem { kind: kind.to_owned() }),
        None => Err(invalid(format!("`fstype` is `{kind}`, which is not UTF-8"))),
    }
}

/// Says whether a missing mount point is to be a directory: only those are made.
fn makes_directory(source: &MountSource) -> bool {
    match source {
        MountSource::Bind { path, .. } => Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())).is_dir(),
        MountSource::Tmpfs { .. } | MountSource::FileSystem { .. } => true,
        MountSource::NamedPipe { .. } => false,
    }
}

fn users(settings: &Settings, caller: Caller, problems: &mut Problems) -> UserNamespace {
    if settings.linux.users.is_none() && settings.linux.groups.is_none() {
        return UserNamespace::Single { uid: 0, gid: 0 };
    }
    let mut ranges = |what: &str, range: Option<Range>, own: u32| match range {
        None => vec![IdRange { inside: 0, outside: own, count: 1 }],
        Some(Range { host, inside, count }) => {
            let positive = u32::try_from(count).ok().filter(|count| *count > 0);
            let count = positive.ok_or_else(|| invalid(format!("{what}: the count {count} is not positive")));
            problems.take(count).map(|count| IdRange { inside, outside: host, count }).into_iter().collect()
        }
    };
    let uids = ranges("users", settings.linux.users, caller.uid);
    let gids = ranges("groups", settings.linux.groups, caller.gid);
    UserNamespace::Mapped { uids, gids }
}

fn network_of(id: &ContainerId, settings: &Settings, own: bool, problems: &mut Problems) -> Network {
    match (&settings.linux.network, own) {
        (_, false) => Network::Host,
        (None, true) => Network::None,
        (Some(texts), true) => problems.take(network::pair(id, texts)).map_or(Network::None, Network::Veth),
    }
}

fn limits(texts: &LimitTexts, problems: &mut Problems) -> Limits {
    let or = |text: &Option<OsText>, default: &str| text.clone().unwrap_or_else(|| default.into());
    let memory = bound("memory_max", &or(&texts.memory, "1G"), |text| text.parse::<ByteSize>().ok());
    let pids = bound("pids_max", &or(&texts.pids, "256"), decimal);
    let weight = number("cpu_weight", &or(&texts.cpu_weight, "100"));
    Limits {
        memory: problems.take(memory),
        cpu_shares: problems.take(weight).map(shares),
        pids: problems.take(pids),
        ..Limits::default()
    }
}

fn bound<T>(what: &str, text: &OsText, parse: impl FnOnce(&str) -> Option<T>) -> Result<Bound<T>> {
    match text.to_str() {
        Some("max") => Ok(Bound::Unlimited),
        other => other.and_then(parse).map(Bound::At).ok_or_else(|| {
            invalid(format!("`{what}` is `{text}`"))
                .with_hint("write a number, with a unit for memory, or `max`")
        }),
    }
}

fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn number(what: &str, text: &OsText) -> Result<u64> {
    text.to_str().and_then(decimal).filter(|weight| (1..=10_000).contains(weight)).ok_or_else(|| {
        invalid(format!("`{what}` is `{text}`")).with_hint("write a number of 1 to 10000; 100 is usual")
    })
}

/// Returns the shares that stand for a weight: both usual values, 100 and 1024, are the same.
fn shares(weight: u64) -> u64 {
    (weight * 1024 + 50) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::linux;

    const CALLER: Caller = Caller { uid: 1000, gid: 1001 };

    fn id() -> ContainerId {
        "0123456789abcdef".repeat(4).parse().unwrap()
    }

    fn made(settings: &Settings, mounts: &[MountTexts]) -> Result<Request> {
        request(id(), &"/srv/root".into(), settings, mounts, CALLER)
    }

    fn with(capabilities: c_uint) -> Settings {
        with_linux(capabilities, linux::Settings::default())
    }

    fn with_linux(capabilities: c_uint, linux: linux::Settings) -> Settings {
        Settings { capabilities, linux }
    }

    fn bind(what: &str, target: &str, flags: c_uint) -> MountTexts {
        MountTexts { what: Some(what.into()), target: Some(target.into()), fstype: None, flags }
    }

    #[test]
    fn without_capabilities_only_the_host_name_is_its_own() {
        let request = made(&with(0), &[]).unwrap();
        let own = request.namespaces;
        assert!(!own.mount && request.mounts.is_empty());
        assert_eq!([own.pid, own.ipc, own.cgroup], [Share::Host, Share::Host, Share::Host]);
        assert_eq!((own.uts, own.user), (Share::Private, UserNamespace::Auto));
        assert_eq!((request.network, request.limits), (Network::Host, Limits::default()));
        assert_eq!(request.hostname.as_deref(), Some("containerv-host"));
        assert_eq!((request.root, request.overlay), (Root::Directory("/srv/root".into()), Overlay::None));
        assert_eq!((request.lifetime, request.process), (Lifetime::OwnerBound, None));
    }

    #[test]
    fn each_bit_gives_one_namespace_and_unknown_bits_nothing() {
        let request = made(&with(PROCESS_CONTROL), &[]).unwrap();
        assert_eq!(request.namespaces.pid, Share::Private);
        assert_eq!(made(&with(IPC), &[]).unwrap().namespaces.ipc, Share::Private);
        assert_eq!(made(&with(NETWORK), &[]).unwrap().network, Network::None);
        let request = made(&with(FILESYSTEM), &[]).unwrap();
        assert!(request.namespaces.mount);
        assert_eq!(request.mounts.len(), 1);
        assert_eq!(request.mounts[0].target, "/tmp".into());
        assert_eq!(made(&with(0xffff_ffc0), &[]).unwrap(), made(&with(0), &[]).unwrap());
        assert_eq!(
            made(&with(USERS), &[]).unwrap().namespaces.user,
            UserNamespace::Single { uid: 0, gid: 0 }
        );
    }

    #[test]
    fn limits_have_their_defaults_with_the_capability_only() {
        let limits = made(&with(CGROUPS), &[]).unwrap().limits;
        assert_eq!(limits.memory, Some(Bound::At(ByteSize::gib(1))));
        assert_eq!((limits.cpu_shares, limits.pids), (Some(1024), Some(Bound::At(256))));
        let texts =
            LimitTexts { memory: Some("max".into()), cpu_weight: Some("1".into()), pids: Some("max".into()) };
        let settings = with_linux(CGROUPS, linux::Settings { limits: Some(texts), ..Default::default() });
        let limits = made(&settings, &[]).unwrap().limits;
        assert_eq!((limits.memory, limits.pids), (Some(Bound::Unlimited), Some(Bound::Unlimited)));
        assert_eq!(limits.cpu_shares, Some(10));
    }

    #[test]
    fn a_weight_comes_back_from_the_kernels_conversion() {
        for weight in 1..=10_000 {
            assert_eq!((shares(weight) * 100 + 512) / 1024, weight);
        }
    }

    #[test]
    fn ranges_follow_the_names_of_the_arguments() {
        let range = Range { host: 100_000, inside: 0, count: 65536 };
        let settings = with_linux(USERS, linux::Settings { users: Some(range), ..Default::default() });
        let UserNamespace::Mapped { uids, gids } = made(&settings, &[]).unwrap().namespaces.user else {
            panic!()
        };
        assert_eq!(uids, [IdRange { inside: 0, outside: 100_000, count: 65536 }]);
        assert_eq!(gids, [IdRange { inside: 0, outside: CALLER.gid, count: 1 }]);
    }

    #[test]
    fn mounts_are_strict_and_only_directories_are_made() {
        let mounts = [
            bind("/usr", "/a", BIND | CREATE | READONLY),
            bind("/etc/hosts", "/b", BIND | CREATE | RECURSIVE),
            MountTexts { fstype: Some("tmpfs".into()), ..bind("tmpfs", "/c", CREATE) },
            MountTexts { fstype: Some("mqueue".into()), what: None, ..bind("", "/d", 0) },
            MountTexts { fstype: Some("ignored".into()), ..bind("/usr", "/e", BIND) },
            bind("/usr", "/f", 0),
        ];
        let mounts = made(&with(FILESYSTEM), &mounts).unwrap().mounts;
        assert!(mounts.iter().all(|mount| mount.options.strict_target));
        let facts = |index: usize| {
            let mount: &Mount = &mounts[index + 1];
            (mount.source.clone(), mount.read_only, mount.options.create_target)
        };
        let bound = |path: &str, recursive| MountSource::Bind { path: path.into(), recursive };
        assert_eq!(facts(0), (bound("/usr", false), true, true));
        assert_eq!(facts(1), (bound("/etc/hosts", true), false, false));
        assert_eq!(facts(2), (MountSource::Tmpfs { size: None, mode: None }, false, true));
        assert_eq!(facts(3), (MountSource::FileSystem { kind: "mqueue".into() }, false, false));
        assert_eq!(facts(4), (bound("/usr", false), false, false));
        assert_eq!(facts(5), (bound("/usr", false), false, false));
    }

    #[test]
    fn relative_paths_start_at_the_working_directory() {
        let request =
            request(id(), &"root".into(), &with(FILESYSTEM), &[bind("x", "/x", BIND)], CALLER).unwrap();
        let here = std::env::current_dir().unwrap();
        let Root::Directory(root) = &request.root else { panic!() };
        assert_eq!(root.as_bytes(), here.join("root").as_os_str().as_bytes());
        let MountSource::Bind { path, .. } = &request.mounts[1].source else { panic!() };
        assert_eq!(path.as_bytes(), here.join("x").as_os_str().as_bytes());
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let bad = |text: &str| Some(OsText::from(text));
        let range = Some(Range { host: 0, inside: 0, count: 0 });
        let linux = linux::Settings {
            users: range,
            groups: range,
            limits: Some(LimitTexts { memory: bad("1X"), cpu_weight: bad("0"), pids: bad("-1") }),
            network: Some(Default::default()),
        };
        let settings = with_linux(0x3f, linux);
        let mounts = [
            bind("/usr", "usr", BIND),
            bind("/usr", "/usr", 0x8),
            MountTexts { target: None, ..bind("/usr", "", BIND) },
            MountTexts { what: None, ..bind("", "/usr", BIND) },
            MountTexts { fstype: bad("ext4"), ..bind("/dev/sda1", "/usr", 0) },
        ];
        let error = made(&settings, &mounts).unwrap_err();
        assert_eq!(error.all_problems().len(), 11, "{error}");
        assert_eq!(crate::border::number(&error), libc::EINVAL);
    }

    #[test]
    fn what_needs_a_capability_is_not_dropped_silently() {
        let range = Some(Range { host: 0, inside: 0, count: 1 });
        let limits = |memory: Option<&str>| {
            Some(LimitTexts { memory: memory.map(OsText::from), ..LimitTexts::default() })
        };
        for settings in [
            with_linux(0, linux::Settings { users: range, ..Default::default() }),
            with_linux(0, linux::Settings { groups: range, ..Default::default() }),
            with_linux(0, linux::Settings { network: Some(Default::default()), ..Default::default() }),
            with_linux(0, linux::Settings { limits: limits(Some("1G")), ..Default::default() }),
        ] {
            assert!(made(&settings, &[]).is_err());
        }
        assert!(
            made(&with_linux(0, linux::Settings { limits: limits(None), ..Default::default() }), &[]).is_ok()
        );
        assert!(made(&with(0), &[bind("/usr", "/usr", BIND)]).is_err());
    }
}
