//! Writing a program for the stage; `wire` has the layout.

use super::wire::{HEADER_WORDS, MAGIC};

/// A program under construction.
#[derive(Clone, Debug, Default)]
pub struct Program {
    words: Vec<u64>,
    /// Lists: offsets of texts, each list ended by [`END`].
    lists: Vec<u64>,
    texts: Vec<u8>,
    fixups: Vec<(usize, Area)>,
}

#[derive(Clone, Copy, Debug)]
enum Area {
    Lists,
    Texts,
}

/// Ends a list while it is under construction; text offsets are far below.
const END: u64 = u64::MAX;

impl Program {
    /// An empty program.
    pub fn new() -> Self {
        Self { words: vec![0; HEADER_WORDS], ..Self::default() }
    }

    /// Appends an operation of a step; its arguments follow by calls on the result.
    pub fn op(&mut self, step: u32, code: u16) -> Operation<'_> {
        let head = self.words.len();
        self.words.push(u64::from(code) | u64::from(step) << 32);
        Operation { program: self, head }
    }

    /// Returns the finished bytes. `channel` is the descriptor number of the report channel.
    pub fn finish(mut self, channel: u32) -> Vec<u8> {
        self.words.push(0);
        let lists_at = self.words.len() as u64 * 8;
        let texts_at = lists_at + self.lists.len() as u64 * 8;
        for &(index, area) in &self.fixups {
            self.words[index] += match area {
                Area::Lists => lists_at,
                Area::Texts => texts_at,
            };
        }
        for entry in &mut self.lists {
            *entry = if *entry == END { 0 } else { *entry + texts_at };
        }
        self.texts.push(0);
        let total = texts_at + self.texts.len() as u64;
        self.words[..HEADER_WORDS].copy_from_slice(&[MAGIC, total, u64::from(channel)]);
        let mut bytes = Vec::with_capacity(total as usize);
        for word in self.words.iter().chain(&self.lists) {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        bytes.extend_from_slice(&self.texts);
        bytes
    }

    fn add_text(&mut self, text: &[u8]) -> u64 {
        let offset = self.texts.len() as u64;
        self.texts.extend_from_slice(text);
        self.texts.push(0);
        offset
    }
}

/// An operation that takes its arguments.
#[derive(Debug)]
pub struct Operation<'a> {
    program: &'a mut Program,
    head: usize,
}

impl Operation<'_> {
    fn push(self, word: u64) -> Self {
        self.program.words.push(word);
        self.program.words[self.head] += 1 << 16;
        self
    }

    fn push_in(self, area: Area, offset: u64) -> Self {
        let index = self.program.words.len();
        self.program.fixups.push((index, area));
        self.push(offset)
    }

    /// A number, a flag word or a register.
    pub fn int(self, value: u64) -> Self {
        self.push(value)
    }

    /// A signed number.
    pub fn signed(self, value: i64) -> Self {
        self.push(value as u64)
    }

    /// A descriptor by number; it must be among those that the stage inherits.
    pub fn fd(self, fd: &impl std::os::fd::AsRawFd) -> Self {
        let number = fd.as_raw_fd();
        self.push(number as u64)
    }

    /// A text without NUL; what follows a NUL is not seen by the stage.
    pub fn text(self, text: impl AsRef<[u8]>) -> Self {
        let offset = self.program.add_text(text.as_ref());
        self.push_in(Area::Texts, offset)
    }

    /// A list of texts.
    pub fn list<T: AsRef<[u8]>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        let offset = self.program.lists.len() as u64 * 8;
        for text in texts {
            let text = self.program.add_text(text.as_ref());
            self.program.lists.push(text);
        }
        self.program.lists.push(END);
        self.push_in(Area::Lists, offset)
    }

    /// Bytes of any value, with their length.
    pub fn blob(self, bytes: &[u8]) -> Self {
        let offset = self.program.add_text(bytes);
        self.push_in(Area::Texts, offset).push(bytes.len() as u64)
    }
}
