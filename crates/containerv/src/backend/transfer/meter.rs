//! The totals of one copy and who is told of them.

use crate::copy::{CopyProgress, CopySummary, SkipReason};

/// Counts what is copied and reports it.
pub(crate) struct Meter {
    pub(crate) summary: CopySummary,
    progress: Option<CopyProgress>,
}

impl Meter {
    pub(crate) fn new(progress: Option<CopyProgress>) -> Self {
        Self { summary: CopySummary::default(), progress }
    }

    /// Adds bytes of a file.
    pub(crate) fn moved(&mut self, bytes: u64) {
        self.summary.bytes = self.summary.bytes.saturating_add(bytes);
        self.report();
    }

    /// Adds an entry to one of the counts.
    pub(crate) fn entry(&mut self, count: impl Fn(&mut CopySummary) -> &mut u64) {
        *count(&mut self.summary) += 1;
        self.report();
    }

    /// Notes an entry that is left out.
    pub(crate) fn skip(&mut self, path: &[u8], reason: SkipReason) {
        self.summary.skip(path, reason);
    }

    fn report(&self) {
        if let Some(progress) = &self.progress {
            progress.report(&self.summary);
        }
    }
}
