//! The system's 128-bit identifiers.

use std::fmt;
use std::str::FromStr;

use windows_sys::core::GUID;

/// A GUID. Written in lower case without braces, as the host compute documents want it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Guid(u128);

impl Guid {
    /// The one of zeros, which lets some functions choose.
    pub const NIL: Self = Self(0);

    /// The digits as one number.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// Returns the digits as one number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    pub(super) fn to_raw(self) -> GUID {
        GUID::from_u128(self.0)
    }

    pub(super) fn from_raw(raw: &GUID) -> Self {
        let tail = u64::from_be_bytes(raw.data4);
        let head = u64::from(raw.data1) << 32 | u64::from(raw.data2) << 16 | u64::from(raw.data3);
        Self(u128::from(head) << 64 | u128::from(tail))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

/// A text that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGuid;

impl fmt::Display for NoGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a GUID: want 32 hexadecimal digits as 8-4-4-4-12")
    }
}

impl std::error::Error for NoGuid {}

impl FromStr for Guid {
    type Err = NoGuid;

    /// Takes both cases, with or without braces.
    fn from_str(text: &str) -> Result<Self, NoGuid> {
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or(NoGuid)?,
            None => text,
        };
        let groups: Vec<&str> = inner.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        if lengths != [8, 4, 4, 4, 12] || !inner.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        {
            return Err(NoGuid);
        }
        u128::from_str_radix(&groups.concat(), 16).map(Self).map_err(|_| NoGuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "bd9c3ef9-f239-59b5-a27e-15c523b1d149";

    #[test]
    fn texts_and_the_systems_form_agree() {
        let guid: Guid = TEXT.parse().unwrap();
        assert_eq!(guid.to_string(), TEXT);
        assert_eq!("{BD9C3EF9-F239-59B5-A27E-15C523B1D149}".parse(), Ok(guid));
        let raw = guid.to_raw();
        assert_eq!((raw.data1, raw.data2, raw.data3, raw.data4[0]), (0xbd9c_3ef9, 0xf239, 0x59b5, 0xa2));
        assert_eq!(Guid::from_raw(&raw), guid);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "4", "{bd9c3ef9-f239-59b5-a27e-15c523b1d149", "bd9c3ef9f23959b5a27e15c523b1d149"] {
            assert_eq!(text.parse::<Guid>(), Err(NoGuid), "{text}");
        }
        assert!("+d9c3ef9-f239-59b5-a27e-15c523b1d149".parse::<Guid>().is_err());
    }
}
