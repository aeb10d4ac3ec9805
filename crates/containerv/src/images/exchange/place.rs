//! The files of a directory or of an archive, by name.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::archive::{Fault, Kind, Reader, clean};
use crate::images::local::Content;
use crate::{Error, ErrorKind, Result};

/// Most members of an archive of images.
const MOST_MEMBERS: usize = 100_000;
/// How many links lead to one member at most.
const MOST_LINKS: usize = 10;

/// Where images are read from.
#[derive(Debug)]
pub(super) enum Place {
    Directory(PathBuf),
    Archive { file: Arc<File>, members: HashMap<Vec<u8>, Member> },
}

/// A member that is looked up by name.
#[derive(Debug)]
pub(super) enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// Another member's name.
    Link(Vec<u8>),
}

impl Place {
    pub(super) fn directory(path: &Path) -> Self {
        Self::Directory(path.to_owned())
    }

    /// Lists the members of an archive that is not compressed.
    pub(super) fn archive(file: Arc<File>) -> Result<Self> {
        let position = Rc::new(Cell::new(0));
        let mut start = &*file;
        start.rewind().map_err(|error| Error::io(error, "read the archive of images"))?;
        let stream =
            Counting { stream: BufReader::with_capacity(1 << 20, start), position: position.clone() };
        let mut reader = Reader::new(stream);
        let mut members = HashMap::new();
        while let Some(member) = reader.next().map_err(Fault::into_error)? {
            let name = clean(&member.name).map_err(|complaint| refused(&member.name, complaint))?;
            let entry = match member.kind {
                Kind::File if member.sparse.is_some() => {
                    return Err(refused(&member.name, "holes, which no file of an image has".into()));
                }
                Kind::File => Member::File { offset: position.get(), size: member.stored },
                Kind::Symlink | Kind::HardLink => match target(&name, &member.link, member.kind) {
                    Some(target) => Member::Link(target),
                    None => continue,
                },
                _ => continue,
            };
            members.insert(name, entry);
            if members.len() > MOST_MEMBERS {
                return Err(refused(&member.name, format!("more than {MOST_MEMBERS} members before it")));
            }
        }
        Ok(Self::Archive { file, members })
    }

    /// The content of a file.
    pub(super) fn find(&self, name: &str) -> Option<Content> {
        match self {
            Self::Directory(path) => {
                // A name from a document: nothing but plain components.
                let plain =
                    |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', ':', '\0']);
                let path = name.split('/').all(plain).then(|| path.join(name))?;
                path.is_file().then_some(Content::File(path))
            }
            Self::Archive { file, members } => {
                let mut name = clean(name.as_bytes()).ok()?;
                for _ in 0..MOST_LINKS {
                    match members.get(&name)? {
                        Member::Link(target) => name.clone_from(target),
                        &Member::File { offset, size } => {
                            return Some(Content::Part { file: file.clone(), offset, size });
                        }
                    }
                }
                None
            }
        }
    }
}

/// Where a link leads, seen from the top; nowhere if it leaves the archive.
fn target(name: &[u8], link: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let mut path: Vec<&[u8]> = match kind {
        Kind::Symlink => name.split(|&byte| byte == b'/').collect(),
        _ => vec![b""],
    };
    path.pop();
    for part in link.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join(&b'/'))
}

fn refused(name: &[u8], complaint: String) -> Error {
    let name = containerv_spec::OsText::from_bytes(name);
    Error::new(ErrorKind::Corrupt, format!("the archive of images is refused: `{name}` has {complaint}"))
}

/// Counts what is read.
struct Counting<R> {
    stream: R,
    position: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }
}
