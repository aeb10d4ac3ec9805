//! Records of pax extended headers: `"%d %s=%s\n", length, keyword, value` (POSIX pax(1)).

use super::Attribute;
use super::member::Time;

/// What a pax header says about a member; what it does not say is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) modified: Option<Time>,
    pub(super) accessed: Option<Time>,
    pub(super) changed: Option<Time>,
    pub(super) attributes: Vec<Attribute>,
    /// What archives of Windows say of a member, which only Windows understands.
    pub(super) foreign: Vec<Attribute>,
    pub(super) sparse: SparseRecords,
}

/// What GNU tar adds for a file with holes, in its versions 0.0, 0.1 and 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SparseRecords {
    pub(super) major: Option<u64>,
    pub(super) minor: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Offset and length of each run of data, one after the other.
    pub(super) map: Vec<u64>,
}

impl SparseRecords {
    pub(super) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// A record that cannot be honoured, in words.
pub(super) type Complaint = String;

impl Records {
    /// Adds the records of one header.
    pub(super) fn add(&mut self, mut bytes: &[u8]) -> Result<(), Complaint> {
        while !bytes.is_empty() {
            let (keyword, value, rest) = split(bytes).ok_or("a malformed pax record")?;
            self.set(keyword, value)?;
            bytes = rest;
        }
        Ok(())
    }

    /// Says whether records in a global header change what members are where, which they must not.
    pub(super) fn is_structural(&self) -> bool {
        self.path.is_some() || self.link.is_some() || self.size.is_some() || self.sparse.any()
    }

    fn set(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Complaint> {
        match keyword {
            b"path" => self.path = Some(text(keyword, value)?),
            b"linkpath" => self.link = Some(text(keyword, value)?),
            b"size" => self.size = Some(number(keyword, value)?),
            b"uid" => self.uid = Some(number(keyword, value)?),
            b"gid" => self.gid = Some(number(keyword, value)?),
            b"mtime" => self.modified = Some(time(keyword, value)?),
            b"atime" => self.accessed = Some(time(keyword, value)?),
            b"ctime" => self.changed = Some(time(keyword, value)?),
            b"LIBARCHIVE.creationtime" => self.foreign.push((keyword.to_vec(), value.to_vec())),
            _ if keyword.starts_with(b"MSWINDOWS.") => {
                self.foreign.push((keyword.to_vec(), value.to_vec()));
            }
            _ => match (keyword.strip_prefix(b"SCHILY.xattr."), keyword.strip_prefix(b"GNU.sparse.")) {
                (Some(name), _) => self.attributes.push((text(keyword, name)?, value.to_vec())),
                (_, Some(word)) => self.set_sparse(word, value)?,
                // Comments, names of users and groups, and what others keep for themselves.
                _ => {}
            },
        }
        Ok(())
    }

    fn set_sparse(&mut self, word: &[u8], value: &[u8]) -> Result<(), Complaint> {
        let sparse = &mut self.sparse;
        match word {
            b"major" => sparse.major = Some(number(word, value)?),
            b"minor" => sparse.minor = Some(number(word, value)?),
            b"name" => sparse.name = Some(text(word, value)?),
            b"realsize" | b"size" => sparse.real_size = Some(number(word, value)?),
            b"offset" if sparse.map.len().is_multiple_of(2) => sparse.map.push(number(word, value)?),
            b"numbytes" if !sparse.map.len().is_multiple_of(2) => sparse.map.push(number(word, value)?),
            b"offset" | b"numbytes" => return Err("a malformed map of a sparse file".into()),
            b"map" => {
                let numbers = value.split(|&byte| byte == b',').map(|part| number(word, part));
                sparse.map = numbers.collect::<Result<_, _>>()?;
            }
            // How many there are follows from the map.
            b"numblocks" => {}
            _ => return Err(format!("an unknown kind of sparse file (`{}`)", word.escape_ascii())),
        }
        Ok(())
    }
}

/// Splits off the first record.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(digits(&bytes[..space])?).ok()?;
    if length > bytes.len() {
        return None;
    }
    let (record, rest) = bytes.split_at(length);
    let record = record.strip_suffix(b"\n")?.get(space + 1..)?;
    let equals = record.iter().position(|&byte| byte == b'=').filter(|&equals| equals > 0)?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// Reads a decimal number without sign or space.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn number(keyword: &[u8], value: &[u8]) -> Result<u64, Complaint> {
    digits(value)
        .ok_or_else(|| format!("`{}` of `{}` in a pax header", keyword.escape_ascii(), value.escape_ascii()))
}

fn text(keyword: &[u8], value: &[u8]) -> Result<Vec<u8>, Complaint> {
    if value.is_empty() || value.contains(&0) {
        return Err(format!("an empty `{}` or a NUL byte in it", keyword.escape_ascii()));
    }
    Ok(value.to_vec())
}

/// Reads seconds with an optional sign and fraction, rounded down to nanoseconds.
fn time(keyword: &[u8], value: &[u8]) -> Result<Time, Complaint> {
    let bad = || format!("`{}` of `{}` in a pax header", keyword.escape_ascii(), value.escape_ascii());
    let (negative, unsigned) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let point = unsigned.iter().position(|&byte| byte == b'.').unwrap_or(unsigned.len());
    let seconds = digits(&unsigned[..point]).and_then(|number| i64::try_from(number).ok()).ok_or_else(bad)?;
    let fraction = unsigned.get(point + 1..).unwrap_or(b"");
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    let mut nanoseconds = 0;
    for index in 0..9 {
        nanoseconds = nanoseconds * 10 + i64::from(fraction.get(index).map_or(0, |digit| digit - b'0'));
    }
    Ok(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

/// Writes one record.
pub(crate) fn write(to: &mut Vec<u8>, keyword: &[u8], value: &[u8]) {
    let rest = keyword.len() + value.len() + 3;
    // The length counts its own digits.
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    to.extend_from_slice(length.to_string().as_bytes());
    to.push(b' ');
    to.extend_from_slice(keyword);
    to.push(b'=');
    to.extend_from_slice(value);
    to.push(b'\n');
}

/// Writes a time as [`Records`] reads it.
pub(super) fn write_time(to: &mut Vec<u8>, keyword: &[u8], seconds: i64, nanoseconds: i64) {
    let text = match (seconds < 0, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (false, _) => format!("{seconds}.{nanoseconds:09}"),
        (true, _) => format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds),
    };
    write(to, keyword, text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Records, Complaint> {
        let mut records = Records::default();
        records.add(bytes).map(|()| records)
    }

    #[test]
    fn records_are_read() {
        let records = read(b"19 path=a/b\xff c/d=e\n19 size=8589934592\n12 uid=1000\n").unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a/b\xff c/d=e"[..]));
        assert_eq!((records.size, records.uid), (Some(1 << 33), Some(1000)));
        assert_eq!(read(b"22 SCHILY.xattr.u.a=\0\n").unwrap().attributes, [(b"u.a".to_vec(), vec![0])]);
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            &b"path=a"[..],
            b"9 path=a",
            b"99 path=a\n",
            b"0 path=a\n",
            b"-1 path=a\n",
            b" 9 path=a\n",
            b"9 path=a\n9 path=",
            b"10 path=a\0\n",
            b"8 path=\n",
            b"4 =\n",
            b"10 size=-1\n",
            b"30 size=99999999999999999999\n",
            b"11 mtime=x\n",
            b"13 mtime=1.x\n",
            b"5 ab\n",
            b"99999999999999999999999 a=b\n",
            b"23 GNU.sparse.numbytes=1\n",
            b"22 GNU.sparse.future=1\n",
        ] {
            assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            path in prop::collection::vec(1u8.., 1..300),
            value in prop::collection::vec(any::<u8>(), 0..2000),
            seconds in -10_000_000_000i64..10_000_000_000, nanoseconds in 0i64..1_000_000_000,
        ) {
            let mut bytes = Vec::new();
            write(&mut bytes, b"path", &path);
            write(&mut bytes, b"SCHILY.xattr.user.x", &value);
            write_time(&mut bytes, b"mtime", seconds, nanoseconds);
            let records = read(&bytes).unwrap();
            prop_assert_eq!(records.path, Some(path));
            prop_assert_eq!(records.attributes, vec![(b"user.x".to_vec(), value)]);
            prop_assert_eq!(records.modified, Some((seconds, nanoseconds)));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
