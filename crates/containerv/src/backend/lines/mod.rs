//! Reads lines of a file that somebody else appends to and rotates: `NAME` is the newest file,
//! `NAME.1` the one before it, and so on.
//!
//! Whoever rotates renames the files, the oldest first, and begins a new one; it never writes to a
//! renamed file again. So a reader that holds its file open and reads it to its end *after* it
//! found another file under its name has lost nothing.

mod backwards;
mod system;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

pub(crate) use backwards::Verdict;
pub(crate) use system::{Directory, Watch, open_directory};
use system::{Identity, OpenFile};

use crate::{Error, ErrorKind, Result};

/// How much is read at once.
const BLOCK: usize = 64 << 10;

/// A file and its predecessors.
#[derive(Debug)]
pub(crate) struct Series {
    /// The directory they are in.
    pub(crate) directory: Directory,
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// Name of the newest file.
    pub(crate) name: &'static str,
    /// How many files there are at most, the newest included.
    pub(crate) files: u32,
    /// Most bytes of a line; a longer one is damaged.
    pub(crate) max_line: usize,
}

/// An open file of a series.
#[derive(Debug)]
struct Segment {
    file: OpenFile,
    name: String,
    identity: Identity,
    /// Where the next read begins.
    offset: u64,
    /// Where reading ends, unless it goes on with what is appended.
    limit: u64,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its bytes without the line end.
    Whole(Vec<u8>),
    /// It is longer than allowed.
    TooLong,
    /// The file ends before the line does, and will not go on.
    CutOff,
}

/// Where a line is, for messages.
#[derive(Debug)]
pub(crate) struct Place {
    /// Path of its file.
    pub(crate) path: PathBuf,
    /// Its number, from 1.
    pub(crate) number: u64,
}

/// Reads the lines of a series, the oldest first.
#[derive(Debug)]
pub(crate) struct Lines {
    series: Series,
    follow: bool,
    /// The files that are still to be read; reading is in the first.
    segments: VecDeque<Segment>,
    /// What was read and not yet returned; ends at the first segment's offset.
    buffer: Vec<u8>,
    /// How much of the buffer was returned.
    taken: usize,
    /// The rest of a line that is too long is being passed over.
    passing: bool,
    /// Where the line begins that was returned last.
    last: u64,
    /// Its file, if that is not the first one any more.
    finished: Option<Segment>,
}

impl Series {
    fn open(&self, number: u32) -> Result<Option<Segment>> {
        let name = if number == 0 { self.name.to_owned() } else { format!("{}.{number}", self.name) };
        let opened = OpenFile::open(&self.directory, &name).map_err(|error| self.failed(error, &name))?;
        Ok(opened.map(|(file, identity, limit)| Segment { file, name, identity, offset: 0, limit }))
    }

    /// Opens the files from the newest to the one after `known`, and returns them oldest first.
    ///
    /// A rotation meanwhile moves files to higher numbers: one may be seen twice, which its
    /// identity tells, or its name may be missing for a moment. After two rotations a newer file
    /// could be taken for an older one, so the look is taken again until the newest file stayed
    /// the same.
    fn open_newer(&self, known: Option<Identity>) -> Result<VecDeque<Segment>> {
        let mut newest = self.identity_of_newest()?;
        loop {
            let found = self.open_down_to(known)?;
            let now = self.identity_of_newest()?;
            if now == newest {
                return Ok(found);
            }
            newest = now;
        }
    }

    fn identity_of_newest(&self) -> Result<Option<Identity>> {
        Ok(self.open(0)?.map(|segment| segment.identity))
    }

    fn open_down_to(&self, known: Option<Identity>) -> Result<VecDeque<Segment>> {
        let mut found: VecDeque<Segment> = VecDeque::new();
        for number in 0..self.files {
            let Some(segment) = self.open(number)? else { continue };
            if Some(segment.identity) == known {
                break;
            }
            if found.iter().all(|other| other.identity != segment.identity) {
                found.push_front(segment);
            }
        }
        Ok(found)
    }

    fn failed(&self, error: io::Error, name: &str) -> Error {
        Error::io(error, format!("cannot read `{}`", self.path.join(name).display()))
    }
}

impl Lines {
    /// Opens a series as it is now; with `follow`, lines that are appended later are read as well.
    pub(crate) fn open(series: Series, follow: bool) -> Result<Self> {
        let segments = series.open_newer(None)?;
        Ok(Self {
            series,
            follow,
            segments,
            buffer: Vec::new(),
            taken: 0,
            passing: false,
            last: 0,
            finished: None,
        })
    }

    /// Returns the next line; `None` if there is no further one, or not yet.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            if let Some(line) = self.take_buffered() {
                return Ok(Some(line));
            }
            if self.fill()? {
                continue;
            }
            if self.segments.len() > 1 {
                if let Some(line) = self.leave_segment() {
                    return Ok(Some(line));
                }
            } else if !self.follow || !self.find_newer()? {
                return Ok(None);
            }
        }
    }

    /// Returns what is left of a last line without an end, once nobody writes any more.
    pub(crate) fn rest(&mut self) -> Option<Line> {
        if self.segments.is_empty() { None } else { self.leave_segment() }
    }

    /// Says where the line is that was returned last. Counts the lines before it, so it is for
    /// messages only.
    pub(crate) fn place(&self) -> Place {
        let segment = self.finished.as_ref().or(self.segments.front());
        let name = segment.map_or(self.series.name, |segment| segment.name.as_str());
        let before = segment.map_or(0, |segment| segment.lines_before(self.last));
        Place { path: self.series.path.join(name), number: before + 1 }
    }

    fn take_buffered(&mut self) -> Option<Line> {
        loop {
            let pending = self.buffer.get(self.taken..).unwrap_or(&[]);
            let Some(length) = pending.iter().position(|byte| *byte == b'\n') else {
                return self.give_up_long_line();
            };
            let begins = self.begin();
            let bytes = pending[..length].to_vec();
            self.taken += length + 1;
            if std::mem::take(&mut self.passing) {
                continue;
            }
            self.note(begins);
            let long = bytes.len() > self.series.max_line;
            return Some(if long { Line::TooLong } else { Line::Whole(bytes) });
        }
    }

    /// Drops the beginning of a line that is too long already, so that memory stays bounded.
    fn give_up_long_line(&mut self) -> Option<Line> {
        if self.buffer.len() - self.taken <= self.series.max_line {
            return None;
        }
        let begins = self.begin();
        self.buffer.clear();
        self.taken = 0;
        if std::mem::replace(&mut self.passing, true) {
            return None;
        }
        self.note(begins);
        Some(Line::TooLong)
    }

    /// Offset of the first byte that was not returned.
    fn begin(&self) -> u64 {
        let offset = self.segments.front().map_or(0, |segment| segment.offset);
        offset - (self.buffer.len() - self.taken) as u64
    }

    fn note(&mut self, begins: u64) {
        self.last = begins;
        self.finished = None;
    }

    /// Reads on in the first file; says whether there was anything.
    fn fill(&mut self) -> Result<bool> {
        let Some(segment) = self.segments.front_mut() else { return Ok(false) };
        self.buffer.drain(..std::mem::take(&mut self.taken));
        let mut most = BLOCK as u64;
        if !self.follow {
            most = most.min(segment.limit.saturating_sub(segment.offset));
        }
        let length = self.buffer.len();
        self.buffer.resize(length + most as usize, 0);
        let read = segment.file.read_at(&mut self.buffer[length..], segment.offset);
        let count = read.map_err(|error| self.series.failed(error, &segment.name))?;
        self.buffer.truncate(length + count);
        segment.offset += count as u64;
        if count == 0 && segment.was_truncated() {
            (segment.offset, self.passing) = (0, false);
            self.buffer.clear();
            return Ok(true);
        }
        Ok(count > 0)
    }

    /// Goes on to the next file. What is left without a line end is a line that was cut off.
    fn leave_segment(&mut self) -> Option<Line> {
        let begins = self.begin();
        let passing = std::mem::take(&mut self.passing);
        let left = self.buffer.len() > self.taken;
        self.buffer.clear();
        self.taken = 0;
        let segment = self.segments.pop_front();
        if !left || passing {
            return None;
        }
        self.last = begins;
        self.finished = segment;
        Some(Line::CutOff)
    }

    /// Looks for files that were begun after the one that was read to its end.
    fn find_newer(&mut self) -> Result<bool> {
        let known = self.segments.back().map(|segment| segment.identity);
        let newest = system::identity(&self.series.directory, self.series.name)
            .map_err(|error| self.series.failed(error, self.series.name))?;
        // There is none while it is being rotated, and once the directory was removed.
        if newest.is_none() || newest == known {
            return Ok(false);
        }
        let mut newer = self.series.open_newer(known)?;
        let found = !newer.is_empty();
        self.segments.append(&mut newer);
        Ok(found)
    }

    /// Whether there was nothing to read when the files were opened.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.iter().all(|segment| segment.limit == 0)
    }

    /// The error for a damaged line that was returned last.
    pub(crate) fn damaged(&self, what: &str) -> Error {
        let place = self.place();
        let message = format!("`{}` is damaged in line {}: {what}", place.path.display(), place.number);
        Error::new(ErrorKind::Corrupt, message).with_hint("the lines after it are read all the same")
    }
}

impl Segment {
    fn was_truncated(&self) -> bool {
        self.file.size().is_ok_and(|size| size < self.offset)
    }

    fn lines_before(&self, end: u64) -> u64 {
        let mut buffer = vec![0u8; BLOCK];
        let (mut offset, mut lines) = (0, 0);
        while offset < end {
            let most = buffer.len().min((end - offset) as usize);
            let Ok(count @ 1..) = self.file.read_at(&mut buffer[..most], offset) else { break };
            lines += buffer[..count].iter().filter(|byte| **byte == b'\n').count() as u64;
            offset += count as u64;
        }
        lines
    }
}
