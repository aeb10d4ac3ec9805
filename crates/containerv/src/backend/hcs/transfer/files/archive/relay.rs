//! An archive that passes through: read and written again, so that what comes out is what was understood.

use std::io::{self, Read, Write};

use super::super::content::BUFFER;
use super::extract::names_of;
use crate::archive::{Entry, Fault, Kind, Member, Output, Reader};
use crate::backend::transfer::Meter;
use crate::copy::{CopyOptions, CopySummary};
use crate::{Error, Result};

/// Passes an archive on, and counts what is in it. With `check`, names that are no plain names of
/// Windows are refused: whoever wrote it is not trusted.
///
/// # Errors
///
/// A damaged archive, a refused name; what the stream said that takes it.
pub(crate) fn relay(
    from: impl Read,
    to: impl Write,
    check: bool,
    options: &CopyOptions,
) -> Result<CopySummary> {
    let mut reader = Reader::new(io::BufReader::with_capacity(BUFFER, from));
    let mut output = Output::new(io::BufWriter::with_capacity(BUFFER, to));
    let mut meter = Meter::new(options.progress.clone());
    let mut buffer = vec![0; BUFFER];
    let failed = |error| Error::io(error, "write the archive");
    while let Some(member) = reader.next().map_err(Fault::into_error)? {
        if check {
            checked(&member).map_err(|complaint| Fault::from(complaint).about(&member.name).into_error())?;
        }
        output.header(&entry(&member)).map_err(failed)?;
        let mut left = member.stored;
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = reader.read(&mut buffer[..room]).map_err(Fault::into_error)?;
            output.content(&buffer[..count]).map_err(failed)?;
            left -= count as u64;
            meter.moved(count as u64);
        }
        output.pad(member.stored).map_err(failed)?;
        meter.moved(member.metadata.size.saturating_sub(member.stored));
        meter.entry(|summary| match member.kind {
            Kind::File | Kind::HardLink => &mut summary.files,
            Kind::Directory => &mut summary.directories,
            Kind::Symlink => &mut summary.symlinks,
            _ => &mut summary.special,
        });
    }
    reader.drain().map_err(Fault::into_error)?;
    output.finish().map_err(failed)?;
    Ok(meter.summary)
}

fn checked(member: &Member) -> Result<(), String> {
    names_of(&member.name)?;
    if member.kind == Kind::HardLink {
        names_of(&member.link).map_err(|complaint| format!("as link target {complaint}"))?;
    }
    Ok(())
}

fn entry(member: &Member) -> Entry<'_> {
    let name = member.name.strip_suffix(b"/").unwrap_or(&member.name);
    Entry {
        name,
        link: &member.link,
        kind: member.kind,
        metadata: &member.metadata,
        attributes: &member.attributes,
        foreign: &member.foreign,
        sparse: member.sparse.as_ref(),
    }
}
