//! Paths of Windows as text: which ones stay inside a directory, and which ones name what they seem to.
//!
//! Windows gives one file many names: either separator, upper and lower case, names of 8.3 characters,
//! dots and blanks at the end that it drops, streams after a colon, devices that hide behind every
//! extension. What comes from an archive, a container or a command line is therefore not compared but
//! confined: each component must be a plain name, or the path is refused.

use std::fmt;

/// Longest component in UTF-16 units; NTFS.
const MAX_COMPONENT: usize = 255;
/// Longest path in UTF-16 units.
const MAX_PATH: usize = 32_000;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathProblem {
    /// There is no path.
    Empty,
    /// It begins at a root, and has to be relative.
    Rooted,
    /// It has to begin at the root of a drive, as `C:\`.
    NotRooted,
    /// It begins with `\\`: a share, a device or the raw form `\\?\`.
    Raw,
    /// It has `..`.
    Climbs,
    /// A colon: a drive, or a stream of a file.
    Colon,
    /// A dot or blank at the end of a component, which Windows drops.
    TrailingDotOrBlank,
    /// A character that no name has.
    Character,
    /// The name of a device, as `CON` or `nul.txt`.
    Device,
    /// The form of a short name, as `PROGRA~1`, which may be that of another file.
    ShortName,
    /// A component is longer than 255 characters, or the path than 32,000.
    TooLong,
}

impl fmt::Display for PathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the path is empty",
            Self::Rooted => "the path begins at a root",
            Self::NotRooted => "the path does not begin at the root of a drive, as `C:\\`",
            Self::Raw => "the path begins with `\\\\`",
            Self::Climbs => "the path has `..`",
            Self::Colon => "a component has a colon, which names a drive or a stream",
            Self::TrailingDotOrBlank => "a component ends in a dot or blank, which Windows drops",
            Self::Character => "a component has a character that no file name has",
            Self::Device => "a component is the name of a device",
            Self::ShortName => "a component has the form of a short name, which may be another file's",
            Self::TooLong => "a component is longer than 255 characters, or the path than 32000",
        })
    }
}

/// Checks a relative path whose every component has to be a plain name below some directory. Returns
/// it with single backslashes and without `.`.
///
/// Symbolic links and other reparse points are not seen here: whoever opens the path walks it component by
/// component.
///
/// # Errors
///
/// The path leads elsewhere, or may.
pub fn confined(path: &str) -> Result<String, PathProblem> {
    let separator = |character| matches!(character, '\\' | '/');
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.encode_utf16().count() > MAX_PATH {
        return Err(PathProblem::TooLong);
    }
    if path.starts_with(separator) {
        let second = path.chars().nth(1);
        return Err(if second.is_some_and(separator) { PathProblem::Raw } else { PathProblem::Rooted });
    }
    let mut components = Vec::new();
    for component in path.split(separator).filter(|component| !matches!(*component, "" | ".")) {
        plain_name(component)?;
        components.push(component);
    }
    if components.is_empty() { Err(PathProblem::Empty) } else { Ok(components.join("\\")) }
}

/// Checks a path in a container, which begins at a drive: `C:\data`, with either separator. Returns it
/// with single backslashes; the root of a drive as `D:\`.
///
/// # Errors
///
/// It does not begin at a drive, or [`confined`] refuses what follows.
pub fn in_container(path: &str) -> Result<String, PathProblem> {
    let (drive, rest) = split_drive(path).ok_or_else(|| unrooted(path))?;
    match confined(rest.trim_start_matches(['\\', '/'])) {
        Ok(rest) => Ok(format!("{drive}:\\{rest}")),
        // `C:\.` is the root as well.
        Err(PathProblem::Empty) => Ok(format!("{drive}:\\")),
        Err(problem) => Err(problem),
    }
}

/// Checks an absolute path of the host: `C:\data`, a share `\\server\share\data`, or the raw forms
/// `\\?\C:\data` and `\\?\Volume{GUID}\data`. Returns it with backslashes.
///
/// The host is the caller's own, so short names and odd names are the caller's business.
///
/// # Errors
///
/// It is not absolute, climbs, or names a device.
pub fn on_host(path: &str) -> Result<String, PathProblem> {
    let path = path.replace('/', "\\");
    if path.is_empty() {
        return Err(PathProblem::Empty);
    }
    if path.encode_utf16().count() > MAX_PATH {
        return Err(PathProblem::TooLong);
    }
    let rest = match path.strip_prefix(r"\\") {
        Some(rest) if rest.starts_with(r".\") => return Err(PathProblem::Raw),
        Some(rest) => rest.strip_prefix(r"?\").unwrap_or(rest),
        None => split_drive(&path).ok_or_else(|| unrooted(&path))?.1,
    };
    let first = rest.split('\\').next().unwrap_or_default();
    let after_drive = if split_drive(rest).is_some() { &rest[first.len()..] } else { rest };
    for component in after_drive.split('\\') {
        match component {
            ".." => return Err(PathProblem::Climbs),
            other if other.contains(':') => return Err(PathProblem::Colon),
            other if !other.chars().all(is_name_character) => return Err(PathProblem::Character),
            _ => {}
        }
    }
    Ok(path)
}

/// Takes the name out of the path of a named pipe: `\\.\pipe\NAME`, with either separator.
pub fn pipe_name(path: &str) -> Option<String> {
    let path = path.replace('/', "\\");
    let prefix = path.get(..9).filter(|prefix| prefix.eq_ignore_ascii_case(r"\\.\pipe\"))?;
    let name = &path[prefix.len()..];
    let usable = !name.is_empty() && name.len() <= 247 && name.chars().all(is_name_character);
    usable.then(|| name.to_owned())
}

/// Takes the drive off a path that begins at its root; the rest begins with a separator.
fn split_drive(path: &str) -> Option<(char, &str)> {
    let mut characters = path.chars();
    let drive = characters.next().filter(char::is_ascii_alphabetic)?;
    let rooted = characters.next() == Some(':') && characters.next().is_some_and(|c| matches!(c, '\\' | '/'));
    rooted.then(|| (drive.to_ascii_uppercase(), &path[2..]))
}

fn unrooted(path: &str) -> PathProblem {
    match path.as_bytes() {
        [] => PathProblem::Empty,
        [b'\\' | b'/', b'\\' | b'/', ..] => PathProblem::Raw,
        _ => PathProblem::NotRooted,
    }
}

fn is_name_character(character: char) -> bool {
    !character.is_control() && !matches!(character, '<' | '>' | '"' | '|' | '?' | '*' | '\u{feff}')
}

fn plain_name(component: &str) -> Result<(), PathProblem> {
    if component == ".." {
        return Err(PathProblem::Climbs);
    }
    if component.contains(':') {
        return Err(PathProblem::Colon);
    }
    if component.ends_with(['.', ' ']) {
        return Err(PathProblem::TrailingDotOrBlank);
    }
    if !component.chars().all(is_name_character) {
        return Err(PathProblem::Character);
    }
    if is_device(component) {
        return Err(PathProblem::Device);
    }
    if is_short_name(component) {
        return Err(PathProblem::ShortName);
    }
    if component.encode_utf16().count() > MAX_COMPONENT {
        return Err(PathProblem::TooLong);
    }
    Ok(())
}

/// Names of devices, which stay theirs with any extension and with blanks before it.
fn is_device(component: &str) -> bool {
    let base = component.split('.').next().unwrap_or_default().trim_end_matches(' ').to_uppercase();
    if matches!(base.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let number = base.strip_prefix("COM").or_else(|| base.strip_prefix("LPT"));
    let mut digits = number.unwrap_or_default().chars();
    // Superscript digits are digits to Windows.
    let digit = digits.next().is_some_and(|digit| digit.is_ascii_digit() || matches!(digit, '¹' | '²' | '³'));
    digit && digits.next().is_none()
}

/// `NAME~1.EXT`: at most eight and three characters.
fn is_short_name(component: &str) -> bool {
    let (base, extension) = component.split_once('.').unwrap_or((component, ""));
    let Some((stem, number)) = base.rsplit_once('~') else { return false };
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    numbered && !stem.is_empty() && base.chars().count() <= 8 && extension.chars().count() <= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_relative_paths_are_confined() {
        for (path, expected) in [
            ("a", "a"),
            ("Files/Windows/System32", r"Files\Windows\System32"),
            (r"Files\a//b\.\c", r"Files\a\b\c"),
            ("./x", "x"),
            (".hidden", ".hidden"),
            ("a.b.c", "a.b.c"),
            ("console.txt", "console.txt"),
            ("com10", "com10"),
            ("COM", "COM"),
            ("Package~31bf3856ad364e35~amd64~~10.0.mum", "Package~31bf3856ad364e35~amd64~~10.0.mum"),
            ("~1", "~1"),
            ("backup~12345678", "backup~12345678"),
            ("名前", "名前"),
        ] {
            assert_eq!(confined(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_may_lead_elsewhere_is_refused() {
        use PathProblem::*;
        for (path, problem) in [
            ("", Empty),
            (".", Empty),
            ("./.", Empty),
            ("..", Climbs),
            (r"Files\..\..\x", Climbs),
            ("Files/../x", Climbs),
            (r"a\..", Climbs),
            ("a/..\\b", Climbs),
            ("... /x", TrailingDotOrBlank),
            ("...", TrailingDotOrBlank),
            (".. ", TrailingDotOrBlank),
            ("/x", Rooted),
            (r"\x", Rooted),
            (r"\\server\share\x", Raw),
            ("//server/share", Raw),
            (r"\\?\C:\x", Raw),
            (r"\\.\PhysicalDrive0", Raw),
            (r"/\?\C:\x", Raw),
            ("C:x", Colon),
            (r"C:\x", Colon),
            ("file:stream", Colon),
            ("file::$DATA", Colon),
            (r"a\b:c:$DATA", Colon),
            ("a.", TrailingDotOrBlank),
            ("a ", TrailingDotOrBlank),
            (r"a.\b", TrailingDotOrBlank),
            ("a*", Character),
            ("a?b", Character),
            ("a\0b", Character),
            ("a\u{1}", Character),
            ("a\"b", Character),
            ("CON", Device),
            ("nul", Device),
            ("NUL.txt", Device),
            ("aux.tar.gz", Device),
            (r"a\Prn\b", Device),
            ("nul .txt", Device),
            ("COM1", Device),
            ("com0.log", Device),
            ("LPT9", Device),
            ("COM¹", Device),
            ("conin$", Device),
            ("CONOUT$", Device),
            ("PROGRA~1", ShortName),
            (r"Files\micros~2.txt", ShortName),
            ("A~12345.X", ShortName),
        ] {
            assert_eq!(confined(path), Err(problem), "{path:?}");
        }
        assert_eq!(confined(&"x".repeat(256)), Err(TooLong));
        assert_eq!(confined(&"x/".repeat(16_001)), Err(TooLong));
    }

    #[test]
    fn paths_in_a_container_begin_at_a_drive() {
        for (path, expected) in [
            (r"C:\data", r"C:\data"),
            ("c:/data/x", r"C:\data\x"),
            ("D:\\", "D:\\"),
            ("d:/", "D:\\"),
            (r"C:\\a", r"C:\a"),
        ] {
            assert_eq!(in_container(path).as_deref(), Ok(expected), "{path}");
        }
        for (path, problem) in [
            ("", PathProblem::Empty),
            ("data", PathProblem::NotRooted),
            ("/data", PathProblem::NotRooted),
            ("C:data", PathProblem::NotRooted),
            ("C:", PathProblem::NotRooted),
            (r"\\?\C:\data", PathProblem::Raw),
            (r"C:\a\..\b", PathProblem::Climbs),
            (r"C:\NUL", PathProblem::Device),
            (r"C:\a:b", PathProblem::Colon),
            ("é:\\x", PathProblem::NotRooted),
        ] {
            assert_eq!(in_container(path), Err(problem), "{path}");
        }
    }

    #[test]
    fn paths_of_the_host_are_absolute() {
        for (path, expected) in [
            ("C:/data", r"C:\data"),
            (r"C:\PROGRA~1\x", r"C:\PROGRA~1\x"),
            (r"\\server\share\a", r"\\server\share\a"),
            (r"\\?\C:\a", r"\\?\C:\a"),
            (
                r"\\?\Volume{baac0fd5-16b7-405b-9621-112aa8e3d973}\a",
                r"\\?\Volume{baac0fd5-16b7-405b-9621-112aa8e3d973}\a",
            ),
        ] {
            assert_eq!(on_host(path).as_deref(), Ok(expected), "{path}");
        }
        for (path, problem) in [
            ("", PathProblem::Empty),
            ("data", PathProblem::NotRooted),
            ("C:data", PathProblem::NotRooted),
            (r"\data", PathProblem::NotRooted),
            (r"\\.\pipe\x", PathProblem::Raw),
            (r"C:\a\..\b", PathProblem::Climbs),
            (r"\\?\C:\..", PathProblem::Climbs),
            (r"C:\a:b", PathProblem::Colon),
            (r"C:\a*", PathProblem::Character),
        ] {
            assert_eq!(on_host(path), Err(problem), "{path}");
        }
    }

    #[test]
    fn pipes_have_a_name() {
        assert_eq!(pipe_name(r"\\.\pipe\docker_engine").as_deref(), Some("docker_engine"));
        assert_eq!(pipe_name("//./PIPE/a/b").as_deref(), Some(r"a\b"));
        for path in ["", r"\\.\pipe\", r"\\.\pipe", r"\\server\pipe\a", "pipe", r"\\.\pipe\a*"] {
            assert_eq!(pipe_name(path), None, "{path}");
        }
        assert_eq!(pipe_name("\\\\.\\pipé\\x"), None);
    }
}
