//! Changes of inputs that are the same every time.

/// Longest input.
const LONGEST: usize = 16 << 10;

/// Numbers at which things change.
const NUMBERS: [u64; 14] = [
    0,
    1,
    7,
    9,
    127,
    255,
    256,
    511,
    65_535,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    i64::MAX as u64,
    u64::MAX,
];

/// Bytes with a meaning in one notation or another.
const BYTES: &[u8] = b"\0\n\r\t \"'\\/:,=.-+{}[]()|$%#@`<>*019azAZ\x7f\x80\xbf\xc3\xff";

/// Makes inputs.
pub(crate) struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
}

impl<'a> Mutator<'a> {
    /// Begins with a state that follows from the name.
    pub(crate) fn new(name: &str, seeds: &'a [Vec<u8>]) -> Self {
        // FNV-1a, whose value for no text is not 0.
        let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self { seeds, state: name.bytes().fold(0xcbf2_9ce4_8422_2325, add) | 1 }
    }

    /// Returns the next input: a seed with one to eight changes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.seed().to_vec();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
            input.truncate(LONGEST);
        }
        input
    }

    /// xorshift64*, by Vigna.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.random() % end as u64) as usize }
    }

    fn seed(&mut self) -> &'a [u8] {
        let index = self.below(self.seeds.len());
        &self.seeds[index]
    }

    fn byte(&mut self) -> u8 {
        if self.below(2) == 0 { BYTES[self.below(BYTES.len())] } else { self.random() as u8 }
    }

    /// A part of `length` bytes, more often a short one.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        let room = length - start;
        let longest = if self.below(3) == 0 { room } else { room.min(16) };
        start..start + self.below(longest + 1)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len());
        match self.below(11) {
            0 if !input.is_empty() => input[at] ^= 1 << self.below(8),
            1 | 2 if !input.is_empty() => input[at] = self.byte(),
            3 => input.insert(at, self.byte()),
            4 => drop(input.drain(self.part(input.len()))),
            5 => input.truncate(at),
            6 => self.splice(input, at),
            7 => self.repeat(input),
            8 => self.write_word(input, at),
            9 => self.write_digits(input, at),
            _ => self.swap(input),
        }
    }

    /// Puts a part of a seed into the input, or in the place of a part of it.
    fn splice(&mut self, input: &mut Vec<u8>, at: usize) {
        let other = self.seed();
        let part = &other[self.part(other.len())];
        let end = if self.below(2) == 0 { at } else { at + self.below(input.len() - at + 1) };
        input.splice(at..end, part.iter().copied());
    }

    /// Repeats a part, now and then often.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let part = self.part(input.len());
        let end = part.end;
        let times = if self.below(8) == 0 { self.below(200) } else { 1 };
        let room = LONGEST.saturating_sub(input.len());
        let repeated: Vec<u8> = input[part].repeat(times).into_iter().take(room).collect();
        input.splice(end..end, repeated);
    }

    /// Overwrites a length or another number in binary.
    fn write_word(&mut self, input: &mut [u8], at: usize) {
        let number = NUMBERS[self.below(NUMBERS.len())];
        let bytes = if self.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
        let width = 1 << self.below(4);
        let bytes = if self.below(2) == 0 { &bytes[..width] } else { &bytes[8 - width..] };
        input.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    }

    /// Puts another number in the place of the digits at or after a place, in decimal or octal.
    fn write_digits(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(begin) = input[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else {
            return;
        };
        let length = input[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        let text = match self.below(3) {
            0 => format!("{number:0length$o}"),
            1 => format!("{number:0length$}"),
            _ => number.to_string(),
        };
        input.splice(begin..begin + length, text.bytes());
    }

    /// Exchanges two parts of the same length.
    fn swap(&mut self, input: &mut [u8]) {
        let part = self.part(input.len() / 2);
        let to = input.len() / 2 + self.below(input.len() / 2 - part.len().min(input.len() / 2));
        for (offset, from) in part.enumerate() {
            if to + offset < input.len() {
                input.swap(from, to + offset);
            }
        }
    }
}
