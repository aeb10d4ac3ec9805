//! Options of the root file system and of mounts.

use containerv::Error;
use containerv_spec::OsText;
use containerv_spec::request::{Mount, MountOptions, MountSource, Overlay, Propagation, Root};

use super::process::octal;
use crate::draft::Draft;
use crate::syntax::{Completion, Flag, Section};
use crate::value::{self, fields, native, not_offered, quote, wrong};

/// Options of files.
pub static FILES: Section = Section {
    title: "Files",
    flags: &[
        Flag::value("rootfs", "DIR", "Use this directory as the root, in place of an image")
            .completed(Completion::Directories)
            .sets(rootfs),
        Flag::value(
            "overlay",
            "none|container|memory|DIR",
            "Where writes to the root go: into it, a layer that ends with the container, memory, a directory",
        )
        .completed(Completion::Words(&["none", "container", "memory"]))
        .sets(overlay),
        Flag::switch("read-only", "Refuse writes to the root").sets(read_only),
        Flag::value(
            "volume",
            "HOST:INSIDE[:OPTIONS]",
            "Bind a file or directory; options: ro, rw, rprivate, rslave, rshared",
        )
        .short('v')
        .completed(Completion::Files)
        .sets(volume),
        Flag::value(
            "mount",
            "FIELDS",
            "Mount by fields, as `type=bind,source=/a,target=/b,readonly` or `type=tmpfs,target=/c`",
        )
        .completed(Completion::Words(&["type=bind,source=", "type=tmpfs,target="]))
        .sets(mount),
        Flag::value("tmpfs", "PATH[:OPTIONS]", "Mount memory, as `/run:size=64m,mode=755,exec`").sets(tmpfs),
    ],
};

/// Options by which `update` changes mounts.
pub static MOUNT_CHANGES: Section = Section {
    title: "Mounts",
    flags: &[
        Flag::value(
            "mount-add",
            "FIELDS",
            "Mount it now and at each start, as `type=bind,source=/a,target=/b,readonly`; may be repeated",
        )
        .completed(Completion::Words(&["type=bind,source="]))
        .sets(mount),
        Flag::value(
            "mount-rm",
            "TARGET",
            "Take the mount at this path away, now and at each start; may be repeated",
        ),
    ],
};

fn rootfs(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.rootfs = true;
    draft.request.root = Root::Directory(native::absolute(text)?);
    Ok(())
}

fn overlay(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.overlay = match text.as_bytes() {
        b"none" => Overlay::None,
        b"container" => Overlay::Container,
        b"memory" => Overlay::Memory,
        path if path.contains(&b'/') => Overlay::Kept(native::absolute(text)?),
        _ => {
            return Err(wrong("expected `none`, `container`, `memory` or a directory")
                .with_hint(format!("for a directory of this name, write `./{text}`")));
        }
    };
    Ok(())
}

fn read_only(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.read_only = text.as_bytes() == b"true";
    Ok(())
}

fn volume(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    draft.request.mounts.push(parse_volume(text)?);
    Ok(())
}

fn parse_volume(text: &OsText) -> Result<Mount, Error> {
    let parts: Vec<OsText> = text.as_bytes().split(|byte| *byte == b':').map(OsText::from_bytes).collect();
    let (source, target, options) = match parts.as_slice() {
        [target] if target.is_absolute() => {
            return Err(not_offered("volumes without a host directory are not offered yet").with_hint(
                format!("`--tmpfs {target}` for memory, or name a directory: `-v HOST:{target}`"),
            ));
        }
        [source, target] => (source, target, None),
        [source, target, options] => (source, target, Some(options)),
        _ => return Err(wrong("expected `HOST:INSIDE[:OPTIONS]`")),
    };
    if source.is_empty() {
        return Err(wrong("no path before the first `:`"));
    }
    if !source.is_absolute() && !source.as_bytes().starts_with(b".") {
        return Err(not_offered(format!(
            "{} would be a named volume, which is not offered yet",
            quote(source)
        ))
        .with_hint(format!("for a directory of this name, write `./{source}:{target}`")));
    }
    let mut mount = Mount {
        source: MountSource::Bind { path: native::absolute(source)?, recursive: true },
        target: mount_target(target)?,
        read_only: false,
        options: MountOptions { create_target: true, create_source: true, ..MountOptions::default() },
    };
    if let Some(options) = options {
        volume_options(&mut mount, value::utf8(options)?)?;
    }
    Ok(mount)
}

fn mount_target(text: &OsText) -> Result<OsText, Error> {
    let target = value::inside_path(text)?;
    if target.as_bytes().split(|byte| *byte == b'/').all(|part| part.is_empty() || part == b".") {
        return Err(wrong("a mount cannot cover the root `/`"));
    }
    Ok(target)
}

fn volume_options(mount: &mut Mount, options: &str) -> Result<(), Error> {
    for option in options.split(',') {
        match option {
            "ro" | "readonly" => mount.read_only = true,
            "rw" => mount.read_only = false,
            "noexec" => mount.options.noexec = true,
            "exec" => mount.options.noexec = false,
            "suid" => mount.options.suid = true,
            "nosuid" => mount.options.suid = false,
            "dev" => mount.options.dev = true,
            "nodev" => mount.options.dev = false,
            "rbind" => set_recursive(mount, true),
            "bind" => set_recursive(mount, false),
            // Hints for file sharing with virtual machines; a bind is always consistent.
            "consistent" | "cached" | "delegated" => {}
            "z" | "Z" => {
                return Err(not_offered(format!("`{option}` (SELinux labels) is not offered"))
                    .with_hint("leave it away; label the files with `chcon` if SELinux refuses access"));
            }
            "U" => {
                return Err(
                    not_offered("`U` (changing owners) is not offered").with_hint("chown the files first")
                );
            }
            "nocopy" | "volume-nocopy" => return Err(wrong("`nocopy` is for named volumes, not for a bind")),
            other => mount.options.propagation = propagation(other)?,
        }
    }
    Ok(())
}

fn set_recursive(mount: &mut Mount, on: bool) {
    if let MountSource::Bind { recursive, .. } = &mut mount.source {
        *recursive = on;
    }
}

fn propagation(text: &str) -> Result<Propagation, Error> {
    match text {
        "private" | "rprivate" => Ok(Propagation::Private),
        "slave" | "rslave" => Ok(Propagation::Slave),
        "shared" | "rshared" => Ok(Propagation::Shared),
        _ => Err(wrong(format!("unknown option {}", quote(&text.into())))),
    }
}

fn tmpfs(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':');
    let (target, options) = match colon {
        Some(at) => (OsText::from_bytes(&bytes[..at]), OsText::from_bytes(&bytes[at + 1..])),
        None => (text.clone(), OsText::default()),
    };
    let mut mount = new_tmpfs(mount_target(&target)?);
    for option in value::utf8(&options)?.split(',').filter(|option| !option.is_empty()) {
        tmpfs_option(&mut mount, option)?;
    }
    draft.request.mounts.push(mount);
    Ok(())
}

fn new_tmpfs(target: OsText) -> Mount {
    let options = MountOptions { noexec: true, create_target: true, ..MountOptions::default() };
    Mount { source: MountSource::Tmpfs { size: None, mode: None }, target, read_only: false, options }
}

fn tmpfs_option(mount: &mut Mount, option: &str) -> Result<(), Error> {
    match option.split_once('=') {
        Some(("size", text)) => set_tmpfs_size(mount, text),
        Some(("mode", text)) => set_tmpfs_mode(mount, text),
        Some((name @ ("uid" | "gid" | "nr_inodes" | "nr_blocks" | "huge" | "mpol"), _)) => {
            Err(not_offered(format!("`{name}` is not offered"))
                .with_hint("known are size, mode, exec, suid, dev and ro"))
        }
        None if matches!(option, "ro" | "rw" | "exec" | "noexec" | "suid" | "nosuid" | "dev" | "nodev") => {
            volume_options(mount, option)
        }
        _ => Err(wrong(format!("unknown option {}", quote(&option.into())))),
    }
}

fn set_tmpfs_size(mount: &mut Mount, text: &str) -> Result<(), Error> {
    let bytes = value::size(text)?.as_bytes();
    if bytes == 0 {
        return Err(wrong("the size must be more than 0"));
    }
    if let MountSource::Tmpfs { size, .. } = &mut mount.source {
        *size = Some(bytes);
    }
    Ok(())
}

fn set_tmpfs_mode(mount: &mut Mount, text: &str) -> Result<(), Error> {
    let bits = octal(text, 0o7777)?;
    if let MountSource::Tmpfs { mode, .. } = &mut mount.source {
        *mode = Some(bits);
    }
    Ok(())
}

fn mount(draft: &mut Draft, text: &OsText) -> Result<(), Error> {
    let fields = fields::split(text)?;
    let pairs: Vec<(OsText, Option<OsText>)> = fields.iter().map(fields::key_value).collect();
    let find = |names: &[&str]| {
        let named =
            |(name, _): &&(OsText, Option<OsText>)| name.to_str().is_some_and(|name| names.contains(&name));
        pairs.iter().rev().find(named).and_then(|(_, value)| value.clone())
    };
    let target = find(&["target", "destination", "dst"]).ok_or_else(|| wrong("`target=PATH` is missing"))?;
    let target = mount_target(&target)?;
    let kind = find(&["type"]).unwrap_or_else(|| "volume".into());
    let mut mount = match kind.to_str() {
        Some("bind") => {
            let source = find(&["source", "src"]).ok_or_else(|| wrong("`source=PATH` is missing"))?;
            let source = MountSource::Bind { path: native::absolute(&source)?, recursive: true };
            let options = MountOptions { create_target: true, ..MountOptions::default() };
            Mount { source, target, read_only: false, options }
        }
        Some("tmpfs") => new_tmpfs(target),
        Some(other @ ("volume" | "image" | "npipe" | "cluster" | "glob")) => {
            return Err(not_offered(format!("mounts of type `{other}` are not offered yet"))
                .with_hint("use `type=bind,source=DIR,target=PATH` or `type=tmpfs,target=PATH`"));
        }
        _ => return Err(wrong(format!("unknown type {}; expected `bind` or `tmpfs`", quote(&kind)))),
    };
    for (name, field_value) in &pairs {
        mount_field(&mut mount, value::utf8(name)?, field_value.as_ref())?;
    }
    draft.request.mounts.push(mount);
    Ok(())
}

fn mount_field(mount: &mut Mount, name: &str, field_value: Option<&OsText>) -> Result<(), Error> {
    let text = field_value.map(value::utf8);
    let switch = || {
        text.as_ref().map_or(Ok(true), |text| match text {
            Ok(text) => value::boolean(text).map_err(|error| wrong(format!("`{name}`: {error}"))),
            Err(_) => Err(wrong(format!("`{name}`: not valid UTF-8"))),
        })
    };
    let needed = || match &text {
        Some(Ok(text)) => Ok(*text),
        _ => Err(wrong(format!("`{name}` needs a value"))),
    };
    let is_bind = matches!(mount.source, MountSource::Bind { .. });
    match name {
        "type" | "source" | "src" | "target" | "destination" | "dst" | "consistency" => {}
        "readonly" | "ro" => mount.read_only = switch()?,
        "rw" => mount.read_only = !switch()?,
        "bind-propagation" if is_bind => mount.options.propagation = propagation(needed()?)?,
        "bind-nonrecursive" if is_bind => {
            let off = switch()?;
            set_recursive(mount, !off);
        }
        "bind-recursive" if is_bind => bind_recursive(mount, needed()?)?,
        "bind-create-src" if is_bind => mount.options.create_source = switch()?,
        "tmpfs-size" if !is_bind => set_tmpfs_size(mount, needed()?)?,
        "tmpfs-mode" if !is_bind => set_tmpfs_mode(mount, needed()?)?,
        "exec" => mount.options.noexec = !switch()?,
        "noexec" => mount.options.noexec = switch()?,
        "suid" => mount.options.suid = switch()?,
        "dev" => mount.options.dev = switch()?,
        _ => {
            let kind = if is_bind { "bind" } else { "tmpfs" };
            return Err(wrong(format!("`{name}` is not a field of type `{kind}`")));
        }
    }
    Ok(())
}

fn bind_recursive(mount: &mut Mount, text: &str) -> Result<(), Error> {
    match text {
        // Read-only binds are always read-only in the mounts below as well.
        "enabled" | "readonly" => set_recursive(mount, true),
        "disabled" => set_recursive(mount, false),
        "writable" => {
            return Err(not_offered(
                "`bind-recursive=writable` is not offered: a read-only bind is read-only throughout",
            )
            .with_hint("mount what has to be writable over it"));
        }
        _ => return Err(wrong("`bind-recursive` is `enabled`, `disabled` or `readonly`")),
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn read(apply: fn(&mut Draft, &OsText) -> Result<(), Error>, text: &str) -> Result<Mount, Error> {
        let mut draft = Draft::default();
        apply(&mut draft, &OsText::from(text))?;
        Ok(draft.request.mounts.remove(0))
    }

    fn is_recursive(mount: &Mount) -> bool {
        matches!(mount.source, MountSource::Bind { recursive: true, .. })
    }

    #[test]
    fn binds_have_options() {
        let mount = read(volume, "/a:/b:ro,rslave,noexec").unwrap();
        assert_eq!(mount.source, MountSource::Bind { path: "/a".into(), recursive: true });
        assert_eq!((mount.target.to_string().as_str(), mount.read_only), ("/b", true));
        assert_eq!(mount.options.propagation, Propagation::Slave);
        assert!(mount.options.noexec && mount.options.create_source && mount.options.create_target);
    }

    #[test]
    fn relative_sources_are_made_absolute() {
        let mount = read(volume, "./x:/y").unwrap();
        let here = std::env::current_dir().unwrap().join("x");
        assert_eq!(
            mount.source,
            MountSource::Bind { path: native::from_os(here.as_os_str()).unwrap(), recursive: true }
        );
    }

    #[test]
    fn paths_that_are_not_utf8_are_kept() {
        let mount = parse_volume(&OsText::from_bytes(*b"/a\xff:/b\xfe")).unwrap();
        assert_eq!(mount.target.as_bytes(), b"/b\xfe");
    }

    #[test]
    fn wrong_binds_are_refused() {
        for text in [
            "",
            "/a",
            "name:/x",
            ":/x",
            "/a:b",
            "/a:/",
            "/a:/./",
            "/a:/b:z",
            "/a:/b:zz",
            "/a:/b:ro:x",
            "/a:/b:",
        ] {
            assert!(read(volume, text).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_describe_binds_and_memory() {
        let bind = read(mount, "type=bind,src=/a,dst=/b,readonly,bind-recursive=disabled").unwrap();
        assert!(bind.read_only && !is_recursive(&bind) && !bind.options.create_source);
        let memory = read(mount, "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1777,exec").unwrap();
        assert_eq!(memory.source, MountSource::Tmpfs { size: Some(1 << 20), mode: Some(0o1777) });
        assert!(!memory.options.noexec);
        let quoted = read(mount, r#"type=bind,"source=/a,b",target=/c"#).unwrap();
        assert_eq!(quoted.source, MountSource::Bind { path: "/a,b".into(), recursive: true });
    }

    #[test]
    fn wrong_fields_are_refused() {
        for text in [
            "",
            "type=bind,target=/b",
            "type=bind,source=/a",
            "source=v,target=/b",
            "type=nfs,target=/b",
            "type=tmpfs,target=/b,bind-propagation=shared",
            "type=bind,source=/a,target=/b,tmpfs-size=1m",
            "type=bind,source=/a,target=/b,readonly=maybe",
            "type=bind,source=/a,target=b",
            "type=bind,source=/a,target=/b,unknown",
            "type=bind,source=,target=/b",
            "type=tmpfs,target=/t,tmpfs-mode=9",
        ] {
            assert!(read(mount, text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_mounts_are_closed_unless_opened() {
        let mount = read(tmpfs, "/run").unwrap();
        assert!(mount.options.noexec && !mount.options.suid && !mount.options.dev);
        let mount = read(tmpfs, "/run:exec,size=64m,mode=755,ro").unwrap();
        assert_eq!(mount.source, MountSource::Tmpfs { size: Some(64 << 20), mode: Some(0o755) });
        assert!(mount.read_only && !mount.options.noexec);
        for text in
            ["", "run", "/", "/run:size=0", "/run:uid=5", "/run:rshared", "/run:what", "/run:mode=rwx"]
        {
            assert!(read(tmpfs, text).is_err(), "{text}");
        }
    }

    #[test]
    fn overlay_words_and_directories_are_told_apart() {
        let mut draft = Draft::default();
        overlay(&mut draft, &"memory".into()).unwrap();
        assert_eq!(draft.request.overlay, Overlay::Memory);
        overlay(&mut draft, &"/keep".into()).unwrap();
        assert_eq!(draft.request.overlay, Overlay::Kept("/keep".into()));
        assert!(overlay(&mut draft, &"keep".into()).is_err());
    }
}
