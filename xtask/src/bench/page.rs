//! `docs/benchmarks.md`: one part about containers and one about images, each written by a benchmark of its own.

use std::path::PathBuf;

use crate::failure::Result;
use crate::workspace;

/// The heading that the part about images begins with.
const IMAGES: &str = "## Images\n";

fn path() -> PathBuf {
    workspace::root().join("docs/benchmarks.md")
}

/// What is there: about containers, and about images.
fn parts() -> (String, String) {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    let at = text.find(IMAGES).unwrap_or(text.len());
    (text[..at].to_owned(), text[at..].to_owned())
}

fn write(containers: &str, images: &str) -> Result<()> {
    let whole = [containers.trim_end(), images.trim_end()].join("\n\n");
    workspace::write(&path(), whole.trim().to_owned() + "\n")
}

/// Writes what was measured of containers.
pub(super) fn write_containers(text: &str) -> Result<()> {
    write(text, &parts().1)
}

/// Writes what was measured of images.
pub(super) fn write_images(text: &str) -> Result<()> {
    write(&parts().0, &format!("{IMAGES}\n{text}"))
}
