//! Data of reparse points: symbolic links and junctions ([MS-FSCC] 2.1.2).

use super::path::{self, Refusal, Target};

/// `IO_REPARSE_TAG_SYMLINK`.
pub(crate) const SYMLINK: u32 = 0xA000_000C;
/// `IO_REPARSE_TAG_MOUNT_POINT`: junctions and mounted volumes.
pub(crate) const MOUNT_POINT: u32 = 0xA000_0003;
/// `IO_REPARSE_TAG_AF_UNIX`.
pub(crate) const SOCKET: u32 = 0x8000_0023;
/// The bit of tags whose files stand for something elsewhere. Without it the file is what it seems to be,
/// and the filter that owns the tag completes it when it is opened.
const SURROGATE: u32 = 0x2000_0000;
/// A symbolic link's target is relative.
const RELATIVE: u32 = 1;
/// Tag, length and a reserved field.
const HEAD: usize = 8;
/// The largest reparse point.
const LARGEST: usize = 16 * 1024;
/// What the kernel's absolute names begin with.
const ABSOLUTE: &str = r"\??\";

/// A symbolic link or junction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where it leads, in UTF-16, as the kernel reads it.
    pub(crate) target: Vec<u16>,
    /// The target is relative to the directory of the link, or with a backslash to the root.
    pub(crate) relative: bool,
    pub(crate) junction: bool,
}

/// Says whether files of this tag stand for something elsewhere.
pub(crate) fn is_surrogate(tag: u32) -> bool {
    tag & SURROGATE != 0
}

impl Link {
    /// Reads the data of a reparse point; none if it is no link, or damaged.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let junction = match long(data, 0)? {
            SYMLINK => false,
            MOUNT_POINT => true,
            _ => return None,
        };
        let data = data.get(HEAD..HEAD.checked_add(usize::from(short(data, 4)?))?)?;
        let relative = !junction && long(data, 8)? & RELATIVE != 0;
        let names = data.get(if junction { 8 } else { 12 }..)?;
        let (offset, length) = (usize::from(short(data, 0)?), usize::from(short(data, 2)?));
        let target = names.get(offset..offset.checked_add(length)?)?;
        if target.is_empty() || !target.len().is_multiple_of(2) {
            return None;
        }
        let units = target.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        Some(Self { target: units.collect(), relative, junction })
    }

    /// Writes it as it is stored; none if it is too long for that.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        let shown = self.target.strip_prefix(&units(ABSOLUTE)[..]).unwrap_or(&self.target);
        let bytes = |text: &[u16]| text.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
        let (target, shown) = (bytes(&self.target), bytes(shown));
        // A junction's names end with NUL, which their lengths do not count.
        let end = if self.junction { 2 } else { 0 };
        let offsets = [0, target.len(), target.len() + end, shown.len()];
        let mut data = Vec::new();
        for number in offsets {
            data.extend_from_slice(&u16::try_from(number).ok()?.to_le_bytes());
        }
        if !self.junction {
            data.extend_from_slice(&(if self.relative { RELATIVE } else { 0 }).to_le_bytes());
        }
        for name in [target, shown] {
            data.extend_from_slice(&name);
            data.resize(data.len() + end, 0);
        }
        let length = u16::try_from(data.len()).ok().filter(|_| HEAD + data.len() <= LARGEST)?;
        let tag = if self.junction { MOUNT_POINT } else { SYMLINK };
        Some([&tag.to_le_bytes()[..], &length.to_le_bytes(), &[0, 0], &data].concat())
    }

    /// Where it leads in a container.
    ///
    /// # Errors
    ///
    /// It leads out.
    pub(crate) fn lead(&self, volume: Option<&str>) -> Result<Target, Refusal> {
        path::target(&self.target, self.relative, volume)
    }

    /// Writes the target as archives have it, with slashes; none if it is neither relative nor on a drive,
    /// and so means nothing elsewhere.
    pub(crate) fn text(&self) -> Option<String> {
        let text = String::from_utf16(&self.target).ok()?;
        let shown = match text.strip_prefix(ABSOLUTE) {
            Some(rest) if rest.get(1..3) == Some(":\\") => rest,
            None if self.relative => &text,
            _ => return None,
        };
        Some(shown.replace('\\', "/"))
    }

    /// Writes the target as layers of images have it, with slashes; none if it is no name of the kernel's that they have.
    pub(crate) fn layer_text(&self) -> Option<String> {
        let text = String::from_utf16(&self.target).ok()?;
        let shown = match text.strip_prefix(ABSOLUTE) {
            Some(rest) if rest.get(1..3) == Some(":\\") => rest.to_owned(),
            Some(rest) => match rest.strip_prefix("UNC\\") {
                Some(share) => format!(r"\\{share}"),
                None => format!(r"\\?\{rest}"),
            },
            None if self.relative => text,
            None => return None,
        };
        Some(shown.replace('\\', "/"))
    }

    /// Reads a target of an archive: `a/b`, `../b`, `/b` or `C:/b`.
    ///
    /// # Errors
    ///
    /// In words, what is wrong with it.
    pub(crate) fn of_text(text: &[u8], junction: bool) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "a link target that is not UTF-8")?;
        let text = text.replace('/', "\\");
        let drive = text.chars().next().is_some_and(|drive| drive.is_ascii_alphabetic())
            && text.get(1..3) == Some(":\\");
        let rest = if drive { &text[3..] } else { &text };
        if text.starts_with(r"\\") || rest.contains([':', '\0', '*', '?', '<', '>', '|', '"']) {
            return Err("a link target that Windows reads as something other than a path".into());
        }
        if junction && !drive {
            return Err("a junction whose target is not on a drive".into());
        }
        let target = if drive {
            units(ABSOLUTE).into_iter().chain(text.encode_utf16()).collect()
        } else {
            units(&text)
        };
        let link = Self { target, relative: !drive, junction };
        // Both forms of the name have to fit.
        if link.target.is_empty() || link.write().is_none() {
            return Err("a link target that is empty or too long for Windows".into());
        }
        Ok(link)
    }

    /// Reads a target of an image's layer, which may lead anywhere: whoever opens it in a container finds the
    /// container's own drives there.
    ///
    /// # Errors
    ///
    /// In words, what is wrong with it.
    pub(crate) fn of_layer(text: &[u8], junction: bool) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "a link target that is not UTF-8")?;
        let text = text.replace('/', "\\");
        let drive = text.chars().next().is_some_and(|drive| drive.is_ascii_alphabetic());
        let absolute = match text.strip_prefix(r"\\?\").or_else(|| text.strip_prefix(ABSOLUTE)) {
            Some(rest) => Some(rest.to_owned()),
            None if text.starts_with(r"\\") => Some(format!(r"UNC\{}", &text[2..])),
            None if drive && text.get(1..3) == Some(":\\") => Some(text.clone()),
            None if drive && text.get(1..2) == Some(":") => {
                return Err("a link target that is relative to the working directory of a drive".into());
            }
            None => None,
        };
        if junction && absolute.is_none() {
            return Err("a junction whose target is relative".into());
        }
        let relative = absolute.is_none();
        let target = absolute.map_or_else(|| units(&text), |rest| units(&format!("{ABSOLUTE}{rest}")));
        let link = Self { target, relative, junction };
        if text.is_empty() || text.contains('\0') || link.write().is_none() {
            return Err("a link target that is empty, has a NUL, or is too long for Windows".into());
        }
        Ok(link)
    }
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn short(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at + 2)?.try_into().ok()?))
}

fn long(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_layout_is_read() {
        // `b` beside the link, as Windows writes it: the shown name first.
        let mut data = vec![0x0C, 0, 0, 0xA0, 16, 0, 0, 0, 2, 0, 2, 0, 0, 0, 2, 0, 1, 0, 0, 0];
        data.extend_from_slice(&[b'x', 0, b'b', 0]);
        let link = Link::read(&data).unwrap();
        assert_eq!(link, Link { target: units("b"), relative: true, junction: false });
        let mut data = vec![0x03, 0, 0, 0xA0, 38, 0, 0, 0, 0, 0, 14, 0, 16, 0, 6, 0];
        data.extend(units("\\??\\C:\\\0C:\\\0").iter().flat_map(|unit| unit.to_le_bytes()));
        data[4] = (data.len() - 8) as u8;
        let link = Link::read(&data).unwrap();
        assert_eq!(link, Link { target: units("\\??\\C:\\"), relative: false, junction: true });
        assert_eq!(link.write().unwrap(), data);
        assert_eq!(link.text().as_deref(), Some("C:/"));
    }

    #[test]
    fn targets_of_archives_become_links() {
        for (text, target, relative) in [
            ("a/b", "a\\b", true),
            ("../b", "..\\b", true),
            ("/etc/x", "\\etc\\x", true),
            ("C:/x/y", "\\??\\C:\\x\\y", false),
            ("d:\\x", "\\??\\d:\\x", false),
        ] {
            let link = Link::of_text(text.as_bytes(), false).unwrap();
            assert_eq!((link.target.clone(), link.relative), (units(target), relative), "{text}");
            assert_eq!(link.text().unwrap(), text.replace('\\', "/"));
        }
        assert!(Link::of_text(b"C:/x", true).unwrap().junction);
        for text in ["//server/share", "\\\\?\\C:\\x", "C:x", "a:b", "file::$DATA", "", "a*", "/??/C:/x"] {
            assert!(Link::of_text(text.as_bytes(), false).is_err(), "{text}");
        }
        assert!(Link::of_text(b"relative", true).is_err() && Link::of_text(b"\xff", false).is_err());
        assert!(Link::of_text(&[b'x'; 9000], false).is_err());
    }

    #[test]
    fn targets_of_layers_may_lead_anywhere() {
        for (text, target, relative) in [
            ("a/b", "a\\b", true),
            ("/a", "\\a", true),
            ("C:/ProgramData", "\\??\\C:\\ProgramData", false),
            ("//?/Volume{1}/", "\\??\\Volume{1}\\", false),
            ("//server/share", "\\??\\UNC\\server\\share", false),
            ("/??/C:/x", "\\??\\C:\\x", false),
        ] {
            let link = Link::of_layer(text.as_bytes(), false).unwrap();
            let again = Link::of_layer(link.layer_text().unwrap().as_bytes(), false).unwrap();
            assert_eq!(again, link, "{text}");
            assert_eq!((link.target, link.relative), (units(target), relative), "{text}");
            assert_eq!(Link::of_layer(text.as_bytes(), true).is_ok(), !relative, "{text}");
        }
        for text in [&b""[..], b"C:x", b"a\0b", b"\xff", &[b'x'; 9000]] {
            assert!(Link::of_layer(text, false).is_err(), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_means_nothing_elsewhere_has_no_text() {
        for target in ["\\??\\Volume{1}\\", "\\??\\UNC\\server\\share", "\\Device\\x"] {
            assert_eq!(Link { target: units(target), relative: false, junction: true }.text(), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(target in prop::collection::vec(1_u16.., 1..2000), relative in any::<bool>(), junction in any::<bool>()) {
            let link = Link { target, relative: relative && !junction, junction };
            prop_assert_eq!(Link::read(&link.write().unwrap()), Some(link));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut data in prop::collection::vec(any::<u8>(), 0..80), tag in any::<bool>()) {
            if data.len() > 4 {
                data[..4].copy_from_slice(&(if tag { SYMLINK } else { MOUNT_POINT }).to_le_bytes());
            }
            if let Some(link) = Link::read(&data) {
                let _ = (link.lead(None), link.text());
            }
        }
    }
}
