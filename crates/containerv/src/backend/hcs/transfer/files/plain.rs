//! One regular file to one path, as the C interface promises.

use std::fs::File;
use std::os::windows::io::AsHandle;

use containerv_sys::windows::relative::{self, Access};

use super::content::{self, BUFFER};
use super::make;
use super::node::Kind;
use super::obstacle::Obstacle;
use super::place::{self, Destination, Side};
use super::writer::Rules;
use super::{Mappings, open_file};
use crate::backend::transfer::Meter;
use crate::copy::{CopyOptions, CopySummary};
use crate::{Error, ErrorKind, Result};

/// `ERROR_DIRECTORY_NOT_SUPPORTED`, as an HRESULT.
const IS_DIRECTORY: u32 = 0x8007_0150;

/// Copies a regular file to a path: links on either side are followed, and a file that is there is
/// replaced.
pub(super) fn copy(from: Side<'_>, to: Side<'_>, rules: Rules, options: &CopyOptions) -> Result<CopySummary> {
    let source = place::find_source(from, true)?;
    if source.opened.node.kind != Kind::File {
        let text = format!("{} is not a regular file", from.name(&[]));
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let (parent, name, at) = match place::find_destination(to)? {
        Destination::Name { asks_directory: false, parent, name, at, .. } => (parent, name, at),
        Destination::Name { .. } | Destination::Directory(..) => return Err(directory_refused(to)),
    };
    let failed = |obstacle: Obstacle| obstacle.into_error(&from.name(&[]), &to.name(&[]));
    Mappings::of(to, &at).refuse(&name).map_err(failed)?;
    let file = open_file(from, &source.opened, Access::READ).map_err(failed)?;
    let to = File::from(make::file(rules.making, parent.as_handle(), &name).map_err(failed)?);
    let (mut meter, mut buffer) = (Meter::new(options.progress.clone()), vec![0; BUFFER]);
    let written = content::copy(&file, &source.opened.node, &to, rules.extent, &mut buffer, &mut meter);
    if written.is_err() {
        let _ = relative::remove(to.as_handle());
    }
    written.map_err(failed)?;
    meter.entry(|summary| &mut summary.files);
    Ok(meter.summary)
}

pub(super) fn directory_refused(to: Side<'_>) -> Error {
    let text = format!("cannot replace {}: it is, or should be, a directory", to.name(&[]));
    Error::new(ErrorKind::InvalidArgument, text).with_code(IS_DIRECTORY)
}
