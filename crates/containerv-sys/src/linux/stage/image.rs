//! A program as the stage sees it, for tests.

// UNSAFETY: the stage's reader works on a mapping; here it is given memory of the same shape.
#![allow(unsafe_code, reason = "the stage's reader takes a pointer")]

use std::ops::Range;

#[allow(dead_code, unreachable_pub, missing_docs, reason = "the stage's file, which the stage checks")]
#[path = "../../../stage/program.rs"]
mod reader;

use super::wire;

/// A program in memory, with the stage's reader over it.
#[derive(Debug)]
pub struct Image {
    /// Only the reader looks at it.
    memory: Range<usize>,
    reader: Reader,
    _words: Vec<u64>,
}

struct Reader(reader::Program);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What to do.
    pub code: u16,
    /// The plan's step that it belongs to.
    pub step: u32,
    /// Its arguments, and one that is missing.
    pub arguments: Vec<u64>,
}

impl Image {
    /// Takes the bytes of a program, of any length; `None` if the stage would refuse them.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut words = vec![0u64; bytes.len().div_ceil(8)];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_ne_bytes(whole);
        }
        let base = words.as_mut_ptr().cast::<u8>();
        // SAFETY: the memory is aligned, at least as long as the bytes, and moves into the image,
        // where nothing but the reader uses it.
        let reader = unsafe { reader::Program::over(base, bytes.len()) }?;
        let memory = base as usize..base as usize + bytes.len();
        Some(Self { memory, reader: Reader(reader), _words: words })
    }

    /// Returns the operations up to the end, or up to what is none.
    pub fn operations(&self) -> Vec<Decoded> {
        let mut found = Vec::new();
        let mut position = wire::HEADER_WORDS;
        while let Some(operation) = self.reader.0.operation(position) {
            if operation.code == wire::op::END {
                break;
            }
            let count = operation.next - position - 1;
            let arguments = (0..=count).map(|index| operation.arg(index)).collect();
            found.push(Decoded { code: operation.code, step: operation.step, arguments });
            position = operation.next;
        }
        found
    }

    /// Returns the descriptor of the report channel.
    pub fn channel(&self) -> i32 {
        self.reader.0.channel()
    }

    /// Returns the text at an offset, without its NUL.
    ///
    /// # Panics
    ///
    /// It, or the pointer that system calls are given, leaves the program.
    pub fn text(&self, offset: u64) -> &[u8] {
        let pointer = self.reader.0.text(offset);
        assert!(pointer.is_null() || self.memory.contains(&(pointer as usize)), "text at {offset}");
        let text = self.reader.0.bytes(offset);
        if !pointer.is_null() {
            assert!(text.as_ptr() == pointer && pointer as usize + text.len() < self.memory.end);
        }
        text
    }

    /// Returns a blob.
    ///
    /// # Panics
    ///
    /// It leaves the program.
    pub fn blob(&self, offset: u64, length: u64) -> &[u8] {
        let blob = self.reader.0.blob(offset, length);
        let begin = blob.as_ptr() as usize;
        let inside = begin >= self.memory.start && begin + blob.len() <= self.memory.end;
        assert!(blob.is_empty() || inside, "blob at {offset}");
        blob
    }

    /// Returns the texts of a list.
    pub fn list(&self, offset: u64) -> Vec<&[u8]> {
        self.reader.0.list(offset).map(|entry| self.text(entry)).collect()
    }

    /// Turns a list into pointers, as execve(2) takes them, and puts another text in the place of
    /// one; returns how many of the others point into the program. Afterwards the list cannot be
    /// read any more.
    ///
    /// # Panics
    ///
    /// The array leaves the program.
    pub fn point(&self, list: u64, replaced: u64, by: &'static std::ffi::CStr) -> usize {
        self.reader.0.set_entry(list, replaced, by.as_ptr().cast());
        let pointers = self.reader.0.pointers(list) as usize;
        if pointers == 0 {
            return 0;
        }
        assert!(self.memory.contains(&pointers), "list at {list}");
        let entries = self.reader.0.list((pointers - self.memory.start) as u64);
        entries.filter(|entry| self.memory.contains(&(*entry as usize))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Program;
    use super::*;

    #[test]
    fn what_the_library_writes_the_stage_reads() {
        let mut program = Program::new();
        program.op(7, 3).text("a b").signed(-1).list(["x", "", "yz"]).blob(b"\0\x01\0");
        program.op(8, 4);
        let image = Image::new(&program.finish(5)).unwrap();
        assert_eq!(image.channel(), 5);
        let operations = image.operations();
        assert_eq!(operations.iter().map(|it| (it.step, it.code)).collect::<Vec<_>>(), [(7, 3), (8, 4)]);
        let [text, number, list, blob, length, missing] = operations[0].arguments[..] else { panic!() };
        assert_eq!((image.text(text), number as i64, missing), (&b"a b"[..], -1, 0));
        assert_eq!(image.list(list), [&b"x"[..], b"", b"yz"]);
        assert_eq!(image.blob(blob, length), b"\0\x01\0");
        assert_eq!(image.point(list, 1, c"other"), 2);
    }

    #[test]
    fn offsets_that_lead_out_are_nothing() {
        let mut program = Program::new();
        program.op(1, 1).text("t");
        let image = Image::new(&program.finish(0)).unwrap();
        for offset in [0, 1 << 20, 1 << 63, u64::MAX - 7, u64::MAX] {
            assert!(image.text(offset).is_empty() && image.list(offset).is_empty());
            assert!(image.blob(offset, u64::MAX).is_empty() && image.blob(u64::MAX, offset).is_empty());
            assert_eq!(image.point(offset, offset, c"x"), 0);
        }
        assert!(Image::new(&[0; 24]).is_none() && Image::new(&[1; 64]).is_none());
    }
}
