//! How images are pulled and pushed, and what is told meanwhile.

use std::fmt;
use std::sync::Arc;

use containerv_spec::image::{Descriptor, Digest, Platform, Reference};

use crate::copy::{CopyProgress, Skipped};

/// When a registry is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time; what is there already is not downloaded again.
    #[default]
    Always,
    /// If the image is not there.
    Missing,
    /// Never.
    Never,
}

/// Layers that are downloaded at the same time, unless told otherwise.
const PARALLEL: usize = 4;

/// How an image is pulled.
#[derive(Clone)]
pub struct PullOptions {
    /// The platform; this machine's unless given.
    pub platform: Option<Platform>,
    /// When the registry is asked.
    pub policy: PullPolicy,
    /// Layers that are worked on at the same time; at least 1.
    pub parallel: usize,
    /// Told of everything that happens, from several threads.
    pub progress: Option<PullProgress>,
}

/// Who is told of a pull.
pub type PullProgress = Arc<dyn Fn(&PullEvent) + Send + Sync>;

impl Default for PullOptions {
    fn default() -> Self {
        Self { platform: None, policy: PullPolicy::default(), parallel: PARALLEL, progress: None }
    }
}

impl fmt::Debug for PullOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullOptions")
            .field("platform", &self.platform)
            .field("policy", &self.policy)
            .field("parallel", &self.parallel)
            .finish_non_exhaustive()
    }
}

impl PullOptions {
    pub(crate) fn tell(&self, event: &PullEvent) {
        if let Some(progress) = &self.progress {
            progress(event);
        }
    }

    /// Passes on how far the unpacking of a layer is.
    pub(crate) fn unpacking_of(&self, layer: &Digest) -> Option<CopyProgress> {
        let (progress, layer) = (self.progress.clone()?, layer.clone());
        Some(CopyProgress::new(move |summary| {
            progress(&PullEvent::Unpacking { layer: layer.clone(), done: summary.bytes });
        }))
    }
}

/// What happens during a pull. Layers are named by the digests of their blobs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "the large one comes once in a pull")]
pub enum PullEvent {
    /// It is known what is to be pulled.
    Resolved {
        /// As it was asked for.
        reference: Reference,
        /// What the registry has under it.
        digest: Digest,
        /// The platform that was chosen.
        platform: Platform,
        /// The layers, the base first.
        layers: Vec<Descriptor>,
    },
    /// A layer was there already.
    Present {
        /// Which.
        layer: Digest,
    },
    /// A layer's turn has come; somebody else may be bringing it.
    Waiting {
        /// Which.
        layer: Digest,
    },
    /// Bytes of a layer have come.
    Downloading {
        /// Which.
        layer: Digest,
        /// How many by now, those of an earlier pull included.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// All bytes of a layer have come, and are compared with its digest.
    Verifying {
        /// Which.
        layer: Digest,
    },
    /// A layer is being unpacked, while it is downloaded and afterwards.
    Unpacking {
        /// Which.
        layer: Digest,
        /// Bytes of its files by now.
        done: u64,
    },
    /// Of a layer that was unpacked, something is not as its archive says: device nodes, owners and attributes that the
    /// caller cannot give. Whoever finds the layer there later is not told.
    LeftOut {
        /// Which.
        layer: Digest,
        /// The first of them, at most [`MOST_SKIPPED`](crate::CopySummary::MOST_SKIPPED).
        entries: Vec<Skipped>,
        /// How many there are.
        count: u64,
    },
    /// A layer is there.
    Done {
        /// Which.
        layer: Digest,
    },
    /// The whole image is there and has its name.
    Stored {
        /// Its name.
        reference: Reference,
        /// What the registry has under it.
        digest: Digest,
    },
}

/// How an image is pushed.
#[derive(Clone)]
pub struct PushOptions {
    /// Blobs that are sent at the same time; at least 1.
    pub parallel: usize,
    /// Told of everything that happens, from several threads.
    pub progress: Option<PushProgress>,
}

/// Who is told of a push.
pub type PushProgress = Arc<dyn Fn(&PushEvent) + Send + Sync>;

impl Default for PushOptions {
    fn default() -> Self {
        Self { parallel: PARALLEL, progress: None }
    }
}

impl fmt::Debug for PushOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushOptions").field("parallel", &self.parallel).finish_non_exhaustive()
    }
}

impl PushOptions {
    pub(crate) fn tell(&self, event: &PushEvent) {
        if let Some(progress) = &self.progress {
            progress(event);
        }
    }
}

/// What happens during a push.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PushEvent {
    /// It is known what is to be pushed.
    Begun {
        /// Under which name.
        reference: Reference,
        /// The layers, and the configuration.
        blobs: Vec<Descriptor>,
    },
    /// Bytes of a blob were sent.
    Uploading {
        /// Which.
        blob: Digest,
        /// How many by now.
        done: u64,
        /// How many there are.
        total: u64,
    },
    /// The registry has a blob.
    Done {
        /// Which.
        blob: Digest,
        /// It was sent; the registry had it else.
        sent: bool,
    },
    /// The whole image is in the registry and has its name.
    Stored {
        /// Its name.
        reference: Reference,
        /// The digest of its manifest.
        digest: Digest,
    },
}
