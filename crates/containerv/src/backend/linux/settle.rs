//! What a request leaves to this machine, looked up once and stored with it.

use std::fs;
use std::io;

use containerv_spec::OsText;
use containerv_spec::request::{Overlay, Request, Root};

use super::{probe, store};
use crate::lower::linux::{SYSTEM_DIRECTORIES, wants_user_namespace};
use crate::{Error, ErrorKind, Result};

/// What every container of the image `host` has mounted in a system directory.
const NETWORK_FILES: [&str; 2] = ["/etc/hosts", "/etc/hostname"];

/// The image `host` is read-only without layers of the container's own, as long as all that is mounted in its system
/// directories has a mount point there. Where one is missing, it gets layers to make it in, and is read-only even so.
pub(super) fn layers(request: &mut Request) {
    let without_layers = request.root == Root::Host
        && request.read_only
        && request.overlay == Overlay::Default
        && request.namespaces.mount;
    if !without_layers {
        return;
    }
    let wanted =
        request.mounts.iter().filter(|mount| mount.options.create_target).map(|mount| mount.target.clone());
    let mut missing = NETWORK_FILES.map(OsText::from).into_iter().chain(wanted).filter(is_missing);
    if missing.next().is_none() {
        return;
    }
    let machine = probe::caller(None);
    // Layers would belong to ids that the container does not have.
    let mapped = machine.is_privileged() && wants_user_namespace(request, &machine);
    if !mapped {
        request.overlay = Overlay::Container;
    }
}

/// Says whether a path lies in a system directory, and nothing is there.
fn is_missing(path: &OsText) -> bool {
    let mut names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let in_system =
        names.next().is_some_and(|first| SYSTEM_DIRECTORIES.iter().any(|name| name.as_bytes() == first));
    let found = fs::symlink_metadata(store::path(path));
    in_system && found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// A path that leads to the caller's own root by a detour, such as `/proc/self/root`, is refused as
/// `/` is.
pub(super) fn refuse_own_root(request: &Request) -> Result<()> {
    let Root::Directory(directory) = &request.root else { return Ok(()) };
    let identity =
        |path: &std::path::Path| rustix::fs::stat(path).map(|stat| (stat.st_dev, stat.st_ino)).ok();
    let found = identity(store::path(directory));
    if found.is_none() || found != identity("/".as_ref()) || !request.namespaces.mount {
        return Ok(());
    }
    let message = format!("`--rootfs {directory}`: the host's own root cannot be a container's");
    Err(Error::new(ErrorKind::InvalidArgument, message).with_hint("use the image `host`, or a directory"))
}

/// Fills in what the paths of devices stand for now.
pub(super) fn devices(request: &mut Request) -> Result<()> {
    for device in &mut request.devices {
        let path = store::path(&device.host_path);
        let stat = rustix::fs::stat(path).map_err(|errno| {
            Error::os(errno.raw_os_error(), format!("`--device {}`: cannot look at it", device.host_path))
        })?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if !kind.is_block_device() && !kind.is_char_device() {
            let message = format!("`--device {}`: not a device", device.host_path);
            return Err(
                Error::new(ErrorKind::InvalidArgument, message).with_hint("bind files with `--mount`")
            );
        }
        device.block = kind.is_block_device();
        let (major, minor) = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
        device.number = Some(containerv_spec::DeviceNumber { major, minor });
    }
    Ok(())
}
