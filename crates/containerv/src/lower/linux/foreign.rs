//! What a request asks for and a Linux container cannot have: each by the name of its option.

use containerv_spec::OsText;
use containerv_spec::request::{Isolation, Layers, MountSource, Network, Root};

use super::Draft;
use crate::ErrorKind::Unsupported;

const WINDOWS: &str = "leave it out; it is for containers on Windows";
const NETWORK: &str = "use `--network host`, or leave it out";

/// Says whether layers are of an image for Windows: it has a version, and paths there begin with a drive.
pub(super) fn is_of_windows(layers: &Layers) -> bool {
    let drive = |path: &OsText| matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    layers.os_version.is_some() || layers.folders.iter().any(drive)
}

/// Checks for options of other systems, and for those that Linux does not have yet.
pub(super) fn request(draft: &mut Draft<'_>) {
    let request = draft.request;
    let mut refuse = |asked: bool, option: &str, why: &str, hint: &str| {
        if asked {
            draft.problem(Unsupported, format!("`{option}`: {why}"), hint);
        }
    };
    refuse(
        request.isolation == Isolation::Vm,
        "--isolation vm",
        "virtual machines are not offered on Linux yet",
        "use `--isolation process`",
    );
    refuse(
        matches!(&request.root, Root::Layers(layers) if is_of_windows(layers)),
        "--layer",
        "layers of a Windows image cannot run on Linux",
        "use the image `host`, or `--rootfs DIR`",
    );
    refuse(
        request.mounts.iter().any(|mount| matches!(mount.source, MountSource::NamedPipe { .. })),
        "--mount type=npipe",
        "there are no named pipes of Windows here",
        "bind the directory of a Unix socket",
    );
    if let Network::Named(network) = &request.network {
        let option = format!("--network {}", network.name);
        refuse(true, &option, "networks with a name are not offered on Linux yet", NETWORK);
    }
    refuse(!request.ports.is_empty(), "--publish", "ports are not published on Linux yet", NETWORK);
    refuse(
        !request.dns.is_empty(),
        "--dns",
        "name servers are not offered on Linux yet",
        "bind a resolv.conf: `-v FILE:/etc/resolv.conf:ro`",
    );
    refuse(
        !request.assigned_devices.is_empty(),
        "--device class/",
        "devices have files on Linux",
        "name the device's file, as `--device /dev/dri/renderD128`",
    );
    refuse(request.storage_bytes.is_some(), "--storage-opt size", "the root has no size of its own", WINDOWS);
    refuse(
        request.security.credential_spec.is_some(),
        "--security-opt credentialspec",
        "there are no group managed service accounts here",
        WINDOWS,
    );
}
