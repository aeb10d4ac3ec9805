//! The bytes of files, holes kept.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::windows::fs::FileExt;
use std::os::windows::io::AsHandle;

use containerv_sys::windows::relative::{self, SPARSE};

use super::node::Node;
use super::obstacle::Obstacle;
use crate::backend::transfer::Meter;

/// Bytes moved by one pair of calls.
pub(super) const BUFFER: usize = 1 << 20;

/// How much of a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// To its end, wherever that is by then.
    ToEnd,
    /// No more than its size when it was opened: whoever appends faster than we read must not keep
    /// us reading.
    AsOpened,
}

fn write_failed(error: io::Error) -> Obstacle {
    Obstacle::System("write", error)
}

/// Copies the content of `from`, which `node` describes, to the empty file `to`.
pub(super) fn copy(
    mut from: &File,
    node: &Node,
    mut to: &File,
    extent: Extent,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<(), Obstacle> {
    if node.information.attributes & SPARSE != 0 && copy_sparse(from, node.size(), to, buffer, meter)? {
        return Ok(());
    }
    let most = if extent == Extent::ToEnd { u64::MAX } else { node.size() };
    let mut done = 0;
    while done < most {
        let room = buffer.len().min(usize::try_from(most - done).unwrap_or(usize::MAX));
        let count = match from.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Obstacle::Read(error)),
        };
        to.write_all(&buffer[..count]).map_err(write_failed)?;
        done += count as u64;
        meter.moved(count as u64);
    }
    Ok(())
}

/// Copies what is no hole; false, and nothing was done, if one of the file systems has none.
fn copy_sparse(
    from: &File,
    size: u64,
    to: &File,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<bool, Obstacle> {
    let Ok(mut ranges) = relative::allocated_ranges(from.as_handle(), 0, size) else { return Ok(false) };
    if relative::set_sparse(to.as_handle()).is_err() {
        return Ok(false);
    }
    to.set_len(size).map_err(write_failed)?;
    let (mut position, mut stored) = (0, 0);
    while !ranges.is_empty() {
        for range in ranges {
            copy_range(from, range.clone(), to, buffer, meter)?;
            (position, stored) = (range.end, stored + (range.end - range.start));
        }
        ranges = relative::allocated_ranges(from.as_handle(), position, size).map_err(Obstacle::Read)?;
    }
    meter.moved(size - stored);
    Ok(true)
}

fn copy_range(
    from: &File,
    range: std::ops::Range<u64>,
    to: &File,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<(), Obstacle> {
    let mut at = range.start;
    while at < range.end {
        let room = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        let count = match from.seek_read(&mut buffer[..room], at) {
            // It became shorter; what is missing stays a hole.
            Ok(0) => break,
            Ok(count) => count,
            Err(error) => return Err(Obstacle::Read(error)),
        };
        write_all_at(to, &buffer[..count], at)?;
        at += count as u64;
        meter.moved(count as u64);
    }
    Ok(())
}

/// Writes bytes at an offset.
pub(super) fn write_all_at(to: &File, mut bytes: &[u8], mut offset: u64) -> Result<(), Obstacle> {
    while !bytes.is_empty() {
        let count = to.seek_write(bytes, offset).map_err(write_failed)?;
        if count == 0 {
            return Err(write_failed(io::ErrorKind::WriteZero.into()));
        }
        bytes = &bytes[count..];
        offset += count as u64;
    }
    Ok(())
}
