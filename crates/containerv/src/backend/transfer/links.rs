//! Files with several names: which are copied already, and under which name.

use std::collections::HashMap;

use super::FileId;

/// Bytes that the names of unfinished hard links may take before a copy is refused.
const MOST_BYTES: usize = 256 << 20;
/// What one entry costs besides its name.
const ENTRY_COST: usize = 96;

/// The first copy of a file with several names.
pub(crate) struct FirstCopy {
    /// Its path below the top of the destination.
    pub(crate) path: Box<[u8]>,
    /// Which file it is there.
    pub(crate) id: FileId,
    missing: u64,
}

/// Remembers copied files until all their names were met.
#[derive(Default)]
pub(crate) struct Links {
    copied: HashMap<FileId, FirstCopy>,
    bytes: usize,
}

impl Links {
    pub(crate) fn first(&self, source: FileId) -> Option<&FirstCopy> {
        self.copied.get(&source)
    }

    /// Notes the first copy of a file with `names` names; false if too many are unfinished.
    pub(crate) fn remember(&mut self, source: FileId, names: u64, path: Vec<u8>, id: FileId) -> bool {
        self.bytes += path.len() + ENTRY_COST;
        if self.bytes > MOST_BYTES {
            return false;
        }
        self.copied.insert(source, FirstCopy { path: path.into(), id, missing: names.saturating_sub(1) });
        true
    }

    /// Counts one more name that was met.
    pub(crate) fn met(&mut self, source: FileId) {
        let Some(first) = self.copied.get_mut(&source) else { return };
        first.missing = first.missing.saturating_sub(1);
        if first.missing == 0 {
            self.bytes -= first.path.len() + ENTRY_COST;
            self.copied.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_forgotten_when_all_its_names_were_met() {
        let mut links = Links::default();
        assert!(links.remember((1, 2), 3, b"a/b".to_vec(), (9, 9)));
        links.met((1, 2));
        assert_eq!(&*links.first((1, 2)).unwrap().path, b"a/b");
        links.met((1, 2));
        assert!(links.first((1, 2)).is_none());
        assert_eq!(links.bytes, 0);
    }

    #[test]
    fn the_memory_for_unfinished_links_is_bounded() {
        let mut links = Links::default();
        let name = vec![b'x'; 1 << 20];
        let fits = (0..1000).take_while(|&i| links.remember((0, i), 2, name.clone(), (0, 0))).count();
        assert_eq!(fits, 255);
    }
}
