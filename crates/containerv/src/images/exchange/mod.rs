//! Images as files: OCI image layouts, and archives as `docker save` writes them.
//!
//! What is written is both at once: an image layout (image-spec, `image-layout.md`) with Docker's `manifest.json`
//! beside its index, as a directory or in a tar archive.

mod docker;
mod layout;
mod load;
mod place;
mod save;

pub use load::LoadOptions;
pub use save::SaveFormat;

/// The file that says that a directory is an image layout.
const MARKER: &str = "oci-layout";
/// The index of an image layout.
const INDEX: &str = "index.json";
/// Docker's list of images.
const DOCKER_MANIFEST: &str = "manifest.json";
/// Annotation of a descriptor in an index: the tag, or the whole name.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation that Docker and containerd write: the whole name.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// Lists the images of an archive, for a fuzz target: how many names they have.
#[cfg(all(feature = "fuzzing", target_os = "linux"))]
pub(crate) fn list_archive(archive: std::sync::Arc<std::fs::File>) -> crate::Result<usize> {
    let place = place::Place::archive(archive)?;
    if let Some(found) = layout::images(&place)? {
        return Ok(found.iter().map(|image| image.names.len()).sum());
    }
    let mut names = 0;
    for listed in docker::images(&place)?.unwrap_or_default() {
        listed.open(&place, &mut std::collections::HashMap::new())?;
        names += listed.names()?.len();
    }
    Ok(names)
}
