//! Options of privileges and devices.

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{Device, Seccomp};
use containerv_spec::seccomp::Profile;

use crate::draft::{Draft, Named};
use crate::platform;
use crate::syntax::{Completion, Flag, Section};
use crate::value::{self, file, not_offered, quote, wrong};

/// Most bytes of a seccomp profile; Docker's own has 25 KiB.
const MOST_PROFILE_BYTES: u64 = 1 << 20;

/// Options of privileges and devices.
pub static SECURITY: Section = Section {
    title: "Security",
    flags: &[
        Flag::value("cap-add", "NAME|ALL", "Add a capability")
            .completed(Completion::Capabilities)
            .sets(cap_add),
        Flag::value("cap-drop", "NAME|ALL", "Take a capability away")
            .completed(Completion::Capabilities)
            .sets(cap_drop),
        Flag::switch(
            "privileged",
            "Lift every restriction: all capabilities and devices, no filter, nothing masked",
        )
        .sets(privileged),
        Flag::value(
            "security-opt",
            "OPTION",
            "seccomp=FILE|unconfined, no-new-privileges=false, systempaths=unconfined; may be repeated",
        )
        .completed(Completion::Words(&["seccomp=unconfined", "no-new-privileges=", "systempaths=unconfined"]))
        .sets(security_opt),
        Flag::value("device", "HOST[:INSIDE[:rwm]]", "Give access to a device of this machine")
            .completed(Completion::Files)
            .sets(device),
    ],
};

fn cap_add(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.added.push(capability(text)?);
    Ok(())
}

fn cap_drop(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.dropped.push(capability(text)?);
    Ok(())
}

fn capability(text: &OsText) -> Result<Named, Error> {
    let text = value::utf8(text)?;
    if text.eq_ignore_ascii_case("all") {
        return Ok(Named::All);
    }
    text.parse().map(Named::One).map_err(|_| {
        let error = wrong("not a capability; capabilities(7) lists them");
        let upper = text.to_ascii_uppercase();
        let known = (0..64).map_while(containerv_spec::Capability::from_number).map(|known| known.name());
        match crate::syntax::nearest(upper.strip_prefix("CAP_").unwrap_or(&upper), known) {
            Some(likely) => error.with_hint(format!("did you mean `{likely}`?")),
            None => error,
        }
    })
}

fn privileged(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.security.privileged = text.as_bytes() == b"true";
    Ok(())
}

fn security_opt(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let cut = bytes.iter().position(|byte| matches!(byte, b'=' | b':'));
    let (name, setting) = match cut {
        Some(at) => (OsText::from_bytes(&bytes[..at]), Some(OsText::from_bytes(&bytes[at + 1..]))),
        None => (text.clone(), None),
    };
    let setting_text = setting.as_ref().and_then(OsText::to_str);
    let security = &mut draft.request.security;
    match (value::utf8(&name)?, setting_text) {
        ("seccomp", _) => security.seccomp = seccomp(setting.as_ref())?,
        ("no-new-privileges", None) => security.allow_new_privileges = false,
        ("no-new-privileges", Some(on)) => security.allow_new_privileges = !value::boolean(on)?,
        ("systempaths", Some("unconfined")) | ("unmask", Some("ALL" | "all")) => security.unmask = true,
        // Neither AppArmor nor SELinux is used, so that nothing is to be switched off.
        ("apparmor", Some("unconfined")) | ("label", Some("disable")) => {}
        (
            name @ ("apparmor" | "label" | "credentialspec" | "mask" | "unmask" | "writable-cgroups"
            | "proc-opts"),
            _,
        ) => {
            return Err(not_offered(format!("`{name}` with this value is not offered"))
                .with_hint("seccomp, capabilities and masked paths are the means of confinement here"));
        }
        _ => {
            return Err(wrong("unknown option").with_hint(
                "known are seccomp=FILE, seccomp=unconfined, no-new-privileges=true|false and systempaths=unconfined",
            ));
        }
    }
    Ok(())
}

fn seccomp(setting: Option<&OsText>) -> Result<Seccomp, Error> {
    let setting = setting.ok_or_else(|| wrong("expected `seccomp=FILE` or `seccomp=unconfined`"))?;
    match setting.as_bytes() {
        b"unconfined" => Ok(Seccomp::Unconfined),
        b"default" | b"builtin" => Ok(Seccomp::Default),
        _ => {
            let document = file::read(setting, MOST_PROFILE_BYTES)?;
            let profile: Profile = serde_json::from_slice(&document)
                .map_err(|error| wrong(format!("{} is not a seccomp profile: {error}", quote(setting))))?;
            Ok(Seccomp::Profile(Box::new(profile)))
        }
    }
}

fn device(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let mut device = parse_device(text)?;
    let (number, block) = platform::device(&device.host_path)?;
    (device.number, device.block) = (Some(number), block);
    draft.request.devices.push(device);
    Ok(())
}

fn parse_device(text: &OsText) -> Result<Device, Error> {
    let mut parts = text.as_bytes().split(|byte| *byte == b':').map(OsText::from_bytes);
    let (host_path, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Err(wrong("expected `HOST[:INSIDE[:rwm]]`"));
    }
    if !host_path.is_absolute() {
        if text.as_bytes().contains(&b'=') {
            return Err(
                not_offered("CDI names are not offered").with_hint("name the device's file, as `/dev/kvm`")
            );
        }
        return Err(wrong(format!("{} is not an absolute path", quote(&host_path))));
    }
    let (inside, access) = match (second, third) {
        (Some(access), None) if !access.is_absolute() => (None, Some(access)),
        (inside, access) => (inside, access),
    };
    let access = access.map_or(Ok("rwm".to_owned()), |access| device_access(&access))?;
    let path = inside.map_or(Ok(host_path.clone()), |inside| value::inside_path(&inside))?;
    Ok(Device { host_path, path, access, number: None, block: false })
}

fn device_access(text: &OsText) -> Result<String, Error> {
    let access = value::utf8(text)?;
    let repeated = |(at, letter)| access[..at].contains::<char>(letter);
    if access.is_empty()
        || !access.chars().all(|letter| "rwm".contains(letter))
        || access.char_indices().any(repeated)
    {
        return Err(wrong(format!("{} is not a kind of access; expected letters of `rwm`", quote(text))));
    }
    Ok(access.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_up_to_three_parts() {
        for (text, path, access) in [
            ("/dev/fuse", "/dev/fuse", "rwm"),
            ("/dev/fuse:rw", "/dev/fuse", "rw"),
            ("/dev/fuse:/dev/f", "/dev/f", "rwm"),
            ("/dev/fuse:/dev/f:r", "/dev/f", "r"),
        ] {
            let device = parse_device(&text.into()).unwrap();
            assert_eq!((device.path.to_string().as_str(), device.access.as_str()), (path, access), "{text}");
        }
        for text in [
            "",
            "fuse",
            "/dev/fuse:x",
            "/dev/fuse:rr",
            "/dev/fuse:dev/f:r",
            "/dev/a:/b:r:x",
            "v.com/gpu=all",
            "/dev/a:",
        ] {
            assert!(parse_device(&text.into()).is_err(), "{text}");
        }
    }

    #[test]
    fn security_options_are_known_or_refused() {
        let mut draft = Draft::default();
        for text in
            ["seccomp=unconfined", "no-new-privileges:false", "systempaths=unconfined", "apparmor=unconfined"]
        {
            security_opt(&mut draft, &text.into()).unwrap();
        }
        let security = draft.request.security;
        assert_eq!(
            (security.seccomp, security.allow_new_privileges, security.unmask),
            (Seccomp::Unconfined, true, true)
        );
        for text in [
            "",
            "seccomp",
            "seccomp=/nonexistent",
            "no-new-privileges=maybe",
            "apparmor=strict",
            "label=type:x",
            "x=y",
        ] {
            assert!(security_opt(&mut Draft::default(), &text.into()).is_err(), "{text}");
        }
    }
}
