//! The image's platform, isolation, processes, devices, credentials and limits.

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{AssignedDevice, CredentialSpec, Isolation};

use super::storage::change_layers;
use crate::draft::Draft;
use crate::value::{self, not_offered, wrong};

/// `windows(10.0.20348.2527)/amd64`, as containerd writes it: the version of the image.
pub(super) fn platform(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let text = value::utf8(text)?;
    let expected = || wrong("expected `windows/amd64` or `windows(10.0.20348.2527)/amd64`");
    let (system, machine) = text.split_once('/').ok_or_else(expected)?;
    if !matches!(machine, "amd64" | "arm64") {
        return Err(expected());
    }
    draft.platform = Some(crate::flags::lifecycle::read_platform(text)?);
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

pub(super) fn isolation(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
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

pub(super) fn workdir(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.process.cwd = text.clone();
    Ok(())
}

pub(super) fn device(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
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

pub(super) fn security_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
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

pub(super) fn storage_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let size = value::utf8(text)?.strip_prefix("size=").ok_or_else(|| wrong("expected `size=BYTES`"))?;
    draft.request.storage_bytes = Some(value::size(size)?.as_bytes());
    Ok(())
}

pub(super) fn cpu_count(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_count = Some(value::number(value::utf8(text)?, 1, 4096)?);
    Ok(())
}

pub(super) fn cpu_percent(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.cpu_percent = Some(value::number(value::utf8(text)?, 1, 100)?);
    Ok(())
}

pub(super) fn io_maxiops(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.io_operations = Some(value::number(value::utf8(text)?, 1, u64::MAX)?);
    Ok(())
}

pub(super) fn io_maxbandwidth(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.limits.io_bytes = Some(value::size(value::utf8(text)?)?.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

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
}
