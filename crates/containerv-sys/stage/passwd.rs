//! Reading passwd(5) and group(5) of a container: hostile files, so in bounded space and time.
//!
//! Lines that are too long or malformed are skipped, as the C library does.

/// Longest line that is looked at.
pub const MAX_LINE: usize = 4096;
/// Most bytes that are read of one file; a larger one is refused.
pub const MAX_FILE: usize = 8 << 20;
/// Most supplementary groups of one process.
pub const MAX_GROUPS: usize = 256;
/// Longest home directory.
pub const MAX_HOME: usize = 255;

/// Cuts a stream of bytes into lines.
pub struct Lines {
    line: [u8; MAX_LINE],
    length: usize,
    too_long: bool,
}

impl Lines {
    /// No bytes yet.
    pub const fn empty() -> Self {
        Self { line: [0; MAX_LINE], length: 0, too_long: false }
    }

    /// Takes bytes and hands each line that ends in them to `take`, until that returns `true`.
    pub fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        for &byte in bytes {
            if byte == b'\n' {
                if self.finish(take) {
                    return true;
                }
            } else if let Some(place) = self.line.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            } else {
                self.too_long = true;
            }
        }
        false
    }

    /// Hands over what stands after the last newline.
    pub fn finish(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let skip = self.too_long || self.length == 0;
        let stop = !skip && take(&self.line[..self.length]);
        self.length = 0;
        self.too_long = false;
        stop
    }
}

/// A line of passwd(5).
#[derive(Debug, PartialEq, Eq)]
pub struct PasswdEntry<'a> {
    /// Login name.
    pub name: &'a [u8],
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home directory.
    pub home: &'a [u8],
}

/// Reads `name:password:uid:gid:gecos:home:shell`.
pub fn parse_passwd(line: &[u8]) -> Option<PasswdEntry<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty() && name[0] != b'#')?;
    fields.next()?;
    let uid = parse_id(fields.next()?)?;
    let gid = parse_id(fields.next()?)?;
    fields.next();
    let home = fields.next().unwrap_or(b"");
    Some(PasswdEntry { name, uid, gid, home })
}

/// A line of group(5).
#[derive(Debug, PartialEq, Eq)]
pub struct GroupEntry<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Group id.
    pub gid: u32,
    /// Member names, parted by commas.
    members: &'a [u8],
}

impl GroupEntry<'_> {
    /// Says whether `user` is listed.
    pub fn has_member(&self, user: &[u8]) -> bool {
        !user.is_empty() && self.members.split(|byte| *byte == b',').any(|member| member == user)
    }
}

/// Reads `name:password:gid:members`.
pub fn parse_group(line: &[u8]) -> Option<GroupEntry<'_>> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty() && name[0] != b'#')?;
    fields.next()?;
    let gid = parse_id(fields.next()?)?;
    Some(GroupEntry { name, gid, members: fields.next().unwrap_or(b"") })
}

/// Reads a user or group id: decimal digits, at most 2³¹ − 1.
///
/// Larger ids wrap to root or to "no change" somewhere on their way to the kernel
/// (CVE-2024-40635).
pub fn parse_id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    u32::try_from(value).ok().filter(|id| *id <= i32::MAX as u32)
}
