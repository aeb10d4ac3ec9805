//! Settings to a request, as far as they are Linux's own.

use std::ffi::c_uint;

use containerv_spec::request::{
    IdRange, Mount, MountOptions, MountSource, Namespaces, Network, Overlay, Share, UserNamespace,
};
use containerv_spec::{Bound, ByteSize, ContainerId, Limits, OsText, Request};

use super::{host_path, network};
use crate::border::{Failure, Result, invalid};
use crate::options::linux::{LimitTexts, Range};
use crate::options::{MountTexts, Settings};
use crate::request::capability::{CGROUPS, FILESYSTEM, IPC, NETWORK, PROCESS_CONTROL, USERS};
use crate::request::{BIND, CREATE, Problems};

/// The caller of a container: what "its own id" means.
#[derive(Clone, Copy, Debug)]
struct Caller {
    uid: u32,
    gid: u32,
}

/// Fills in what the settings say.
pub(crate) fn complete(
    request: Request,
    settings: &Settings,
    mounts: &[MountTexts],
    problems: &mut Problems,
) -> Request {
    let caller =
        Caller { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    complete_for(caller, request, settings, mounts, problems)
}

fn complete_for(
    caller: Caller,
    request: Request,
    settings: &Settings,
    mounts: &[MountTexts],
    problems: &mut Problems,
) -> Request {
    let has = |bit: c_uint| settings.capabilities & bit != 0;
    problems.needs(has(FILESYSTEM), !mounts.is_empty(), "mounts", "CV_CAP_FILESYSTEM");
    problems.needs(has(USERS), settings.linux.users.is_some(), "users", "CV_CAP_USERS");
    problems.needs(has(USERS), settings.linux.groups.is_some(), "groups", "CV_CAP_USERS");
    problems.needs(has(NETWORK), settings.linux.network.is_some(), "network", "CV_CAP_NETWORK");
    let limit_texts = settings.linux.limits.clone().unwrap_or_default();
    problems.needs(has(CGROUPS), limit_texts != LimitTexts::default(), "limits", "CV_CAP_CGROUPS");
    Request {
        overlay: Overlay::None,
        mounts: if has(FILESYSTEM) { all_mounts(mounts, problems) } else { Vec::new() },
        namespaces: Namespaces {
            mount: has(FILESYSTEM),
            pid: share(has(PROCESS_CONTROL)),
            ipc: share(has(IPC)),
            uts: Share::Private,
            cgroup: share(has(CGROUPS)),
            user: if has(USERS) { users(settings, caller, problems) } else { UserNamespace::Auto },
            ..Namespaces::default()
        },
        network: network_of(&request.id, settings, has(NETWORK), problems),
        limits: if has(CGROUPS) { limits(&limit_texts, problems) } else { Limits::default() },
        ..request
    }
}

fn share(private: bool) -> Share {
    if private { Share::Private } else { Share::Host }
}

/// The empty `/tmp` and the caller's mounts, which may lie in it.
fn all_mounts(mounts: &[MountTexts], problems: &mut Problems) -> Vec<Mount> {
    let options = MountOptions { create_target: true, strict_target: true, ..MountOptions::default() };
    let source = MountSource::Tmpfs { size: None, mode: Some(0o1777) };
    let mut all = vec![Mount { source, target: "/tmp".into(), read_only: false, options }];
    all.extend(crate::request::mounts(mounts, problems));
    all
}

/// Where a mount appears.
pub(crate) fn target(text: &OsText) -> Result<OsText> {
    if text.is_absolute() {
        Ok(text.clone())
    } else {
        Err(invalid(format!("`where` is `{text}`, which is not absolute")))
    }
}

/// How a mount is made.
pub(crate) fn options(source: &MountSource, flags: c_uint) -> MountOptions {
    MountOptions {
        create_target: flags & CREATE != 0 && makes_directory(source),
        strict_target: true,
        suid: true,
        ..MountOptions::default()
    }
}

/// What a mount shows that is no directory or file of the host: a file system of the kernel.
pub(crate) fn special_source(texts: &MountTexts) -> Result<Option<MountSource>> {
    let kind = texts.fstype.as_ref().filter(|kind| texts.flags & BIND == 0 && !kind.is_empty());
    let Some(kind) = kind else { return Ok(None) };
    // Of these file systems `what` is a word; a path would be a device, which is not offered.
    if let Some(device) = texts.what.as_ref().filter(|what| what.as_bytes().contains(&b'/')) {
        let message = format!("cannot mount the device `{device}` as `{kind}`");
        return Err(
            Failure::new(libc::ENOTSUP, message).with_hint("mount it on the host, and bind the directory")
        );
    }
    match kind.to_str() {
        Some("tmpfs") => Ok(Some(MountSource::Tmpfs { size: None, mode: None })),
        Some(kind) => Ok(Some(MountSource::FileSystem { kind: kind.to_owned() })),
        None => Err(invalid(format!("`fstype` is `{kind}`, which is not UTF-8"))),
    }
}

/// Says whether a missing mount point is to be a directory: only those are made.
fn makes_directory(source: &MountSource) -> bool {
    match source {
        MountSource::Bind { path, .. } => host_path(path).is_ok_and(|path| path.is_dir()),
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
    use std::os::unix::ffi::OsStrExt;

    use containerv_spec::request::{Lifetime, Root};

    use super::*;
    use crate::options::linux;
    use crate::request::{READONLY, RECURSIVE, base};

    const CALLER: Caller = Caller { uid: 1000, gid: 1001 };

    fn id() -> ContainerId {
        "0123456789abcdef".repeat(4).parse().unwrap()
    }

    fn made(settings: &Settings, mounts: &[MountTexts]) -> Result<Request> {
        made_in("/srv/root", settings, mounts)
    }

    fn made_in(root: &str, settings: &Settings, mounts: &[MountTexts]) -> Result<Request> {
        let mut problems = Problems::default();
        let request = base(id(), &root.into(), &mut problems);
        let request = complete_for(CALLER, request, settings, mounts, &mut problems);
        problems.finish(request)
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
        let request = made_in("root", &with(FILESYSTEM), &[bind("x", "/x", BIND)]).unwrap();
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
        assert_eq!(error.error().all_problems().len(), 11, "{error:?}");
        assert_eq!(error.number(), libc::EINVAL);
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
