//! What the fuzz targets reach of copies for Windows: each parser as it is, with public types.

use containerv_spec::OsText;

use super::changes;
use super::path::{self, Step};
use super::reparse::Link;
use crate::base64;

/// Names in UTF-16.
pub type Names = Vec<Vec<u16>>;

/// Reads a path in a container: its names, and whether a directory is asked for, or its content.
pub fn container_path(text: &[u8]) -> Option<(Names, bool, bool)> {
    let path = path::parse(&OsText::from_bytes(text)).ok()?;
    Some((path.names, path.asks_directory, path.content))
}

/// Says whether a name is a plain one.
pub fn is_plain_name(name: &[u16]) -> bool {
    path::check(name).is_ok()
}

/// Reads the data of a link: what is written of it again, and the names that it leads through, if it
/// leads to anywhere in a container.
pub fn reparse_data(data: &[u8]) -> Option<(Option<Vec<u8>>, Names)> {
    Link::read(data).map(told)
}

/// Reads the target of a link in an archive, the same way; and as an archive has it again.
pub fn link_text(text: &[u8], junction: bool) -> Option<(Names, Option<String>)> {
    let link = Link::of_text(text, junction).ok()?;
    let text = link.text();
    Some((told(link).1, text))
}

fn told(link: Link) -> (Option<Vec<u8>>, Names) {
    let steps = link.lead(None).map_or_else(|_| Vec::new(), |target| target.steps);
    let down = |step| match step {
        Step::Up => None,
        Step::Down(name) => Some(name),
    };
    (link.write(), steps.into_iter().filter_map(down).collect())
}

/// Reads base 64, and writes it again.
pub fn base_64(text: &[u8]) -> Option<String> {
    base64::decode(text).map(|bytes| base64::encode(&bytes))
}

/// Reads a list of what is gone from a layer.
pub fn tombstones(content: &[u8]) -> Result<Vec<String>, String> {
    changes::tombstones(content)
}
