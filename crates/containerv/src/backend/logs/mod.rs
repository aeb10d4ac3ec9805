//! Logs of supervised containers, as their monitors write them.

pub(crate) mod entry;

use std::time::Duration;

use super::clock::now_unix_ns;
use super::lines::{Line, Lines, Series, Verdict, Watch};
use crate::Result;
use crate::logs::{LogEntry, LogOptions, LogStream};

/// Name of the newest file in the container's directory.
pub(crate) const NAME: &str = "container.log";
/// Most bytes of a line: an entry has at most 16 KiB, of which each byte may be escaped as `\u00xx`.
pub(crate) const MAX_LINE: usize = 128 << 10;

/// Who writes a log.
pub(crate) trait Writer {
    /// Says whether more may come.
    fn is_writing(&self) -> Result<bool>;
}

/// Entries of a log.
#[derive(Debug)]
pub(crate) struct Logs<W> {
    lines: Lines,
    options: LogOptions,
    writer: W,
    /// Set while the log may grow and its reader waits for that.
    watch: Option<Watch>,
    /// Nobody writes any more; what is there is read to its end.
    complete: bool,
    finished: bool,
}

impl<W> Logs<W> {
    /// Opens a log.
    pub(crate) fn open(series: Series, writer: W, options: LogOptions) -> Result<Self> {
        // Watched before the first look, so that nothing comes in between.
        let watch = options.follow.then(|| Watch::new(&series.directory));
        let mut lines = Lines::open(series, options.follow)?;
        if let Some(wanted) = options.tail {
            lines.begin_at_last(wanted, |line| judge(&options, line))?;
        }
        Ok(Self { lines, options, writer, watch, complete: false, finished: false })
    }
}

/// Says whether the options let an entry through.
fn is_wanted(options: &LogOptions, entry: &LogEntry) -> bool {
    let stream = match entry.stream {
        LogStream::Stdout => options.stdout,
        LogStream::Stderr => options.stderr,
    };
    stream
        && options.since_unix_ns.is_none_or(|since| entry.time_unix_ns >= since)
        && options.until_unix_ns.is_none_or(|until| entry.time_unix_ns <= until)
}

/// Damaged lines count as lines: they are reported.
fn judge(options: &LogOptions, line: &Line) -> Verdict {
    let entry = match line {
        Line::Whole(bytes) => entry::parse(bytes).ok(),
        _ => None,
    };
    let before = |entry: &LogEntry| options.since_unix_ns.is_some_and(|since| entry.time_unix_ns < since);
    match entry {
        Some(entry) if before(&entry) => Verdict::Ends,
        Some(entry) if !is_wanted(options, &entry) => Verdict::Passes,
        _ => Verdict::Counts,
    }
}

impl<W: Writer> Logs<W> {
    pub(crate) fn next(&mut self) -> Option<Result<LogEntry>> {
        while !self.finished {
            match self.lines.next_line() {
                Ok(Some(line)) => {
                    if let Some(item) = self.take(&line) {
                        return Some(item);
                    }
                }
                Ok(None) => {
                    if let Some(item) = self.at_end() {
                        return Some(item);
                    }
                }
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    fn take(&self, line: &Line) -> Option<Result<LogEntry>> {
        let parsed = match line {
            Line::Whole(bytes) => entry::parse(bytes),
            Line::TooLong => Err("it is longer than an entry can be"),
            Line::CutOff => Err("it is cut off"),
        };
        match parsed {
            Ok(entry) => is_wanted(&self.options, &entry).then_some(Ok(entry)),
            Err(what) => Some(Err(self.lines.damaged(what))),
        }
    }

    /// Waits, or finishes with what is left.
    fn at_end(&mut self) -> Option<Result<LogEntry>> {
        let written = match self.writer.is_writing() {
            Ok(written) => written,
            Err(error) => {
                self.finished = true;
                return Some(Err(error));
            }
        };
        let time_is_up = self.options.until_unix_ns.is_some_and(|until| now_unix_ns() > until);
        match &self.watch {
            Some(watch) if written && !time_is_up => {
                watch.wait(&[], self.patience());
                return None;
            }
            // What was written before the end was seen is still to be read.
            Some(_) if !written && !self.complete => {
                self.complete = true;
                return None;
            }
            _ => {}
        }
        self.finished = true;
        // A line that is being written now is not damaged.
        if written { None } else { self.lines.rest().and_then(|line| self.take(&line)) }
    }

    fn patience(&self) -> Duration {
        let until = self.options.until_unix_ns;
        until.map_or(Duration::MAX, |until| Duration::from_nanos(until.saturating_sub(now_unix_ns()) + 1))
    }
}
