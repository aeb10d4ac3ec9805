//! Keys that let go of a container: `ctrl-p,ctrl-q` unless chosen otherwise.

use containerv::Error;

use crate::value::wrong;

/// Most keys of a sequence.
const MOST_KEYS: usize = 16;

/// A sequence of bytes, and how much of it has been typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachKeys {
    keys: Vec<u8>,
    typed: usize,
}

impl Default for DetachKeys {
    fn default() -> Self {
        Self { keys: vec![0x10, 0x11], typed: 0 }
    }
}

impl DetachKeys {
    /// Reads keys with commas between them: a character, or `ctrl-` with a letter or one of `@[\]^_`.
    /// An empty text switches them off.
    ///
    /// # Errors
    ///
    /// A key is unknown, or there are too many.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self { keys: Vec::new(), typed: 0 });
        }
        let keys = text.split(',').map(key).collect::<Result<Vec<u8>, Error>>()?;
        if keys.len() > MOST_KEYS {
            return Err(wrong(format!("more than {MOST_KEYS} keys")));
        }
        Ok(Self { keys, typed: 0 })
    }

    /// Passes typed bytes through, holding back the beginning of the sequence. Returns what goes to
    /// the container, and whether the sequence is complete, what follows it being dropped.
    pub fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            while self.typed > 0 && self.keys[self.typed] != *byte {
                self.fall_back(&mut passed);
            }
            if self.keys.get(self.typed) != Some(byte) {
                passed.push(*byte);
                continue;
            }
            self.typed += 1;
            if self.typed == self.keys.len() {
                self.typed = 0;
                return (passed, true);
            }
        }
        (passed, false)
    }

    /// Lets go of held-back keys until what remains may still be the beginning of the sequence.
    fn fall_back(&mut self, passed: &mut Vec<u8>) {
        let held = &self.keys[..self.typed];
        let kept = (0..self.typed).rev().find(|length| held.ends_with(&self.keys[..*length])).unwrap_or(0);
        passed.extend_from_slice(&held[..self.typed - kept]);
        self.typed = kept;
    }
}

fn key(text: &str) -> Result<u8, Error> {
    let unknown = || {
        wrong(format!(
            "unknown key `{text}`; expected a character or `ctrl-` with a letter or one of @[\\]^_"
        ))
    };
    let (control, name) = match text.strip_prefix("ctrl-") {
        Some(name) => (true, name),
        None => (false, text),
    };
    let &[byte] = name.as_bytes() else { return Err(unknown()) };
    match (control, byte) {
        (true, b'a'..=b'z') => Ok(byte - b'a' + 1),
        (true, b'@' | b'['..=b'_') => Ok(byte - b'@'),
        (false, b' '..=b'~') => Ok(byte),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read() {
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
        assert_eq!(DetachKeys::parse("a,ctrl-@,ctrl-[").unwrap().keys, [b'a', 0, 27]);
        for text in [",", "ctrl-", "ctrl-é", "ab", "ctrl-P", "ctrl-1", "é"] {
            assert!(DetachKeys::parse(text).is_err(), "{text}");
        }
        assert!(DetachKeys::parse(&["a"; 17].join(",")).is_err());
    }

    #[test]
    fn the_sequence_is_found_across_reads_and_false_starts_pass() {
        let mut keys = DetachKeys::default();
        assert_eq!(keys.filter(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.filter(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(keys.filter(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.filter(b"\x11rest"), (Vec::new(), true));
    }

    #[test]
    fn overlapping_beginnings_are_kept() {
        let mut keys = DetachKeys::parse("a,a,b").unwrap();
        assert_eq!(keys.filter(b"aaab"), (b"a".to_vec(), true));
        let mut keys = DetachKeys::parse("a,b,a,c").unwrap();
        assert_eq!(keys.filter(b"abab"), (b"ab".to_vec(), false));
        assert_eq!(keys.filter(b"ac"), (Vec::new(), true));
    }

    #[test]
    fn without_keys_everything_passes() {
        let mut keys = DetachKeys::parse("").unwrap();
        assert_eq!(keys.filter(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }
}
