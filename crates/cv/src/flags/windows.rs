//! Options as they are read for a container on Windows: paths with drives, named pipes, networks by name, and
//! what only Windows has. They take the place of the options of the same name.

mod network;
mod storage;
mod system;

use containerv::Error;
use containerv_spec::OsText;

use crate::draft::Draft;
use crate::platform;
use crate::syntax::{Action, Apply, Completion, Flag};
use crate::value::{not_offered, quote};

/// What is read in another way than on Linux, or not offered there.
static FLAGS: &[Flag] = &[
    Flag::value("layer", "DIR", "Folder of an image's layer, the top one first; in place of an image")
        .completed(Completion::Directories)
        .sets(storage::layer),
    Flag::value("rootfs", "DIR", "Use this directory as the root, in place of an image")
        .completed(Completion::Directories)
        .sets(storage::rootfs),
    Flag::value("platform", "PLATFORM", "Version of the image, as `windows(10.0.20348.2527)/amd64`")
        .sets(system::platform),
    Flag::value("isolation", "process|hyperv", "Kind of isolation (default: the system's)")
        .completed(Completion::Words(&["process", "hyperv"]))
        .sets(system::isolation),
    Flag::value("volume", "HOST:INSIDE[:ro]", r"Map a directory or a pipe, as `C:\src:C:\src:ro`")
        .short('v')
        .completed(Completion::Files)
        .sets(storage::volume),
    Flag::value(
        "mount",
        "FIELDS",
        r"Map by fields, as `type=bind,source=C:\a,target=C:\b,readonly`, or `type=npipe,source=\\.\pipe\a,target=\\.\pipe\a`",
    )
    .completed(Completion::Words(&["type=bind,source=", "type=npipe,source="]))
    .sets(storage::mount),
    Flag::value(
        "mount-add",
        "FIELDS",
        r"Map it now and at each start, as `type=bind,source=C:\a,target=C:\b,readonly`; may be repeated",
    )
    .completed(Completion::Words(&["type=bind,source=", "type=npipe,source="]))
    .sets(storage::mount),
    Flag::value("user", "USER", "Run as this user, as `ContainerUser` or `ContainerAdministrator`")
        .short('u')
        .sets(super::process::user),
    Flag::value("workdir", "DIR", r"Start in this directory, as `C:\app`").short('w').sets(system::workdir),
    Flag::value(
        "network",
        "nat|none|NAME|container:NAME",
        "Network: of this name (default: nat), none, another container's",
    )
    .completed(Completion::Words(&["nat", "none", "container:"]))
    .sets(network::network),
    Flag::value("publish", "[ADDRESS:][HOST:]INSIDE[/PROTOCOL]", "Publish a port or a range, as `8080:80`")
        .short('p')
        .sets(network::publish),
    Flag::value("ip", "ADDRESS", "Address in the network").sets(network::ip),
    Flag::value("mac-address", "ADDRESS", "Hardware address in the network").sets(network::mac_address),
    Flag::value("dns", "ADDRESS", "Ask this name server; may be repeated").sets(network::dns),
    Flag::value("dns-search", "DOMAIN", "Look names up in this domain; may be repeated")
        .sets(network::dns_search),
    Flag::value("device", "class/GUID|vpci-location-path://PATH", "Give access to a device of this machine")
        .sets(system::device),
    Flag::value(
        "security-opt",
        "OPTION",
        "credentialspec=file://NAME, credentialspec=registry://NAME or credentialspec=raw://DOCUMENT",
    )
    .completed(Completion::Words(&["credentialspec=file://", "credentialspec=registry://"]))
    .sets(system::security_opt),
    Flag::value("storage-opt", "size=BYTES", "Size of the container's own disk, as `size=40g`")
        .completed(Completion::Words(&["size="]))
        .sets(system::storage_opt),
    Flag::value("cpu-count", "NUMBER", "CPUs that are seen inside").sets(system::cpu_count),
    Flag::value("cpu-percent", "NUMBER", "Most CPU time, in percent of all CPUs").sets(system::cpu_percent),
    Flag::value("io-maxiops", "NUMBER", "Most reads and writes of the system disk a second")
        .sets(system::io_maxiops),
    Flag::value("io-maxbandwidth", "BYTES", "Most bytes of the system disk a second, as `10m`")
        .sets(system::io_maxbandwidth),
];

/// What is refused when it is planned, because Windows has nothing like it.
const ABSENT: &[&str] = &[
    "add-host",
    "blkio-weight",
    "cap-add",
    "cap-drop",
    "cgroup-parent",
    "cgroupns",
    "cpuset-cpus",
    "cpuset-mems",
    "device-read-bps",
    "device-read-iops",
    "device-write-bps",
    "device-write-iops",
    "domainname",
    "gidmap",
    "group-add",
    "init",
    "ipc",
    "memory-reservation",
    "memory-swap",
    "oom-score-adj",
    "overlay",
    "pid",
    "pids-limit",
    "privileged",
    "read-only",
    "shm-size",
    "sysctl",
    "time-offset",
    "timens",
    "tmpfs",
    "uidmap",
    "ulimit",
    "umask",
    "userns",
    "uts",
];

/// What to do on Windows instead of options that are not offered, where it differs.
const WAYS_OUT: &[(&str, &str)] = &[
    ("publish-all", "name the ports: `--publish 8080:80`"),
    ("network-alias", "use the container's `--hostname`"),
    ("ip6", "use `--ip`"),
    ("link-local-ip", "use `--ip`"),
    ("link", "put both into one network: `--network NAME`"),
    ("dns-option", "use `--dns` and `--dns-search`"),
    ("dns-opt", "use `--dns` and `--dns-search`"),
    ("gpus", "name the class of devices: `--device class/5B45201D-F2F2-4F3B-85BB-30FF1F953599`"),
    ("memory-swappiness", "use `--memory`"),
    ("kernel-memory", "use `--memory`"),
    ("oom-kill-disable", "leave it out: on Windows an allocation fails instead"),
    ("blkio-weight-device", "use `--io-maxiops` or `--io-maxbandwidth`"),
];

/// Returns what to do on Windows instead of an option that is not offered, where it differs.
pub fn way_out(name: &str) -> Option<&'static str> {
    WAYS_OUT.iter().find(|(known, _)| *known == name).map(|(_, way_out)| *way_out)
}

/// Finds how an option is read for Windows, where that differs.
pub fn option(name: &str) -> Option<Apply> {
    match find(name)?.action {
        Action::Request(apply) => Some(apply),
        Action::Verb | Action::Refused(_) => None,
    }
}

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.long == name)
}

/// Returns an option as help texts for Windows have it; none where it is not offered.
pub fn shown(flag: &'static Flag) -> Option<&'static Flag> {
    let own = find(flag.long).filter(|_| !matches!(flag.action, Action::Verb));
    let refused = matches!(flag.action, Action::Refused(_)) || ABSENT.contains(&flag.long);
    own.or_else(|| (!refused).then_some(flag))
}

/// Says whether an image is written as a path: the folder of a layer.
pub fn is_folder(image: &OsText) -> bool {
    storage::looks_relative(image) || storage::looks_absolute(image)
}

/// Checks that an image is the folder of a layer.
///
/// # Errors
///
/// It is none.
pub fn check_image(image: &OsText) -> Result<(), Error> {
    if storage::looks_relative(image) {
        return platform::absolute_source(image).map(drop);
    }
    if !storage::looks_absolute(image) {
        let message = format!("image {}: the built-in image is of Linux", quote(image));
        return Err(not_offered(message).with_hint(
            "name an image of a registry, or the folder of a layer, as `C:\\layers\\nanoserver`",
        ));
    }
    Ok(())
}

/// Takes an image that is the folder of a layer.
///
/// # Errors
///
/// As [`check_image`].
pub fn take_image(draft: &mut Draft, image: &OsText) -> Result<(), Error> {
    let written_here = storage::looks_relative(image);
    let folder = if written_here { platform::absolute_source(image)? } else { image.clone() };
    storage::change_layers(draft, |layers| layers.folders.push(folder));
    Ok(())
}

#[cfg(test)]
fn read(name: &str, texts: &[&str]) -> Result<Draft, Error> {
    let mut draft = Draft::default();
    for text in texts {
        option(name).expect("an option of Windows")(&mut draft, &OsText::from(*text))?;
    }
    Ok(draft)
}

#[cfg(test)]
mod tests {
    use containerv_spec::request::Root;

    use super::*;
    use crate::verbs;

    #[test]
    fn options_of_windows_are_spelled_as_on_linux() {
        let of = |verb: &str, name: &str| verbs::find(verb).and_then(|verb| verb.long(name));
        let known = |name: &str| of("run", name).or_else(|| of("update", name));
        for flag in FLAGS {
            let other = known(flag.long).unwrap();
            let spelled = |flag: &Flag| (flag.short, flag.value.is_some());
            assert_eq!(spelled(other), spelled(flag), "{}", flag.long);
            assert!(!flag.help.contains('\n') && !flag.help.ends_with('.'), "{}", flag.help);
        }
        assert!(ABSENT.iter().all(|name| known(name).is_some()));
        for (name, _) in WAYS_OUT {
            assert!(matches!(known(name).unwrap().action, Action::Refused(_)), "{name}");
        }
        assert!(shown(known("cap-add").unwrap()).is_none());
        assert!(shown(known("publish").unwrap()).is_some_and(|flag| flag.short == Some('p')));
        assert!(shown(known("restart").unwrap()).is_some());
        assert!(shown(known("gpus").unwrap()).is_none());
    }

    #[test]
    fn layers_come_from_options_or_the_image() {
        let draft = read("layer", &[r"C:\top", r"C:\base"]).unwrap();
        let Root::Layers(layers) = &draft.request.root else { panic!() };
        assert_eq!(layers.folders.len(), 2);
        let mut draft = Draft::default();
        take_image(&mut draft, &r"C:\layers\nanoserver".into()).unwrap();
        system::platform(&mut draft, &"windows(10.0.20348.2527)/amd64".into()).unwrap();
        let Root::Layers(layers) = &draft.request.root else { panic!() };
        assert_eq!(layers.os_version.as_deref(), Some("10.0.20348.2527"));
        assert!(check_image(&r"C:\layers\nanoserver".into()).is_ok());
        assert!(check_image(&"nanoserver".into()).is_err());
        for text in ["", "linux/amd64", "windows", "windows(10/amd64", "windows/x"] {
            assert!(read("platform", &[text]).is_err(), "{text}");
        }
    }
}
