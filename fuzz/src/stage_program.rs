//! Programs for the stage: what the library writes, the stage reads; what nobody wrote leads nowhere.

use containerv_sys::linux::stage::Program;
use containerv_sys::linux::stage::image::Image;
use containerv_sys::linux::stage::wire::{HEADER_WORDS, op};

/// The bytes are taken as what to write, and then as a program.
pub fn target(data: &[u8]) {
    write_and_read(data);
    read_anything(data);
}

/// One argument of an operation.
enum Argument {
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Blob(Vec<u8>),
}

/// Takes parts of the input.
struct Recipe<'a>(&'a [u8]);

impl Recipe<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte().unwrap_or(0)).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken.to_vec()
    }

    /// Texts end at NUL, so they hold none.
    fn text(&mut self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.retain(|byte| *byte != 0);
        bytes
    }

    fn argument(&mut self) -> Option<Argument> {
        Some(match self.byte()? % 4 {
            0 => Argument::Number(self.bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))),
            1 => Argument::Text(self.text()),
            2 => Argument::List((0..self.byte()? % 8).map(|_| self.text()).collect()),
            _ => Argument::Blob(self.bytes()),
        })
    }

    fn operation(&mut self) -> Option<(u32, u16, Vec<Argument>)> {
        let (step, code, count) = (self.byte()?, u16::from(self.byte()?).max(1), self.byte()? % 8);
        Some((step.into(), code, (0..count).map_while(|_| self.argument()).collect()))
    }
}

fn write_and_read(data: &[u8]) {
    let mut recipe = Recipe(data);
    let operations: Vec<_> = std::iter::from_fn(|| recipe.operation()).take(64).collect();
    let mut program = Program::new();
    for (step, code, arguments) in &operations {
        let mut operation = program.op(*step, *code);
        for argument in arguments {
            operation = match argument {
                Argument::Number(number) => operation.int(*number),
                Argument::Text(text) => operation.text(text),
                Argument::List(texts) => operation.list(texts),
                Argument::Blob(bytes) => operation.blob(bytes),
            };
        }
    }
    let image = Image::new(&program.finish(7)).expect("the stage takes what the library writes");
    assert_eq!(image.channel(), 7);
    let read = image.operations();
    assert_eq!(read.len(), operations.len());
    for (read, (step, code, arguments)) in read.iter().zip(&operations) {
        assert_eq!((read.step, read.code), (*step, *code));
        let mut words = read.arguments.iter().copied();
        arguments.iter().for_each(|argument| compare(&image, argument, &mut words));
        assert_eq!((words.next(), words.next()), (Some(0), None), "nothing is left");
    }
}

fn compare(image: &Image, argument: &Argument, words: &mut impl Iterator<Item = u64>) {
    let mut word = || words.next().expect("every argument is there");
    match argument {
        Argument::Number(number) => assert_eq!(word(), *number),
        Argument::Text(text) => assert_eq!(image.text(word()), text),
        Argument::Blob(bytes) => assert_eq!(image.blob(word(), word()), bytes),
        Argument::List(texts) => {
            let list = word();
            assert_eq!(image.list(list), *texts);
            if let Some(last) = texts.len().checked_sub(1) {
                assert_eq!(image.point(list, last as u64, c"other"), last);
            }
        }
    }
}

/// The image itself checks that nothing leaves the program.
fn read_anything(data: &[u8]) {
    let Some(image) = Image::new(data) else {
        assert!(data.len() <= HEADER_WORDS * 8 || data.last() != Some(&0));
        return;
    };
    for operation in image.operations() {
        assert!(operation.code != op::END);
        for pair in operation.arguments.windows(2) {
            let text = image.text(pair[0]);
            assert!(!text.contains(&0));
            image.blob(pair[0], pair[1]);
        }
        for argument in &operation.arguments {
            image.list(*argument);
            image.point(*argument, 1, c"other");
        }
    }
}
