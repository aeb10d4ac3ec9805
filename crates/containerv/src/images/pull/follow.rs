//! A file that is read while another thread still writes it: a blob that is unpacked as it is downloaded.
//!
//! The reader reads what the writer has just written, which is in memory then. Neither waits in the other's way:
//! however long an unpacking waits for the layers below, the download goes on.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The writer's side. Dropping it without [`Growth::end`] makes the reader fail.
pub(super) struct Growth(Arc<Shared>);

/// The reader's side.
pub(super) struct Follower {
    file: File,
    position: u64,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    length: u64,
    end: End,
    read: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Open,
    Whole,
    Broken,
}

/// Follows a file that has so many bytes by now, from its beginning.
pub(super) fn follow(file: File, length: u64) -> (Growth, Follower) {
    let state = State { length, end: End::Open, read: true };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
    (Growth(shared.clone()), Follower { file, position: 0, shared })
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Growth {
    /// The file has so many bytes; `false` if nobody reads it any more.
    pub(super) fn reached(&self, length: u64) -> bool {
        let mut state = self.0.state();
        state.length = length;
        self.0.changed.notify_all();
        state.read
    }

    /// The file is whole.
    pub(super) fn end(self) {
        self.0.state().end = End::Whole;
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.end == End::Open {
            state.end = End::Broken;
        }
        self.0.changed.notify_all();
    }
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = {
            let mut state = self.shared.state();
            loop {
                match (state.length - self.position, state.end) {
                    (0, End::Whole) => return Ok(0),
                    (_, End::Broken) => {
                        return Err(io::Error::new(
                            io::ErrorKind::ConnectionAborted,
                            "the download has stopped",
                        ));
                    }
                    (0, End::Open) => {
                        state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    }
                    (available, _) => break available,
                }
            }
        };
        let most = usize::try_from(available).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.state().read = false;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(name: &str) -> (std::path::PathBuf, File) {
        let path = std::env::temp_dir().join(format!("containerv-follow-{name}-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        (path, file)
    }

    #[test]
    fn what_is_written_is_read_up_to_the_end() {
        let (path, mut file) = file("whole");
        file.write_all(b"begin").unwrap();
        let (growth, mut follower) = follow(File::open(&path).unwrap(), 5);
        let writer = std::thread::spawn(move || {
            for number in 0..200u8 {
                file.write_all(&[number; 300]).unwrap();
                assert!(growth.reached(5 + 300 * (u64::from(number) + 1)));
            }
            growth.end();
        });
        let mut bytes = Vec::new();
        follower.read_to_end(&mut bytes).unwrap();
        writer.join().unwrap();
        assert_eq!((bytes.len(), &bytes[..5], bytes[60_004]), (60_005, b"begin".as_slice(), 199));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_download_that_stops_is_no_end() {
        let (path, mut file) = file("broken");
        let (growth, mut follower) = follow(File::open(&path).unwrap(), 0);
        file.write_all(b"abc").unwrap();
        assert!(growth.reached(3));
        let mut bytes = [0; 3];
        follower.read_exact(&mut bytes).unwrap();
        drop(growth);
        assert_eq!(follower.read(&mut bytes).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_writer_learns_that_nobody_reads() {
        let (path, _file) = file("alone");
        let (growth, follower) = follow(File::open(&path).unwrap(), 0);
        assert!(growth.reached(0));
        drop(follower);
        assert!(!growth.reached(0));
        std::fs::remove_file(path).unwrap();
    }
}
