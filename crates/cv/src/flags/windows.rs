//! Options as they are read for a container on Windows: paths with drives, named pipes, networks by name, and
//! what only Windows has. They take the place of the options of the same name.

use std::net::IpAddr;

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{
    AssignedDevice, CredentialSpec, Isolation, Layers, Mount, MountOptions, MountSource, NamedNetwork,
    Network, Protocol, PublishedPort, Root,
};

use crate::draft::{Draft, Joined};
use crate::syntax::Apply;
use crate::value::{self, fields, not_offered, quote, wrong};

/// Most ports of one `--publish`.
const MOST_PORTS: u16 = 1000;

/// Finds how an option is read for Windows, where that differs.
pub fn option(name: &str) -> Option<Apply> {
    Some(match name {
        "layer" => layer,
        "platform" => platform,
        "isolation" => isolation,
        "volume" => volume,
        "mount" => mount,
        "workdir" => workdir,
        "network" => network,
        "publish" => publish,
        "ip" => ip,
        "mac-address" => mac_address,
        "dns" => dns,
        "dns-search" => dns_search,
        "device" => device,
        "security-opt" => security_opt,
        "storage-opt" => storage_opt,
        "cpu-count" => cpu_count,
        "cpu-percent" => cpu_percent,
        "io-maxiops" => io_maxiops,
        "io-maxbandwidth" => io_maxbandwidth,
        _ => return None,
    })
}

/// Checks that an image is the folder of a layer.
///
/// # Errors
///
/// It is none.
pub fn check_image(image: &OsText) -> Result<(), Error> {
    if !looks_absolute(image) {
        let why = if image.as_bytes() == b"host" {
            "the built-in image is of Linux"
        } else {
            "images of registries are not offered yet"
        };
        return Err(not_offered(format!("image {}: {why}", quote(image))).with_hint(
            "name the folder of a layer, as `C:\\layers\\nanoserver`, or `--layer TOP --layer BASE`",
        ));
    }
    Ok(())
}

/// Takes an image that is the folder of a layer.
pub fn take_image(draft: &mut Draft, image: &OsText) {
    change_layers(draft, |layers| layers.folders.push(image.clone()));
}

fn looks_absolute(text: &OsText) -> bool {
    matches!(text.as_bytes(), [b'\\', b'\\', ..] | [_, b':', b'\\' | b'/', ..])
}

fn change_layers(draft: &mut Draft, change: impl FnOnce(&mut Layers)) {
    let mut layers = match std::mem::replace(&mut draft.request.root, Root::Host) {
        Root::Layers(layers) => layers,
        Root::Host | Root::Directory(_) => Layers { folders: Vec::new(), os_version: None },
    };
    change(&mut layers);
    draft.request.root = Root::Layers(layers);
}

fn layer(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.rootfs = true;
    change_layers(draft, |layers| layers.folders.push(text.clone()));
    Ok(())
}

/// `windows(10.0.20348.2527)/amd64`, as containerd writes it: the version of the image.
fn platform(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `windows/amd64` or `windows(10.0.20348.2527)/amd64`");
    let (system, machine) = text.split_once('/').ok_or_else(expected)?;
    if !matches!(machine, "amd64" | "arm64") {
        return Err(expected());
    }
    match system.strip_prefix("windows").ok_or_else(expected)? {
        "" => {}
        version => {
            let version = version.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
            let version = version.ok_or_else(expected)?.to_owned();
            change_layers(draft, |layers| layers.os_version = Some(version));
        }
    }
    Ok(())
}

fn isolation(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.isolation = match value::utf8(text)? {
        "default" | "auto" => Isolation::Default,
        "process" => Isolation::Process,
        "hyperv" | "vm" => Isolation::Vm,
        "host" => {
            return Err(not_offered("`host` (HostProcess containers) is not offered yet")
                .with_hint("use `process` or `hyperv`"));
        }
        _ => return Err(wrong("expected `default`, `process` or `hyperv`")),
    };
    Ok(())
}

/// `C:\src:C:\dst[:ro]`: a colon after a single letter belongs to a drive, one after `\\?\C` or a pipe as well.
fn volume(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `SOURCE:TARGET[:ro]`, as `C:\\data:C:\\data:ro`");
    let (source, rest) = take_path(text).ok_or_else(expected)?;
    let (target, options) = take_path(rest.strip_prefix(':').ok_or_else(expected)?).ok_or_else(expected)?;
    let read_only = match options {
        "" | ":rw" => false,
        ":ro" => true,
        _ => return Err(expected()),
    };
    if source.contains(['/', '\\']) && !looks_absolute(&source.into()) {
        return Err(wrong(format!("{} does not begin at the root of a drive", quote(&source.into())))
            .with_hint("give a path with its drive, as `C:\\data`"));
    }
    if !looks_absolute(&source.into()) {
        let message = format!("{} would be a named volume, which is not offered yet", quote(&source.into()));
        return Err(not_offered(message).with_hint("give a path with its drive, as `C:\\data`"));
    }
    let mut mount = from_to(source, target, read_only);
    mount.options.create_source = matches!(mount.source, MountSource::Bind { .. });
    draft.request.mounts.push(mount);
    Ok(())
}

/// Takes a path up to the next colon that does not follow its drive.
fn take_path(text: &str) -> Option<(&str, &str)> {
    let raw = text.strip_prefix(r"\\?\").or_else(|| text.strip_prefix("//?/")).unwrap_or(text);
    let begin = text.len() - raw.len();
    let drive = matches!(raw.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let from = begin + if drive { 2 } else { 0 };
    let end = text[from..].find(':').map_or(text.len(), |at| from + at);
    (end > 0).then(|| text.split_at(end))
}

fn is_pipe(path: &str) -> bool {
    path.replace('/', "\\").to_ascii_lowercase().starts_with(r"\\.\pipe\")
}

fn from_to(source: &str, target: &str, read_only: bool) -> Mount {
    let source = if is_pipe(source) {
        MountSource::NamedPipe { path: source.into() }
    } else {
        MountSource::Bind { path: source.into(), recursive: true }
    };
    Mount { source, target: target.into(), read_only, options: MountOptions::default() }
}

fn mount(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let (mut kind, mut source, mut target, mut read_only) = (String::new(), None, None, false);
    for field in fields::split(text)? {
        let (name, given) = fields::key_value(&field);
        let given = given.as_ref().map(value::utf8).transpose()?.map(str::to_owned);
        match (value::utf8(&name)?, given) {
            ("type", Some(text)) => kind = text,
            ("source" | "src", Some(text)) => source = Some(text),
            ("target" | "destination" | "dst", Some(text)) => target = Some(text),
            ("readonly" | "ro", None) => read_only = true,
            ("readonly" | "ro", Some(text)) => read_only = value::boolean(&text)?,
            (other, _) => return Err(wrong(format!("unknown field {}", quote(&other.into())))),
        }
    }
    let source = source.ok_or_else(|| wrong("`source=PATH` is missing"))?;
    let target = target.ok_or_else(|| wrong("`target=PATH` is missing"))?;
    match kind.as_str() {
        "bind" if !is_pipe(&source) => {}
        "npipe" if is_pipe(&source) => {}
        "bind" | "npipe" => {
            return Err(wrong(format!("`type={kind}` with the source {}", quote(&source.as_str().into())))
                .with_hint(r"a pipe is `\\.\pipe\NAME` and of type `npipe`, all else of type `bind`"));
        }
        _ => {
            return Err(not_offered("this type of mount is not offered on Windows")
                .with_hint("use `type=bind,source=PATH,target=PATH` or `type=npipe`"));
        }
    }
    draft.request.mounts.push(from_to(&source, &target, read_only));
    Ok(())
}

fn workdir(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.cwd = text.clone();
    Ok(())
}

fn network(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    draft.joined.retain(|(joined, _)| *joined != Joined::Network);
    if let Some(reference) = text.strip_prefix("container:") {
        draft.joined.push((Joined::Network, reference.to_owned()));
        return Ok(());
    }
    match text {
        "" => return Err(wrong("no network is named")),
        "none" => draft.request.network = Network::None,
        "host" => draft.request.network = Network::Host,
        name => change_network(draft, |named| {
            // As Docker: the usual network.
            named.name = if name == "default" { "nat" } else { name }.to_owned();
        }),
    }
    Ok(())
}

fn change_network(draft: &mut Draft, change: impl FnOnce(&mut NamedNetwork)) {
    let mut named = match std::mem::take(&mut draft.request.network) {
        Network::Named(named) => named,
        _ => NamedNetwork::new("nat"),
    };
    change(&mut named);
    draft.request.network = Network::Named(named);
}

fn ip(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let address = address(value::utf8(text)?)?;
    change_network(draft, |named| named.address = Some(address));
    Ok(())
}

fn mac_address(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let address = value::utf8(text)?.to_owned();
    change_network(draft, |named| named.mac_address = Some(address));
    Ok(())
}

fn address(text: &str) -> Result<IpAddr, Error> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| wrong(format!("{} is not an IP address", quote(&text.into()))))
}

fn dns(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.dns.servers.push(address(value::utf8(text)?)?);
    Ok(())
}

fn dns_search(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.dns.search.push(value::utf8(text)?.to_owned());
    Ok(())
}

/// `[ADDRESS:][HOST]:CONTAINER[/tcp|udp]`, each side a port or a range.
fn publish(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `[ADDRESS:][HOST:]CONTAINER[/tcp|udp]`, as `8080:80`");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => return Err(not_offered("`sctp` is not offered on Windows").with_hint("use `tcp` or `udp`")),
        _ => return Err(expected()),
    };
    let (rest, inside) = ports.rsplit_once(':').map_or((None, ports), |(rest, inside)| (Some(rest), inside));
    let (host_address, outside) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((host, outside)) => (Some(address(host)?), Some(outside)),
            None if rest.contains('.') => (Some(address(rest)?), None),
            None => (None, Some(rest)),
        },
    };
    let inside = range(inside)?;
    let outside = outside.filter(|text| !text.is_empty()).map(range).transpose()?;
    if outside.as_ref().is_some_and(|outside| outside.len() != inside.len()) {
        return Err(wrong("the ranges differ in length"));
    }
    for (at, container_port) in inside.into_iter().enumerate() {
        let host_port = outside.as_ref().map(|outside| outside[at]);
        draft.request.ports.push(PublishedPort { host_address, host_port, container_port, protocol });
    }
    Ok(())
}

fn range(text: &str) -> Result<Vec<u16>, Error> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (value::number(first, 1, u16::MAX)?, value::number(last, 1, u16::MAX)?);
    if last < first || last - first >= MOST_PORTS {
        return Err(wrong(format!("a range ends after it begins, and has at most {MOST_PORTS} ports")));
    }
    Ok((first..=last).collect())
}

fn device(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let assigned = if let Some(class) = text.strip_prefix("class/").or_else(|| text.strip_prefix("class://"))
    {
        AssignedDevice::Class(class.trim_start_matches('{').trim_end_matches('}').to_owned())
    } else if let Some(place) = text.strip_prefix("vpci-location-path://") {
        AssignedDevice::Location(place.to_owned())
    } else {
        return Err(wrong("expected `class/GUID` or `vpci-location-path://PATH`"));
    };
    draft.request.assigned_devices.push(assigned);
    Ok(())
}

fn security_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || {
        wrong(
            "on Windows, expected `credentialspec=file://NAME`, `credentialspec=registry://NAME` or \
               `credentialspec=raw://DOCUMENT`",
        )
    };
    let spec = text.strip_prefix("credentialspec=").ok_or_else(|| {
        expected().with_hint(
            "seccomp, capabilities and masked paths are of Linux; `--isolation hyperv` confines more",
        )
    })?;
    let spec = match spec.split_once("://").ok_or_else(expected)? {
        ("file", path) => CredentialSpec::File(path.into()),
        ("registry", name) => CredentialSpec::Registry(name.to_owned()),
        ("raw", document) => CredentialSpec::Raw(document.to_owned()),
        _ => return Err(expected()),
    };
    draft.request.security.credential_spec = Some(spec);
    Ok(())
}

fn storage_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let size = value::utf8(text)?.strip_prefix("size=").ok_or_else(|| wrong("expected `size=BYTES`"))?;
    draft.request.storage_bytes = Some(value::size(size)?.as_bytes());
    Ok(())
}

fn cpu_count(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_count = Some(value::number(value::utf8(text)?, 1, 4096)?);
    Ok(())
}

fn cpu_percent(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_percent = Some(value::number(value::utf8(text)?, 1, 100)?);
    Ok(())
}

fn io_maxiops(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.io_operations = Some(value::number(value::utf8(text)?, 1, u64::MAX)?);
    Ok(())
}

fn io_maxbandwidth(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.io_bytes = Some(value::size(value::utf8(text)?)?.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, texts: &[&str]) -> Result<Draft, Error> {
        let mut draft = Draft::default();
        for text in texts {
            option(name).unwrap()(&mut draft, &OsText::from(*text))?;
        }
        Ok(draft)
    }

    #[test]
    fn volumes_have_drives() {
        for (text, source, target, read_only) in [
            (r"C:\src:C:\dst", r"C:\src", r"C:\dst", false),
            (r"c:/src:d:/dst:ro", "c:/src", "d:/dst", true),
            (r"C:\src:D:", r"C:\src", "D:", false),
            (r"\\server\share\a:C:\a:rw", r"\\server\share\a", r"C:\a", false),
            (r"\\?\C:\src:C:\dst:ro", r"\\?\C:\src", r"C:\dst", true),
            (r"\\?\Volume{x}\a:C:\a", r"\\?\Volume{x}\a", r"C:\a", false),
        ] {
            let mount = read("volume", &[text]).unwrap().request.mounts.remove(0);
            assert_eq!(mount.source, MountSource::Bind { path: source.into(), recursive: true }, "{text}");
            assert_eq!((mount.target.to_string().as_str(), mount.read_only), (target, read_only), "{text}");
            assert!(mount.options.create_source);
        }
        let mount = read("volume", &[r"\\.\pipe\a:\\.\pipe\b"]).unwrap().request.mounts.remove(0);
        assert_eq!(mount.source, MountSource::NamedPipe { path: r"\\.\pipe\a".into() });
        for text in ["", "C:", r"C:\a", "name:C:\\a", r"C:\a:C:\b:z", r"C:\a:C:\b:ro:x", ":C:\\a", "a:b:c"] {
            assert!(read("volume", &[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn mounts_have_fields() {
        let draft = read(
            "mount",
            &[r"type=bind,src=C:\a,dst=C:\b,readonly", r"type=npipe,source=\\.\pipe\a,target=\\.\pipe\b"],
        );
        let mounts = draft.unwrap().request.mounts;
        assert!(mounts[0].read_only && !mounts[0].options.create_source);
        assert!(matches!(mounts[1].source, MountSource::NamedPipe { .. }));
        for text in [
            "",
            r"type=bind,source=C:\a",
            r"type=tmpfs,source=x,target=C:\a",
            r"type=npipe,source=C:\a,target=\\.\pipe\b",
            r"type=bind,source=\\.\pipe\a,target=C:\b",
            r"type=bind,source=C:\a,target=C:\b,bind-propagation=shared",
        ] {
            assert!(read("mount", &[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn ports_have_addresses_ranges_and_protocols() {
        let ports = |text| read("publish", &[text]).map(|draft| draft.request.ports);
        let port = |host_port, container_port| PublishedPort {
            host_address: None,
            host_port,
            container_port,
            protocol: Protocol::Tcp,
        };
        assert_eq!(ports("8080:80").unwrap(), [port(Some(8080), 80)]);
        assert_eq!(ports("80").unwrap(), [port(None, 80)]);
        assert_eq!(ports(":80").unwrap(), [port(None, 80)]);
        assert_eq!(ports("8000-8001:80-81").unwrap(), [port(Some(8000), 80), port(Some(8001), 81)]);
        let udp = ports("127.0.0.1:53:53/udp").unwrap()[0];
        assert_eq!((udp.protocol, udp.host_address), (Protocol::Udp, Some([127, 0, 0, 1].into())));
        assert_eq!(ports("[::1]:8080:80").unwrap()[0].host_address, Some("::1".parse().unwrap()));
        assert_eq!(ports("127.0.0.1::80").unwrap()[0].host_port, None);
        for text in
            ["", "0", "80:0", "80:65536", "a:80", "80-79:1-2", "1-3:1-2", "80/sctp", "x:80:80", "1-1001"]
        {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn layers_come_from_options_or_the_image() {
        let draft = read("layer", &[r"C:\top", r"C:\base"]).unwrap();
        let Root::Layers(layers) = &draft.request.root else { panic!() };
        assert_eq!(layers.folders.len(), 2);
        let mut draft = Draft::default();
        take_image(&mut draft, &r"C:\layers\nanoserver".into());
        platform(&mut draft, &"windows(10.0.20348.2527)/amd64".into()).unwrap();
        let Root::Layers(layers) = &draft.request.root else { panic!() };
        assert_eq!(layers.os_version.as_deref(), Some("10.0.20348.2527"));
        assert!(check_image(&r"C:\layers\nanoserver".into()).is_ok());
        assert!(check_image(&"nanoserver".into()).is_err());
        for text in ["", "linux/amd64", "windows", "windows(10/amd64", "windows/x"] {
            assert!(read("platform", &[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn devices_and_credentials_have_schemes() {
        let guid = "5B45201D-F2F2-4F3B-85BB-30FF1F953599";
        let draft =
            read("device", &[&format!("class/{{{guid}}}"), "vpci-location-path://PCIROOT(0)"]).unwrap();
        assert_eq!(draft.request.assigned_devices[0], AssignedDevice::Class(guid.to_owned()));
        assert!(read("device", &["/dev/kvm"]).is_err());
        let draft = read("security-opt", &["credentialspec=registry://web"]).unwrap();
        assert_eq!(draft.request.security.credential_spec, Some(CredentialSpec::Registry("web".to_owned())));
        for text in ["seccomp=unconfined", "credentialspec=web", "credentialspec=http://web"] {
            assert!(read("security-opt", &[text]).is_err(), "{text}");
        }
    }

    #[test]
    fn the_network_is_the_usual_one_unless_named() {
        let draft = read("network", &["lan"]).unwrap();
        assert_eq!(draft.request.network, Network::Named(NamedNetwork::new("lan")));
        assert_eq!(read("network", &["none"]).unwrap().request.network, Network::None);
        let mut draft = read("ip", &["10.0.0.5"]).unwrap();
        network(&mut draft, &"lan".into()).unwrap();
        let Network::Named(named) = &draft.request.network else { panic!() };
        assert_eq!((named.name.as_str(), named.address), ("lan", Some([10, 0, 0, 5].into())));
    }
}
