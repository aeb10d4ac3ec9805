//! Paths in a Windows container, and where links in it lead.
//!
//! A path becomes a list of plain names before anything is opened; what Windows reads as something
//! else (a stream, a device, a drive, a raw name) is refused. Names that files have already are not
//! so clean: a container can make any by the raw form of paths.

use std::fmt;

use containerv_spec::OsText;
use containerv_spec::hcs::path::{PathProblem, confined};

/// The container's only drive that is its own.
const DRIVE: char = 'C';

/// Why a path in a container is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something in it is no plain name.
    Name(PathProblem),
    /// It is on another drive.
    Drive(char),
    /// It begins where a drive's working directory is: `C:x`.
    DriveRelative,
    /// It is no Unicode.
    Encoding,
    /// It leads to a volume by its number.
    Volume,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(problem) => problem.fmt(f),
            Self::Drive(drive) => write!(f, "the drive `{drive}:` is none of the container's own"),
            Self::DriveRelative => f.write_str("the path is relative to the working directory of a drive"),
            Self::Encoding => f.write_str("the path is not valid UTF-8"),
            Self::Volume => f.write_str("the path names another volume"),
        }
    }
}

impl Refusal {
    /// What to do about it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Drive(_) => "files on other drives are mapped from the host: copy them there",
            Self::DriveRelative => "write `C:\\` with the backslash",
            _ => "give a path such as `C:\\data\\file` or `/data/file`",
        }
    }
}

impl From<PathProblem> for Refusal {
    fn from(problem: PathProblem) -> Self {
        Self::Name(problem)
    }
}

/// A name of a file or directory, in UTF-16.
pub(crate) type Name = Vec<u16>;

/// A path from the root of the container's drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerPath {
    /// Plain names.
    pub(crate) names: Vec<Name>,
    /// It ended in a separator, `.` or `..`, which ask for a directory.
    pub(crate) asks_directory: bool,
    /// It ended in `.` or `..`, or is the root: the content of a directory is meant.
    pub(crate) content: bool,
}

/// Reads a path in a container: `C:\data`, `/data` and `data` are the same, with either separator. `..` is
/// taken off as Windows does it, before anything is looked at, and stops at the root.
///
/// # Errors
///
/// What is on no drive of the container's own, or not the name of a file.
pub(crate) fn parse(text: &OsText) -> Result<ContainerPath, Refusal> {
    let text = text.to_str().ok_or(Refusal::Encoding)?;
    let (rest, last) = (after_drive(text)?, text.rsplit(is_separator).next().unwrap_or_default());
    let mut names = Vec::new();
    for component in rest.split(is_separator) {
        match component {
            "" | "." => {}
            ".." => _ = names.pop(),
            name => {
                check_text(name)?;
                names.push(name.encode_utf16().collect());
            }
        }
    }
    let content = names.is_empty() || matches!(last, "." | "..");
    Ok(ContainerPath { names, asks_directory: content || last.is_empty(), content })
}

fn is_separator(character: char) -> bool {
    matches!(character, '\\' | '/')
}

/// Takes the drive off.
fn after_drive(text: &str) -> Result<&str, Refusal> {
    let mut start = text.chars();
    match (start.next(), start.next()) {
        (Some(first), Some(second)) if is_separator(first) && is_separator(second) => {
            Err(PathProblem::Raw.into())
        }
        (Some(drive), Some(':')) if drive.is_ascii_alphabetic() => {
            let rest = &text[2..];
            if !rest.starts_with(is_separator) {
                return Err(Refusal::DriveRelative);
            }
            if drive.eq_ignore_ascii_case(&DRIVE) {
                Ok(rest)
            } else {
                Err(Refusal::Drive(drive.to_ascii_uppercase()))
            }
        }
        _ => Ok(text),
    }
}

/// Checks a name that a path or an archive gives, or that a file has. A short name passes; whoever
/// opens it looks whether it is another file's.
///
/// # Errors
///
/// Windows reads it as something other than a name.
pub(crate) fn check(name: &[u16]) -> Result<(), PathProblem> {
    check_text(&String::from_utf16_lossy(name))
}

fn check_text(name: &str) -> Result<(), PathProblem> {
    if name.contains(is_separator) {
        return Err(PathProblem::Character);
    }
    match confined(name) {
        Ok(_) | Err(PathProblem::ShortName) => Ok(()),
        Err(problem) => Err(problem),
    }
}

/// Says whether a name has the form of a short one, as `PROGRA~1`.
pub(crate) fn is_short(name: &[u16]) -> bool {
    const TILDE: u16 = b'~' as u16;
    name.contains(&TILDE) && confined(&String::from_utf16_lossy(name)) == Err(PathProblem::ShortName)
}

/// Says whether two names are one to a directory that does not tell upper and lower case apart.
pub(crate) fn is_same(one: &[u16], other: &[u16]) -> bool {
    let folded = |name: &[u16]| String::from_utf16_lossy(name).to_uppercase();
    one == other || folded(one) == folded(other)
}

/// Writes names as a path for messages and summaries.
pub(crate) fn display(names: &[Name]) -> String {
    let names: Vec<String> = names.iter().map(|name| String::from_utf16_lossy(name)).collect();
    names.join("\\")
}

/// One step of the way that a link points out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the directory above, and at the root nowhere.
    Up,
    /// To what has this name.
    Down(Name),
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// From the root, else from the directory that the link is in.
    pub(crate) from_root: bool,
    pub(crate) steps: Vec<Step>,
}

/// Reads the target of a symbolic link or junction as it is stored: relative text, or an absolute
/// name of the kernel's such as `\??\C:\data`. `volume` is the container's own, as
/// `Volume{GUID}`, if it is known.
///
/// # Errors
///
/// It leads out of the container's drive, or is no path of plain names.
pub(crate) fn target(text: &[u16], relative: bool, volume: Option<&str>) -> Result<Target, Refusal> {
    let text = String::from_utf16(text).map_err(|_| Refusal::Encoding)?;
    let absolute = text.strip_prefix(r"\??\").or_else(|| text.strip_prefix(r"\\?\"));
    match absolute {
        Some(rest) if rest.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("Volume{")) => {
            let (name, rest) = rest.split_once('\\').unwrap_or((rest, ""));
            if !volume.is_some_and(|own| own.eq_ignore_ascii_case(name)) {
                return Err(Refusal::Volume);
            }
            Ok(Target { from_root: true, steps: steps(rest)? })
        }
        Some(rest) if rest.get(1..2) == Some(":") => {
            Ok(Target { from_root: true, steps: steps(after_drive(rest)?)? })
        }
        Some(_) => Err(PathProblem::Raw.into()),
        None if text.starts_with(r"\\") || !relative => Err(PathProblem::Raw.into()),
        None => Ok(Target { from_root: text.starts_with(is_separator), steps: steps(&text)? }),
    }
}

fn steps(text: &str) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for component in text.split(is_separator) {
        match component {
            "" | "." => {}
            ".." => steps.push(Step::Up),
            name => {
                check_text(name)?;
                steps.push(Step::Down(name.encode_utf16().collect()));
            }
        }
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(text: &str) -> Result<String, Refusal> {
        parse(&text.into()).map(|path| display(&path.names))
    }

    #[test]
    fn forms_of_one_path_are_the_same() {
        for text in
            ["C:\\data\\x", "c:/data/x", "/data/x", "\\data\\x", "data/x", "./data\\.\\x/", "C:\\\\data//x"]
        {
            assert_eq!(names(text).as_deref(), Ok("data\\x"), "{text}");
        }
        for text in ["", "/", "\\", "C:\\", "c:/.", ".", "..", "C:\\..\\..", "a\\.."] {
            let path = parse(&text.into()).unwrap();
            assert!(path.names.is_empty() && path.asks_directory && path.content, "{text}");
        }
    }

    #[test]
    fn climbing_stops_at_the_root() {
        for (text, expected) in [
            ("..\\..\\x", "x"),
            ("C:\\a\\..\\..\\b", "b"),
            ("a/b\\../c", "a\\c"),
            ("/../Windows/System32", "Windows\\System32"),
        ] {
            assert_eq!(names(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_end_of_a_path_says_what_is_meant() {
        let end = |text: &str| parse(&text.into()).map(|path| (path.asks_directory, path.content));
        assert_eq!(end("C:\\a"), Ok((false, false)));
        assert_eq!(end("C:\\a\\"), Ok((true, false)));
        assert_eq!(end("a/"), Ok((true, false)));
        assert_eq!(end("a/."), Ok((true, true)));
        assert_eq!(end("a\\b\\.."), Ok((true, true)));
    }

    #[test]
    fn what_is_no_path_of_the_container_is_refused() {
        use PathProblem::*;
        for (text, refusal) in [
            ("D:\\x", Refusal::Drive('D')),
            ("z:/", Refusal::Drive('Z')),
            ("C:x", Refusal::DriveRelative),
            ("C:", Refusal::DriveRelative),
            ("d:x", Refusal::DriveRelative),
            ("\\\\server\\share\\x", Raw.into()),
            ("//server/share", Raw.into()),
            ("\\\\?\\C:\\x", Raw.into()),
            ("\\\\.\\PhysicalDrive0", Raw.into()),
            ("/\\?\\x", Raw.into()),
            ("\\??\\C:\\x", Character.into()),
            ("C:\\a:b", Colon.into()),
            ("file::$DATA", Colon.into()),
            ("C:\\C:\\x", Colon.into()),
            ("/NUL", Device.into()),
            ("a\\con.txt", Device.into()),
            ("com1", Device.into()),
            ("COM¹.log", Device.into()),
            ("a.", TrailingDotOrBlank.into()),
            ("a \\b", TrailingDotOrBlank.into()),
            (".. \\x", TrailingDotOrBlank.into()),
            ("...\\x", TrailingDotOrBlank.into()),
            ("a*", Character.into()),
            ("a\0b", Character.into()),
        ] {
            assert_eq!(names(text), Err(refusal), "{text:?}");
            assert!(!refusal.hint().is_empty() && !refusal.to_string().is_empty());
        }
        assert_eq!(parse(&OsText::from_bytes(b"a\xff")).err(), Some(Refusal::Encoding));
    }

    #[test]
    fn short_names_pass_and_are_known() {
        assert_eq!(names("C:\\PROGRA~1").as_deref(), Ok("PROGRA~1"));
        let short = |name: &str| is_short(&name.encode_utf16().collect::<Vec<_>>());
        assert!(short("PROGRA~1") && short("a~12.txt"));
        assert!(!short("a long name~1") && !short("plain") && !short("~1"));
    }

    fn aim(text: &str, relative: bool) -> Result<(bool, String), Refusal> {
        let text: Vec<u16> = text.encode_utf16().collect();
        let volume = Some("Volume{00000000-0000-0000-0000-000000000001}");
        target(&text, relative, volume).map(|target| {
            let step = |step: &Step| match step {
                Step::Up => "^".to_owned(),
                Step::Down(name) => String::from_utf16_lossy(name),
            };
            (target.from_root, target.steps.iter().map(step).collect::<Vec<_>>().join("|"))
        })
    }

    #[test]
    fn links_lead_to_places_of_the_container_or_nowhere() {
        for (text, relative, expected) in [
            ("b", true, (false, "b")),
            ("..\\..\\b", true, (false, "^|^|b")),
            (".\\a\\..\\b", true, (false, "a|^|b")),
            ("\\a\\b", true, (true, "a|b")),
            ("\\??\\C:\\a", false, (true, "a")),
            ("\\??\\c:\\", false, (true, "")),
            ("\\??\\Volume{00000000-0000-0000-0000-000000000001}\\a\\b", false, (true, "a|b")),
            ("\\??\\volume{00000000-0000-0000-0000-000000000001}", false, (true, "")),
        ] {
            let aimed = aim(text, relative);
            assert_eq!(aimed.as_ref().map(|(root, steps)| (*root, &steps[..])), Ok(expected), "{text}");
        }
        for (text, relative, refusal) in [
            ("\\??\\D:\\a", false, Refusal::Drive('D')),
            ("\\??\\UNC\\server\\share", false, PathProblem::Raw.into()),
            ("\\??\\Volume{00000000-0000-0000-0000-000000000002}\\", false, Refusal::Volume),
            ("\\??\\GLOBALROOT\\Device\\x", false, PathProblem::Raw.into()),
            ("\\Device\\HarddiskVolume1", false, PathProblem::Raw.into()),
            ("\\\\server\\share", true, PathProblem::Raw.into()),
            ("C:\\a", true, PathProblem::Colon.into()),
            ("C:\\a", false, PathProblem::Raw.into()),
            ("a:b", true, PathProblem::Colon.into()),
            ("\\??\\C:a", false, Refusal::DriveRelative),
            ("con", true, PathProblem::Device.into()),
        ] {
            assert_eq!(aim(text, relative), Err(refusal), "{text}");
        }
        assert_eq!(target(&[0xD800], true, None), Err(Refusal::Encoding));
    }

    /// What Windows makes of an absolute path: dots and blanks at the end of a component go, `..` climbs.
    fn as_windows_reads(text: &str) -> Vec<String> {
        let mut read: Vec<String> = Vec::new();
        for component in text.split(['\\', '/']) {
            match component {
                "" | "." => {}
                ".." => _ = read.pop(),
                other => read.push(other.trim_end_matches(['.', ' ']).to_owned()),
            }
        }
        read
    }

    proptest! {
        #[test]
        fn names_are_plain_and_read_as_windows_reads_them(text in r"([cCd]:)?[\\/]?([ab.~:1 ]{0,4}[\\/]){0,6}[abNUL.:~1 ]{0,5}") {
            let Ok(path) = parse(&text.as_str().into()) else { return Ok(()) };
            for name in &path.names {
                let name = String::from_utf16(name).unwrap();
                prop_assert!(!name.is_empty() && name != "." && name != "..");
                prop_assert!(!name.contains(['\\', '/', ':', '\0']) && !name.ends_with(['.', ' ']));
            }
            let rest = text.strip_prefix("C:").or_else(|| text.strip_prefix("c:")).unwrap_or(&text);
            prop_assert_eq!(display(&path.names), as_windows_reads(rest).join("\\"));
            let again = parse(&format!("C:\\{}", display(&path.names)).into()).unwrap();
            prop_assert_eq!(again.names, path.names);
        }

        #[test]
        fn any_target_is_steps_of_plain_names_or_refused(text in prop::collection::vec(any::<u16>(), 0..40), relative in any::<bool>()) {
            let Ok(target) = target(&text, relative, None) else { return Ok(()) };
            for step in target.steps {
                if let Step::Down(name) = step {
                    prop_assert!(check(&name).is_ok() && !name.is_empty());
                }
            }
        }
    }
}
