//! Writing files to the disk while later ones are made, so that there is less to wait for when the layer is whole.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use containerv_sys::linux::files::begin_writing;

/// Bytes of a file after which they are begun to be written.
const STEP: u64 = 8 << 20;
/// Files that are smaller are left to the end: one more call for each would take longer.
const LEAST: u64 = 64 << 10;
/// Parts that may wait for the disk. What comes when there are more is left to the end.
const WAITING: usize = 32;

/// A part of a file: its descriptor, offset and length.
type Part = (OwnedFd, u64, u64);

/// Begins to write what has been made, in a thread, which ends with this value. All of it is for speed alone, so
/// nothing of it fails, and nothing of it says what is on the disk.
pub(super) struct Early {
    work: Option<(SyncSender<Part>, JoinHandle<()>)>,
    ended: Arc<AtomicBool>,
}

impl Early {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        let (parts, taken) = sync_channel(WAITING);
        let ended = Arc::new(AtomicBool::new(false));
        let other = ended.clone();
        let started = thread::Builder::new().name("layer-write".into()).spawn(move || begin(&taken, &other));
        Self { work: started.ok().map(|thread| (parts, thread)), ended }
    }

    /// Takes note that the bytes of a file from `begun` to `done` are there, and are `whole` of what comes at once.
    /// Returns the offset up to which they are on their way.
    pub(super) fn written(&self, file: BorrowedFd<'_>, begun: u64, done: u64, whole: bool) -> u64 {
        let length = done - begun;
        if length < if whole { LEAST } else { STEP } {
            return begun;
        }
        if let Some((parts, _)) = &self.work
            && let Ok(file) = rustix::io::fcntl_dupfd_cloexec(file, 0)
        {
            let _ = parts.try_send((file, begun, length));
        }
        done
    }
}

impl Drop for Early {
    /// Leaves the parts that wait to whoever syncs.
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some((parts, thread)) = self.work.take() {
            drop(parts);
            let _ = thread.join();
        }
    }
}

fn begin(parts: &Receiver<Part>, ended: &AtomicBool) {
    for (file, offset, length) in parts {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let _ = begin_writing(file.as_fd(), offset, length);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn large_parts_are_begun_and_small_ones_left() {
        let path = std::env::temp_dir().join(format!("containerv-early-{}", std::process::id()));
        let file = File::create(&path).unwrap();
        file.write_all_at(b"end", STEP + LEAST).unwrap();
        let early = Early::start();
        for (begun, done, whole, expected) in [
            (0, LEAST - 1, true, 0),
            (0, LEAST, true, LEAST),
            (0, STEP - 1, false, 0),
            (0, STEP, false, STEP),
            (STEP, STEP + LEAST, true, STEP + LEAST),
        ] {
            assert_eq!(early.written(file.as_fd(), begun, done, whole), expected, "{begun} to {done}");
        }
        drop(early);
        assert_eq!(fs::metadata(&path).unwrap().len(), STEP + LEAST + 3);
        fs::remove_file(&path).unwrap();
    }
}
