//! Where bytes are.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use crate::images::store::MOST_DOCUMENT_BYTES;
use crate::{Error, ErrorKind, Result};

/// Bytes, or a part of a file.
#[derive(Clone, Debug)]
pub(in crate::images) enum Content {
    Bytes(Arc<[u8]>),
    /// A whole file.
    File(PathBuf),
    /// So many bytes of a file from an offset on.
    Part {
        file: Arc<File>,
        offset: u64,
        size: u64,
    },
}

impl Content {
    /// Reads a document.
    pub(in crate::images) fn document(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.open(0)?.take(MOST_DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| Error::io(error, "read a document of the image"))?;
        if bytes.len() as u64 > MOST_DOCUMENT_BYTES {
            let message = format!("a document of the image is larger than {MOST_DOCUMENT_BYTES} bytes");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(bytes)
    }

    /// Reads from an offset on. Several readers do not disturb each other.
    pub(in crate::images) fn open(&self, from: u64) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Bytes(bytes) => {
                let mut cursor = io::Cursor::new(bytes.clone());
                cursor.set_position(from);
                Ok(Box::new(cursor))
            }
            Self::File(path) => {
                let failed = |error| Error::io(error, format!("cannot read `{}`", path.display()));
                let mut file = File::open(path).map_err(failed)?;
                file.seek(SeekFrom::Start(from)).map_err(failed)?;
                Ok(Box::new(file))
            }
            Self::Part { file, offset, size } => {
                let end = offset.saturating_add(*size);
                let position = offset.saturating_add(from).min(end);
                Ok(Box::new(Part { file: file.clone(), position, end }))
            }
        }
    }
}

struct Part {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let count = read_at(&self.file, &mut buffer[..room], self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_from_where_they_are_and_no_further() {
        let path = std::env::temp_dir().join(format!("containerv-content-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        let contents = [
            (Content::Bytes(b"23456".to_vec().into()), "23456", "56"),
            (Content::Part { file, offset: 2, size: 5 }, "23456", "56"),
            (Content::File(path.clone()), "0123456789", "3456789"),
        ];
        for (content, whole, rest) in contents {
            assert_eq!(content.document().unwrap(), whole.as_bytes());
            let mut text = String::new();
            content.open(3).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, rest);
            assert_eq!(content.open(99).unwrap().read(&mut [0; 9]).unwrap(), 0);
        }
        std::fs::remove_file(path).unwrap();
    }
}
