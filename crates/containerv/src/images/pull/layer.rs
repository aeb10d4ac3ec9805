//! One layer: its blob and its tree.

use std::fs::File;
use std::io::{self, Read};

use containerv_spec::image::Descriptor;

use super::follow::{Growth, follow};
use super::{Layers, PullEvent};
use crate::images::store::{LayerRecord, Partial, Staging, Taken};
use crate::images::unpacking::{Job, LeftOut, Unpacking};
use crate::{Error, ErrorKind, Result};

/// Most bytes that are taken from the registry at a time.
const PIECE: usize = 256 << 10;

/// Why a download has ended early.
enum Stopped {
    /// Whoever unpacks has stopped, and says why.
    NobodyReads,
    /// It failed.
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Layers<'_> {
    pub(super) fn layer(&self, index: usize) -> Result<()> {
        let blob = &self.chosen.manifest.layers[index];
        self.bring_layer(index, blob).map_err(|error| error.context(format!("layer {}", blob.digest.short())))
    }

    fn bring_layer(&self, index: usize, blob: &Descriptor) -> Result<()> {
        let chain = &self.chain[index];
        let unpacking = Unpacking::of(&self.chosen.config.os);
        let unpacked = unpacking == Unpacking::None || self.store.has_layer(chain);
        if unpacked && self.store.blob(&blob.digest).is_some() {
            self.options.tell(&PullEvent::Present { layer: blob.digest.clone() });
            return Ok(());
        }
        self.options.tell(&PullEvent::Waiting { layer: blob.digest.clone() });
        let staging = if unpacked { None } else { self.store.stage(self.machine.system, chain)? };
        match (self.store.take(blob)?, staging) {
            (Taken::There(_), None) => {}
            (Taken::There(path), Some(staging)) => {
                let file = File::open(&path)
                    .map_err(|error| Error::io(error, format!("cannot open `{}`", path.display())))?;
                let (staging, record) = self.unpack(index, unpacking, file, staging)?;
                staging.finish(&record)?;
            }
            (Taken::Ours(partial), None) => match self.download(blob, partial, None) {
                Err(Stopped::Failed(error)) => return Err(error),
                Ok(()) | Err(Stopped::NobodyReads) => {}
            },
            (Taken::Ours(partial), Some(staging)) => self.both(index, unpacking, partial, staging)?,
        }
        self.options.tell(&PullEvent::Done { layer: blob.digest.clone() });
        Ok(())
    }

    /// Downloads and unpacks at once. The layer has its name only after all of its blob was verified.
    fn both(&self, index: usize, unpacking: Unpacking, partial: Partial, staging: Staging) -> Result<()> {
        let blob = &self.chosen.manifest.layers[index];
        let leftover = partial.path().to_owned();
        let (growth, follower) = follow(partial.reader()?, partial.length()?);
        let (downloaded, unpacked) = std::thread::scope(|scope| {
            let other = scope.spawn(|| self.unpack(index, unpacking, follower, staging));
            let downloaded = self.download(blob, partial, Some(growth));
            (downloaded, other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        match (downloaded, unpacked) {
            (Ok(()), Ok((staging, record))) => staging.finish(&record),
            (Err(Stopped::Failed(error)), Ok((staging, _))) => {
                staging.discard(self.machine.system)?;
                Err(error)
            }
            (Err(Stopped::Failed(error)), Err(_)) => Err(error),
            (Ok(()) | Err(Stopped::NobodyReads), Err(error)) => {
                // Bytes that cannot be unpacked may not be those of the digest: the next pull must not
                // begin with them.
                if error.kind() == ErrorKind::Corrupt {
                    let _ = std::fs::remove_file(leftover);
                }
                Err(error)
            }
            (Err(Stopped::NobodyReads), Ok((staging, _))) => {
                staging.discard(self.machine.system)?;
                Err(Error::new(ErrorKind::Other, "its unpacking has ended before its download"))
            }
        }
    }

    /// Brings what is missing of a blob, and tells of it.
    fn download(
        &self,
        blob: &Descriptor,
        mut partial: Partial,
        growth: Option<Growth>,
    ) -> Result<(), Stopped> {
        let tell = |done| {
            let layer = blob.digest.clone();
            self.options.tell(&PullEvent::Downloading { layer, done, total: blob.size });
        };
        let mut held = partial.digest_held()?;
        tell(held);
        if held < blob.size {
            let mut stream = self.source.blob(self.reference, blob, held)?;
            let mut piece = vec![0; PIECE];
            loop {
                if self.done().failed.is_some() {
                    return Err(Error::new(ErrorKind::Unavailable, "another layer could not be had").into());
                }
                let count = match stream.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(Stopped::Failed(broken_off(error, held, blob))),
                };
                partial.write(&piece[..count])?;
                held += count as u64;
                if growth.as_ref().is_some_and(|growth| !growth.reached(held)) {
                    return Err(Stopped::NobodyReads);
                }
                tell(held);
            }
        }
        self.options.tell(&PullEvent::Verifying { layer: blob.digest.clone() });
        partial.finish()?;
        if let Some(growth) = growth {
            growth.end();
        }
        Ok(())
    }

    /// Unpacks a layer's archive, and compares it with what the configuration says. If that fails, nothing of it
    /// is left.
    fn unpack(
        &self,
        index: usize,
        unpacking: Unpacking,
        mut source: impl Read + Send,
        staging: Staging,
    ) -> Result<(Staging, LayerRecord)> {
        let blob = &self.chosen.manifest.layers[index];
        let tree = staging.tree();
        let job = Job {
            media_type: &blob.media_type,
            target: &tree,
            is_base: index == 0,
            below: self.below(index),
            system: Some(self.machine.system),
            progress: self.options.unpacking_of(&blob.digest),
        };
        let unpacked = unpacking.unpack(&mut source, &job).and_then(|unpacked| {
            // What follows the archive belongs to the blob all the same.
            let rest = io::copy(&mut source, &mut io::sink());
            rest.map_err(|error| Error::io(error, "cannot read the rest of the blob"))?;
            let expected = &self.chosen.config.rootfs.diff_ids[index];
            if unpacked.diff_id == *expected {
                return Ok(unpacked);
            }
            let message = format!(
                "its archive has the digest {}, and the configuration says {expected}",
                unpacked.diff_id
            );
            Err(Error::new(ErrorKind::Corrupt, message).with_hint("the image is broken; ask whoever made it"))
        });
        match unpacked {
            Ok(unpacked) => {
                let LeftOut { entries, count } = unpacked.left_out;
                if count > 0 {
                    self.options.tell(&PullEvent::LeftOut { layer: blob.digest.clone(), entries, count });
                }
                let parent = index.checked_sub(1).map(|lower| self.chain[lower].clone());
                Ok((staging, LayerRecord { diff_id: unpacked.diff_id, parent, size: unpacked.size }))
            }
            Err(error) => {
                staging.discard(self.machine.system)?;
                Err(error)
            }
        }
    }
}

/// What the source says has the library's own error inside.
fn broken_off(error: io::Error, held: u64, blob: &Descriptor) -> Error {
    let message = format!("the download stopped after {held} of {} bytes", blob.size);
    match error.downcast::<Error>() {
        Ok(error) => error.context(message),
        Err(error) => Error::io(error, message).with_hint("pull again: it goes on where it stopped"),
    }
}
