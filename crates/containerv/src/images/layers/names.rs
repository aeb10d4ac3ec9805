//! What names of a layer's members mean (image-spec, `layer.md`, "Whiteouts").

use crate::archive::clean;

/// Longest path of a member: what the kernel takes in one call.
const LONGEST: usize = 4095;

const PREFIX: &[u8] = b".wh.";
const OWN_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a member's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning<'a> {
    /// An entry of this name.
    Entry(&'a [u8]),
    /// What lower layers have under this name is gone.
    Whiteout(&'a [u8]),
    /// What lower layers have in the directory is gone.
    Opaque,
    /// What AUFS kept for itself, which is no content.
    Ignored,
}

/// A member's place: the directory, and what its name there means. The root itself has an empty entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: Vec<u8>,
    cut: Option<usize>,
}

impl Place {
    /// Reads a name as it is in the archive, or the target of a hard link.
    ///
    /// # Errors
    ///
    /// In words: a name with `..`, that is too long, or below a name that stands for a removal.
    pub(crate) fn of(name: &[u8]) -> Result<Self, String> {
        let path = clean(name)?;
        if path.len() > LONGEST {
            return Err(format!("a name of {} bytes, more than the {LONGEST} of a path", path.len()));
        }
        let cut = path.iter().rposition(|&byte| byte == b'/');
        let place = Self { path, cut };
        if place.directory().split(|&byte| byte == b'/').any(|component| component.starts_with(PREFIX)) {
            return Err("a directory among its parents whose name stands for a removal (`.wh.`)".into());
        }
        Ok(place)
    }

    /// The whole path.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The path of the directory; empty for the root.
    pub(crate) fn directory(&self) -> &[u8] {
        self.cut.map_or(&[], |cut| &self.path[..cut])
    }

    /// The last component.
    pub(crate) fn name(&self) -> &[u8] {
        self.cut.map_or(&self.path, |cut| &self.path[cut + 1..])
    }

    /// What the name means.
    ///
    /// # Errors
    ///
    /// In words: the removal of what is no entry.
    pub(crate) fn meaning(&self) -> Result<Meaning<'_>, String> {
        let name = self.name();
        if name == OPAQUE {
            return Ok(Meaning::Opaque);
        }
        if name.starts_with(OWN_PREFIX) {
            return Ok(Meaning::Ignored);
        }
        match name.strip_prefix(PREFIX) {
            None => Ok(Meaning::Entry(name)),
            Some(b"" | b"." | b"..") => Err("a removal of what is no entry".into()),
            Some(removed) => Ok(Meaning::Whiteout(removed)),
        }
    }
}

/// Names the member that says that an entry is removed.
pub(crate) fn whiteout(name: &[u8]) -> Vec<u8> {
    [PREFIX, name].concat()
}

/// The name of the member that says that a directory hides what is below it.
pub(crate) const OPAQUE_MARKER: &[u8] = OPAQUE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_meaning() {
        for (name, directory, meaning) in [
            (&b"./a/b"[..], &b"a"[..], Meaning::Entry(b"b")),
            (b"/a", b"", Meaning::Entry(b"a")),
            (b"./", b"", Meaning::Entry(b"")),
            (b"a//b/.wh.c", b"a/b", Meaning::Whiteout(b"c")),
            (b".wh.c/", b"", Meaning::Whiteout(b"c")),
            (b".wh...a", b"", Meaning::Whiteout(b"..a")),
            (b"a/.wh..wh..opq", b"a", Meaning::Opaque),
            (b".wh..wh.plnk", b"", Meaning::Ignored),
            (b"a/.whx", b"a", Meaning::Entry(b".whx")),
        ] {
            let place = Place::of(name).unwrap();
            assert_eq!((place.directory(), place.meaning().unwrap()), (directory, meaning));
        }
    }

    #[test]
    fn names_that_mean_something_else_to_others_are_refused() {
        for name in [&b"../a"[..], b"a/../b", b"a/..", b".wh.a/b", b"a/.wh..wh.plnk/1.2", &[b'x'; 5000]] {
            assert!(Place::of(name).is_err(), "{}", name.escape_ascii());
        }
        for name in [&b".wh."[..], b".wh..", b"a/.wh...", b".wh../"] {
            assert!(Place::of(name).unwrap().meaning().is_err(), "{}", name.escape_ascii());
        }
        assert_eq!(whiteout(b"a"), b".wh.a");
    }
}
