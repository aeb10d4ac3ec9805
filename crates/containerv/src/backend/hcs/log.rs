//! The log file of a monitor, with rotation by size: the lines that monitors of Linux write too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use containerv_spec::request::Log as Settings;
use containerv_sys::frame::MAX_PAYLOAD;
use containerv_sys::logline::{self, Sink};

use crate::backend::logs::NAME;
use crate::logs::LogStream;

/// The log of one container.
#[derive(Debug)]
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    written: u64,
    max_bytes: u64,
    max_files: u32,
    /// Output of each stream since its last line end; an entry is at most as long as with Docker.
    partial: [Vec<u8>; 2],
}

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl Log {
    /// Opens the file; a log of an earlier run is continued.
    pub(super) fn open(directory: &Path, settings: &Settings) -> io::Result<Self> {
        let file = open_newest(directory)?;
        let written = file.metadata()?.len();
        Ok(Self {
            directory: directory.to_owned(),
            file,
            written,
            max_bytes: settings.max_bytes,
            max_files: settings.max_files.clamp(1, Settings::MOST_FILES),
            partial: [Vec::new(), Vec::new()],
        })
    }

    /// Takes output of a stream. What cannot be written is lost: the command goes on.
    pub(super) fn append(&mut self, stream: LogStream, mut bytes: &[u8]) {
        let mut entries = Bytes(Vec::new());
        while !bytes.is_empty() {
            let partial = &mut self.partial[index(stream)];
            let room = &bytes[..bytes.len().min(MAX_PAYLOAD - partial.len())];
            let end = room.iter().position(|byte| *byte == b'\n').map_or(room.len(), |place| place + 1);
            partial.extend_from_slice(&room[..end]);
            if partial.ends_with(b"\n") || partial.len() == MAX_PAYLOAD {
                self.write_entry(stream, &mut entries);
            }
            bytes = &bytes[end..];
        }
        self.flush(&mut entries);
    }

    /// Writes what has no line end yet.
    pub(super) fn finish(mut self) {
        let mut entries = Bytes(Vec::new());
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            if !self.partial[index(stream)].is_empty() {
                self.write_entry(stream, &mut entries);
            }
        }
        self.flush(&mut entries);
    }

    fn write_entry(&mut self, stream: LogStream, entries: &mut Bytes) {
        if self.is_full(entries) {
            self.flush(entries);
            self.rotate();
        }
        let name = if stream == LogStream::Stdout { "stdout" } else { "stderr" };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let partial = &mut self.partial[index(stream)];
        logline::write_entry(entries, partial, name, now.as_secs().cast_signed(), now.subsec_nanos());
        partial.clear();
    }

    fn is_full(&self, entries: &Bytes) -> bool {
        self.max_bytes > 0 && self.written + entries.0.len() as u64 >= self.max_bytes
    }

    /// One write for many entries: a reader, or a crash, never sees half of a line followed by another.
    fn flush(&mut self, entries: &mut Bytes) {
        if self.file.write_all(&entries.0).is_ok() {
            self.written += entries.0.len() as u64;
        }
        entries.0.clear();
    }

    /// Begins a new file, unless a reader holds one that is in the way: then the next entry tries again.
    fn rotate(&mut self) {
        if self.make_room().is_ok()
            && let Ok(file) = open_newest(&self.directory)
        {
            (self.file, self.written) = (file, 0);
            if self.max_files == 1 {
                // A reader that has it open can still read it to its end.
                let _ = fs::remove_file(self.path(1));
            }
        }
    }

    fn path(&self, number: u32) -> PathBuf {
        match number {
            0 => self.directory.join(NAME),
            number => self.directory.join(format!("{NAME}.{number}")),
        }
    }

    /// Renames the files, the oldest first.
    fn make_room(&self) -> io::Result<()> {
        // The name of a removed file is free only once it is closed: the only one is renamed before.
        for number in (0..(self.max_files - 1).max(1)).rev() {
            match fs::rename(self.path(number), self.path(number + 1)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        Ok(())
    }
}

fn index(stream: LogStream) -> usize {
    usize::from(stream == LogStream::Stderr)
}

fn open_newest(directory: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(directory.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("containerv-log-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn open(&self, max_bytes: u64, max_files: u32) -> Log {
            Log::open(&self.0, &Settings { max_bytes, max_files, ..Settings::default() }).unwrap()
        }

        /// What the entries of a file say: stream and text.
        fn entries(&self, name: &str) -> Vec<(String, String)> {
            let text = fs::read_to_string(self.0.join(name)).unwrap_or_default();
            let entry = |line: &str| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["time"].as_str().unwrap().len(), "2026-08-01T12:34:56.000000789Z".len());
                (value["stream"].as_str().unwrap().to_owned(), value["log"].as_str().unwrap().to_owned())
            };
            text.lines().map(entry).collect()
        }

        fn texts(&self, name: &str) -> Vec<String> {
            self.entries(name).into_iter().map(|(_, text)| text).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_entry_is_a_line_of_one_stream() {
        let scratch = Scratch::new("lines");
        let mut log = scratch.open(0, 1);
        log.append(LogStream::Stdout, b"a\nb");
        log.append(LogStream::Stderr, b"e\r\n");
        log.append(LogStream::Stdout, b"c\nrest");
        log.finish();
        scratch.open(0, 1).append(LogStream::Stdout, b"next run\n");
        let expected = [
            ("stdout", "a\n"),
            ("stderr", "e\r\n"),
            ("stdout", "bc\n"),
            ("stdout", "rest"),
            ("stdout", "next run\n"),
        ];
        let found = scratch.entries(NAME);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(stream, text)| (stream.as_str(), text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_long_line_is_cut_into_pieces() {
        let scratch = Scratch::new("long");
        let mut log = scratch.open(0, 1);
        log.append(LogStream::Stdout, &vec![b'x'; MAX_PAYLOAD + 10]);
        log.append(LogStream::Stdout, b"\n");
        log.finish();
        let lengths: Vec<usize> = scratch.texts(NAME).iter().map(String::len).collect();
        assert_eq!(lengths, [MAX_PAYLOAD, 11]);
    }

    #[test]
    fn files_are_rotated_and_the_oldest_is_lost() {
        let scratch = Scratch::new("rotation");
        let mut log = scratch.open(100, 3);
        for number in 0..8 {
            // Two entries are more than 100 bytes.
            log.append(LogStream::Stdout, format!("{number}\n").as_bytes());
        }
        // The same in one piece.
        log.append(LogStream::Stdout, b"8\n9\n");
        log.finish();
        assert_eq!(scratch.texts("container.log.2"), ["4\n", "5\n"]);
        assert_eq!(scratch.texts("container.log.1"), ["6\n", "7\n"]);
        assert_eq!(scratch.texts(NAME), ["8\n", "9\n"]);
        assert!(!scratch.0.join("container.log.3").exists());
    }

    #[test]
    fn one_file_begins_anew() {
        let scratch = Scratch::new("one");
        let mut log = scratch.open(1, 1);
        log.append(LogStream::Stdout, b"a\nb\n");
        log.finish();
        assert_eq!(scratch.texts(NAME), ["b\n"]);
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    }
}
