//! Finds where the last lines begin, without reading what is before them.

use std::io;

use super::{BLOCK, Line, Lines, Segment};
use crate::Result;

/// What is to become of a line that was seen from behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is one of those wanted.
    Counts,
    /// It is not counted.
    Passes,
    /// Neither it nor anything before it is wanted.
    Ends,
}

impl Lines {
    /// Begins at the last `wanted` lines that count. Must come before the first line is read.
    pub(crate) fn begin_at_last(
        &mut self,
        wanted: u64,
        mut judge: impl FnMut(&Line) -> Verdict,
    ) -> Result<()> {
        let mut left = wanted;
        let mut index = self.segments.len();
        while index > 0 {
            index -= 1;
            let segment = &mut self.segments[index];
            let rewound = rewind(segment, &mut left, self.series.max_line, &mut judge);
            let ended = rewound.map_err(|error| self.series.failed(error, &self.segments[index].name))?;
            if ended {
                self.segments.drain(..index);
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Sets the offset of a file to its first line that is wanted; says whether that was the end.
fn rewind(
    segment: &mut Segment,
    left: &mut u64,
    max_line: usize,
    judge: &mut impl FnMut(&Line) -> Verdict,
) -> io::Result<bool> {
    let mut window = Window { segment, base: 0, bytes: Vec::new() };
    // A last line without an end is not one yet.
    let mut end = window.line_begin(window.segment.limit)?;
    let mut offset = end;
    let ended = loop {
        if *left == 0 {
            break true;
        }
        if end == 0 {
            break false;
        }
        let begin = window.line_begin(end - 1)?;
        match judge(&window.line(begin, end - 1, max_line)?) {
            Verdict::Counts => {
                *left -= 1;
                offset = begin;
            }
            Verdict::Passes => {}
            Verdict::Ends => break true,
        }
        end = begin;
    };
    segment.offset = offset;
    Ok(ended)
}

/// A part of a file that is in memory.
struct Window<'a> {
    segment: &'a Segment,
    base: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn load(&mut self, begin: u64, end: u64) -> io::Result<()> {
        self.bytes.resize((end - begin) as usize, 0);
        let mut filled = 0;
        while filled < self.bytes.len() {
            match self.segment.file.read_at(&mut self.bytes[filled..], begin + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        self.bytes.truncate(filled);
        self.base = begin;
        Ok(())
    }

    fn slice(&self, begin: u64, end: u64) -> Option<&[u8]> {
        let from = usize::try_from(begin.checked_sub(self.base)?).ok()?;
        self.bytes.get(from..from + (end - begin) as usize)
    }

    /// Returns where the line begins that ends before `end`.
    fn line_begin(&mut self, mut end: u64) -> io::Result<u64> {
        while end > 0 {
            let begin = if self.base < end && end <= self.base + self.bytes.len() as u64 {
                self.base
            } else {
                end.saturating_sub(BLOCK as u64)
            };
            if self.slice(begin, end).is_none() {
                self.load(begin, end)?;
            }
            // A file that was truncated meanwhile has nothing there.
            let Some(bytes) = self.slice(begin, end) else { return Ok(0) };
            if let Some(index) = bytes.iter().rposition(|byte| *byte == b'\n') {
                return Ok(begin + index as u64 + 1);
            }
            end = begin;
        }
        Ok(0)
    }

    fn line(&mut self, begin: u64, end: u64, max_line: usize) -> io::Result<Line> {
        if end - begin > max_line as u64 {
            return Ok(Line::TooLong);
        }
        if self.slice(begin, end).is_none() {
            self.load(begin, end)?;
        }
        Ok(self.slice(begin, end).map_or(Line::CutOff, |bytes| Line::Whole(bytes.to_vec())))
    }
}
