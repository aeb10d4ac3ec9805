//! The bytes of regular files, holes kept.

use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;
use rustix::io::{Errno, retry_on_intr};

use super::make::Obstacle;
use super::node::Node;
use crate::backend::transfer::Meter;

/// Bytes moved by one pair of calls: more bring nothing, and many more leave the processor's cache.
pub(crate) const BUFFER: usize = 128 << 10;

/// Size from which on files are copied by copy_file_range(2). For small ones the call only costs time.
const BY_KERNEL: u64 = 256 << 10;

/// Bytes moved by one copy_file_range(2), after which progress is told.
const STRIDE: u64 = 1 << 20;

/// How much of a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// To its end, wherever that is by then.
    ToEnd,
    /// No more than its size when it was opened: whoever appends faster than we read must not keep
    /// us reading.
    AsOpened,
}

/// Copies the content of `from`, which `node` describes, to the empty file `to`.
pub(crate) fn copy(
    from: BorrowedFd<'_>,
    node: &Node,
    to: BorrowedFd<'_>,
    extent: Extent,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<(), Obstacle> {
    if node.is_sparse() {
        return copy_sparse(from, node.size, to, buffer, meter);
    }
    let most = if extent == Extent::ToEnd { u64::MAX } else { node.size };
    let mut done = if node.size < BY_KERNEL { 0 } else { copy_by_kernel(from, to, most, meter) };
    while done < most {
        let room = buffer.len().min(usize::try_from(most - done).unwrap_or(usize::MAX));
        let count = retry_on_intr(|| rustix::io::read(from, &mut buffer[..room])).map_err(Obstacle::Read)?;
        if count == 0 {
            break;
        }
        write_all(to, &buffer[..count])?;
        done += count as u64;
        meter.moved(count as u64);
        // A read(2) of a regular file returns less than asked only at its end.
        if count < room && done >= node.size {
            break;
        }
    }
    Ok(())
}

/// Writes the whole content of a file that was read before.
pub(super) fn write(to: BorrowedFd<'_>, content: &[u8], meter: &mut Meter) -> Result<(), Obstacle> {
    write_all(to, content)?;
    meter.moved(content.len() as u64);
    Ok(())
}

/// Lets the kernel copy; returns how many bytes it did. What it cannot do, or says is wrong, is left to
/// who reads and writes from there on.
fn copy_by_kernel(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: u64, meter: &mut Meter) -> u64 {
    let mut done = 0;
    while done < most {
        let count = usize::try_from(STRIDE.min(most - done)).unwrap_or(usize::MAX);
        match retry_on_intr(|| rustix::fs::copy_file_range(from, None, to, None, count)) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                done += count as u64;
                meter.moved(count as u64);
            }
        }
    }
    done
}

fn copy_sparse(
    from: BorrowedFd<'_>,
    size: u64,
    to: BorrowedFd<'_>,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<(), Obstacle> {
    let mut position = 0;
    while position < size {
        let Some(data) = next_data(from, position, size)? else { break };
        meter.moved(data.start - position);
        position = copy_range(from, data.clone(), to, buffer, meter)?;
        if position < data.end {
            break;
        }
    }
    meter.moved(size - position);
    rustix::fs::ftruncate(to, size).map_err(|errno| Obstacle::System("extend", errno))
}

/// Returns the next run of data at or after `position`; a file system without holes says it is all data.
pub(crate) fn next_data(
    file: BorrowedFd<'_>,
    position: u64,
    size: u64,
) -> Result<Option<std::ops::Range<u64>>, Obstacle> {
    let start = match rustix::fs::seek(file, SeekFrom::Data(position)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some(position..size)),
        Err(errno) => return Err(Obstacle::Read(errno)),
    };
    if start >= size {
        return Ok(None);
    }
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) => end.min(size),
        Err(Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(Obstacle::Read(errno)),
    };
    Ok((end > start).then_some(start..end))
}

/// Copies a range to the same place; returns where it ended, which is earlier if the source shrank.
fn copy_range(
    from: BorrowedFd<'_>,
    range: std::ops::Range<u64>,
    to: BorrowedFd<'_>,
    buffer: &mut [u8],
    meter: &mut Meter,
) -> Result<u64, Obstacle> {
    let mut position = range.start;
    while position < range.end {
        let room = buffer.len().min(usize::try_from(range.end - position).unwrap_or(usize::MAX));
        let count = retry_on_intr(|| rustix::io::pread(from, &mut buffer[..room], position))
            .map_err(Obstacle::Read)?;
        if count == 0 {
            break;
        }
        write_all_at(to, &buffer[..count], position)?;
        position += count as u64;
        meter.moved(count as u64);
    }
    Ok(position)
}

/// Writes all bytes where the file stands.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Obstacle> {
    while !bytes.is_empty() {
        let count = retry_on_intr(|| rustix::io::write(to, bytes)).map_err(wrote)?;
        bytes = &bytes[count.max(1).min(bytes.len())..];
    }
    Ok(())
}

/// Writes all bytes at a position.
pub(crate) fn write_all_at(to: BorrowedFd<'_>, mut bytes: &[u8], mut position: u64) -> Result<(), Obstacle> {
    while !bytes.is_empty() {
        let count = retry_on_intr(|| rustix::io::pwrite(to, bytes, position)).map_err(wrote)?;
        let count = count.max(1).min(bytes.len());
        bytes = &bytes[count..];
        position += count as u64;
    }
    Ok(())
}

fn wrote(errno: Errno) -> Obstacle {
    Obstacle::System("write", errno)
}
