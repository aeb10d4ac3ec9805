//! What a member says of its file besides names and content: attributes, times, who may do what.

use containerv_spec::OsText;

use crate::archive::{Attribute, Kind, Member, Time};
use crate::backend::hcs::transfer::time;
use crate::base64;

/// `FILE_ATTRIBUTE_DIRECTORY`.
pub(crate) const DIRECTORY: u32 = 0x10;
/// `FILE_ATTRIBUTE_ARCHIVE`, which new files have.
pub(crate) const ARCHIVE: u32 = 0x20;
/// `FILE_ATTRIBUTE_REPARSE_POINT`.
pub(crate) const REPARSE_POINT: u32 = 0x400;

/// Records, by the names that Windows' own container tools use.
const ATTRIBUTES: &[u8] = b"MSWINDOWS.fileattr";
const DESCRIPTOR: &[u8] = b"MSWINDOWS.rawsd";
const DESCRIPTOR_TEXT: &[u8] = b"MSWINDOWS.sd";
const JUNCTION: &[u8] = b"MSWINDOWS.mountpoint";
const EXTENDED: &[u8] = b"MSWINDOWS.xattr.";
const CREATED: &[u8] = b"LIBARCHIVE.creationtime";

/// The longest name of an extended attribute.
const LONGEST_EXTENDED: usize = 254;
/// The most bytes of all extended attributes of a file.
const MOST_EXTENDED: usize = 64 << 10;
/// The largest security descriptor: an access list has at most 64 KiB.
const MOST_DESCRIPTOR: usize = 72 << 10;

/// Who owns a file and who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// A self-relative security descriptor.
    Raw(Vec<u8>),
    /// The same as text (SDDL), as old layers have it.
    Text(String),
}

/// Times in units of 100 ns since 1601; 0 where the layer does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTimes {
    /// When it was made.
    pub created: i64,
    /// When it was read last.
    pub accessed: i64,
    /// When it was written last.
    pub modified: i64,
    /// When anything of it changed last.
    pub changed: i64,
}

/// What a layer says of a file besides names and content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `FILE_ATTRIBUTE_...`.
    pub attributes: u32,
    /// Its times.
    pub times: FileTimes,
    /// Who may do what, if the layer says so.
    pub security: Option<Security>,
    /// Extended attributes: name and value.
    pub extended: Vec<Attribute>,
    /// The link is a junction or a mounted volume (a mount point), not a symbolic link.
    pub junction: bool,
}

impl Facts {
    /// Reads what a member says.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the object of "has".
    pub(crate) fn of(member: &Member) -> Result<Self, String> {
        let (accessed, changed) = member.stated;
        let ticks = |time: Option<Time>| time.map_or(0, time::of_unix);
        let mut facts = Self::default();
        facts.times.accessed = ticks(accessed);
        facts.times.changed = ticks(changed);
        facts.times.modified = ticks(Some(member.metadata.modified).filter(|&time| time != (0, 0)));
        let mut attributes = None;
        for (at, (keyword, value)) in member.foreign.iter().enumerate() {
            if member.foreign[..at].iter().any(|(earlier, _)| earlier == keyword) {
                return Err(format!("two records `{}`", OsText::from_bytes(&keyword[..])));
            }
            match facts.read(keyword, value) {
                Some(Some(number)) => attributes = Some(number),
                Some(None) => {}
                None => {
                    return Err(format!(
                        "a record `{}` that makes no sense",
                        OsText::from_bytes(&keyword[..])
                    ));
                }
            }
        }
        facts.attributes = attributes.unwrap_or_default();
        facts.fit(member.kind, attributes.is_some())?;
        Ok(facts)
    }

    /// Takes one record. The attributes are returned, because whether they were stated matters.
    fn read(&mut self, keyword: &[u8], value: &[u8]) -> Option<Option<u32>> {
        let text = || std::str::from_utf8(value).ok();
        match keyword {
            ATTRIBUTES => return Some(Some(text()?.parse().ok()?)),
            DESCRIPTOR => {
                let raw = base64::decode(value).filter(|raw| is_descriptor(raw))?;
                self.security = Some(Security::Raw(raw));
            }
            // The binary form says the same and more.
            DESCRIPTOR_TEXT => {
                let text = text().filter(|text| text.len() <= MOST_DESCRIPTOR && !text.contains('\0'))?;
                self.security.get_or_insert_with(|| Security::Text(text.to_owned()));
            }
            JUNCTION => {
                if value != b"1" {
                    return None;
                }
                self.junction = true;
            }
            CREATED => self.times.created = time::of_unix(unix_time(text()?)?),
            _ => {
                // What is not known is kept with the layer and means nothing to a file.
                let Some(name) = keyword.strip_prefix(EXTENDED) else { return Some(None) };
                let usable = (1..=LONGEST_EXTENDED).contains(&name.len()) && !name.contains(&0);
                let value = base64::decode(value).filter(|_| usable)?;
                let size = |(name, value): &Attribute| 9 + name.len() + value.len();
                let total: usize = self.extended.iter().map(size).sum();
                if total + 9 + name.len() + value.len() > MOST_EXTENDED {
                    return None;
                }
                self.extended.push((name.to_vec(), value));
            }
        }
        Some(None)
    }

    /// Holds attributes and kind against each other.
    fn fit(&mut self, kind: Kind, stated: bool) -> Result<(), String> {
        let directory = self.attributes & DIRECTORY != 0;
        match kind {
            Kind::Directory if stated && !directory => {
                return Err("attributes of a file, and is a directory".into());
            }
            Kind::Directory => self.attributes |= DIRECTORY,
            Kind::File if directory => return Err("attributes of a directory, and is a file".into()),
            Kind::Symlink => self.attributes |= REPARSE_POINT,
            _ => {}
        }
        if self.junction && kind != Kind::Symlink {
            return Err("the record of a mount point, and is no link".into());
        }
        Ok(())
    }

    /// The records that say all this again; times other than that of creation are the header's.
    pub(crate) fn records(&self) -> Vec<Attribute> {
        let mut records = Vec::new();
        let (seconds, nanoseconds) = time::to_unix(self.times.created);
        if self.times.created > 0 {
            records.push((CREATED.to_vec(), decimal(seconds, nanoseconds)));
        }
        records.push((ATTRIBUTES.to_vec(), self.attributes.to_string().into_bytes()));
        if self.junction {
            records.push((JUNCTION.to_vec(), b"1".to_vec()));
        }
        match &self.security {
            Some(Security::Raw(raw)) => {
                records.push((DESCRIPTOR.to_vec(), base64::encode(raw).into_bytes()));
            }
            Some(Security::Text(text)) => records.push((DESCRIPTOR_TEXT.to_vec(), text.clone().into_bytes())),
            None => {}
        }
        for (name, value) in &self.extended {
            records.push(([EXTENDED, &name[..]].concat(), base64::encode(value).into_bytes()));
        }
        records
    }
}

/// Seconds with a fraction that has no zeros at its end, as Go writes it.
fn decimal(seconds: i64, nanoseconds: i64) -> Vec<u8> {
    if nanoseconds == 0 {
        return seconds.to_string().into_bytes();
    }
    let text = if seconds < 0 {
        format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds)
    } else {
        format!("{seconds}.{nanoseconds:09}")
    };
    text.trim_end_matches('0').to_owned().into_bytes()
}

/// Reads seconds since 1970 with a fraction.
fn unix_time(text: &str) -> Option<Time> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanoseconds: i64 = format!("{fraction:0<9}")[..9].parse().ok()?;
    Some(match (negative, nanoseconds) {
        (false, _) => (seconds, nanoseconds),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

/// Says whether bytes are a self-relative security descriptor whose parts are all in them ([MS-DTYP] 2.4.6).
pub(crate) fn is_descriptor(bytes: &[u8]) -> bool {
    const HEAD: usize = 20;
    const SELF_RELATIVE: u8 = 0x80;
    if bytes.len() < HEAD || bytes.len() > MOST_DESCRIPTOR || bytes[0] != 1 || bytes[3] & SELF_RELATIVE == 0 {
        return false;
    }
    let ends = |at: usize, length: fn(&[u8]) -> Option<usize>| {
        let offset = u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
        let part = || bytes.get(offset..).filter(|_| offset >= HEAD);
        offset == 0 || part().is_some_and(|part| length(part).is_some_and(|length| length <= part.len()))
    };
    let identifier = |part: &[u8]| Some(8 + 4 * usize::from(*part.get(1)?));
    let list = |part: &[u8]| Some(usize::from(u16::from_le_bytes([*part.get(2)?, *part.get(3)?])).max(8));
    ends(4, identifier) && ends(8, identifier) && ends(12, list) && ends(16, list)
}

/// The descriptor of new files and directories: they are the administrators', who like the system may do
/// everything; users may read and execute.
pub(crate) fn usual_descriptor(directory: bool) -> Vec<u8> {
    const ADMINISTRATORS: &[u8] = &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0];
    const USERS: &[u8] = &[1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0];
    const SYSTEM: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
    const EVERYTHING: u32 = 0x001F_01FF;
    const READ_AND_EXECUTE: u32 = 0x0012_00A9;
    // What is made in a directory inherits from it.
    let inherit = if directory { 3 } else { 0 };
    let entries: Vec<u8> = [(SYSTEM, EVERYTHING), (ADMINISTRATORS, EVERYTHING), (USERS, READ_AND_EXECUTE)]
        .into_iter()
        .flat_map(|(who, what)| {
            let size = u8::try_from(8 + who.len()).unwrap_or_default();
            [&[0, inherit, size, 0][..], &what.to_le_bytes(), who].concat()
        })
        .collect();
    let size = u8::try_from(8 + entries.len()).unwrap_or_default();
    let list = [&[2, 0, size, 0, 3, 0, 0, 0][..], &entries].concat();
    let (owner, group) = (20, 20 + 16);
    let head = [1, 0, 4, 0x80, owner, 0, 0, 0, group, 0, 0, 0, 0, 0, 0, 0, group + 16, 0, 0, 0];
    [&head[..], ADMINISTRATORS, ADMINISTRATORS, &list].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_say_the_same_again() {
        let facts = Facts {
            attributes: 0x26,
            times: FileTimes { created: 116_444_736_000_000_001, ..FileTimes::default() },
            security: Some(Security::Raw(usual_descriptor(false))),
            extended: vec![(b"$CI.CATALOGHINT".to_vec(), vec![1, 0, 2])],
            junction: false,
        };
        let mut read = Facts::default();
        for (keyword, value) in facts.records() {
            if let Some(attributes) = read.read(&keyword, &value).unwrap() {
                read.attributes = attributes;
            }
        }
        assert_eq!(read, facts);
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        for (keyword, value) in [
            (ATTRIBUTES, &b"-1"[..]),
            (ATTRIBUTES, b"4294967296"),
            (ATTRIBUTES, b"0x20"),
            (DESCRIPTOR, b"!"),
            (DESCRIPTOR, b"AQAAgA=="),
            (JUNCTION, b"0"),
            (CREATED, b"x"),
            (CREATED, b"1."),
            (CREATED, b"99999999999999999999"),
            (b"MSWINDOWS.xattr.", b"AA=="),
            (b"MSWINDOWS.xattr.A", b"A"),
        ] {
            assert_eq!(Facts::default().read(keyword, value), None, "{}", keyword.escape_ascii());
        }
    }

    #[test]
    fn descriptors_stay_in_their_bytes() {
        let whole = usual_descriptor(true);
        assert!(is_descriptor(&whole));
        for end in 0..whole.len() {
            assert!(!is_descriptor(&whole[..end]), "{end}");
        }
        for (at, value) in [(0, 2), (3, 0), (4, 255), (4, 8), (8, 127), (16, 127), (21, 200)] {
            let mut changed = whole.clone();
            changed[at] = value;
            assert!(!is_descriptor(&changed), "{at}");
        }
    }

    #[test]
    fn times_have_a_fraction() {
        for (text, time) in
            [("1", (1, 0)), ("1.5", (1, 500_000_000)), ("-1.5", (-2, 500_000_000)), ("-3", (-3, 0))]
        {
            assert_eq!(unix_time(text), Some(time));
            assert_eq!(decimal(time.0, time.1), text.as_bytes());
        }
        assert_eq!(unix_time("1.1234567899"), Some((1, 123_456_789)));
    }
}
