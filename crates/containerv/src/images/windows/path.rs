//! Names of members of a layer, by the rules of Windows.
//!
//! What Windows reads as something other than a plain name below the layer's folder is refused,
//! on every system: a layer that was taken on Linux must not become another one on Windows.

use std::fmt;

use containerv_spec::hcs::path::{PathProblem, confined};

/// What the name of what is gone begins with.
const GONE: &str = ".wh.";

/// One of the three trees that a layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// The files of the system's drive.
    Files,
    /// The registry.
    Hives,
    /// The files of the virtual machine of Hyper-V isolation.
    UtilityVm,
}

impl Part {
    pub(crate) const ALL: [Self; 3] = [Self::Files, Self::Hives, Self::UtilityVm];

    /// Its name in archives and layer folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "Files",
            Self::Hives => "Hives",
            Self::UtilityVm => "UtilityVM",
        }
    }

    /// Whether files below these names may be linked and removed by upper layers.
    fn is_system(self, names: &[String]) -> bool {
        match self {
            Self::Files => !names.is_empty(),
            Self::UtilityVm => names.len() > 1,
            Self::Hives => false,
        }
    }
}

/// Where a file of a layer is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) part: Part,
    /// Plain names below the part; empty for the part itself.
    pub(crate) names: Vec<String>,
}

impl Place {
    /// One form for all spellings.
    pub(crate) fn key(&self) -> String {
        let mut key = self.part.name().to_owned();
        for name in &self.names {
            key.push('/');
            key.push_str(&folded(name));
        }
        key
    }

    /// Whether links and tombstones may name it.
    pub(crate) fn is_system(&self) -> bool {
        self.part.is_system(&self.names)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.name())?;
        self.names.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// What the name of a member says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// A file, directory or link.
    Entry(Place),
    /// A stream of a file or directory.
    Stream(Place, String),
    /// The lower layers' entry is gone.
    Gone(Place),
}

/// Reads a member's name.
///
/// # Errors
///
/// What is wrong with it, as the object of "has".
pub(crate) fn parse(name: &[u8]) -> Result<Name, String> {
    let text = std::str::from_utf8(name).map_err(|_| "a name that is not UTF-8")?;
    if text.starts_with('/') {
        return Err(refused(PathProblem::Rooted));
    }
    if text.contains('\\') {
        return Err("a name with a backslash".into());
    }
    let mut components = text.split('/').filter(|component| !matches!(*component, "" | "."));
    let first = components.next().ok_or_else(|| refused(PathProblem::Empty))?;
    let mut names: Vec<&str> = components.collect();
    let Some(part) = Part::ALL.into_iter().find(|part| part.name() == first) else {
        return Err(match plain(first) {
            Err(complaint) => complaint,
            Ok(()) => {
                "a name outside of `Files`, `Hives` and `UtilityVM`, which are all that a layer has".into()
            }
        });
    };
    let last = names.pop().unwrap_or_default();
    let mut place = Place { part, names: Vec::with_capacity(names.len() + 1) };
    for name in names {
        plain(name)?;
        place.names.push(name.to_owned());
    }
    let parsed = last_name(place, last)?;
    check_part(&parsed)?;
    Ok(parsed)
}

fn last_name(mut place: Place, last: &str) -> Result<Name, String> {
    if last.is_empty() {
        return Ok(Name::Entry(place));
    }
    if let Some(gone) = last.strip_prefix(GONE) {
        if gone.starts_with(GONE) {
            return Err("the mark of an opaque directory, which layers of Windows do not have".into());
        }
        plain(gone)?;
        place.names.push(gone.to_owned());
        return Ok(Name::Gone(place));
    }
    let (name, stream) = match last.split_once(':') {
        Some((name, stream)) => (name, Some(stream)),
        None => (last, None),
    };
    plain(name)?;
    place.names.push(name.to_owned());
    let Some(stream) = stream else { return Ok(Name::Entry(place)) };
    plain(stream)?;
    Ok(Name::Stream(place, stream.to_owned()))
}

fn check_part(name: &Name) -> Result<(), String> {
    let (Name::Entry(place) | Name::Stream(place, _) | Name::Gone(place)) = name;
    let fits = match (name, place.part, place.names.len()) {
        (Name::Gone(place), ..) => place.is_system(),
        (_, Part::UtilityVm, 1..) => place.names[0] == "Files",
        (Name::Stream(..), part, depth) => part != Part::Hives && depth > 0,
        (_, Part::Hives, depth) => depth < 2,
        _ => true,
    };
    let length: usize = place.names.iter().map(|name| name.encode_utf16().count() + 1).sum();
    match fits {
        true if length < 32_000 => Ok(()),
        true => Err(refused(PathProblem::TooLong)),
        false => Err(format!("a name that `{}` of a layer does not have", place.part.name())),
    }
}

/// Checks a single name. A name of the short form is some file's own as often as not; whoever makes the
/// file on Windows refuses it where it is another's.
pub(crate) fn plain(name: &str) -> Result<(), String> {
    if name.contains(['/', '\\']) {
        return Err("a name with a slash or backslash in it".into());
    }
    match confined(name) {
        Ok(_) | Err(PathProblem::ShortName) => Ok(()),
        Err(problem) => Err(refused(problem)),
    }
}

/// Checks the name of a file that archives are to have as it is.
///
/// # Errors
///
/// What is wrong with it, as the object of "has".
pub(crate) fn own(name: &str) -> Result<(), String> {
    match name.starts_with(GONE) {
        true => Err("a name that begins with `.wh.`, which marks what is gone in layers".into()),
        false => plain(name),
    }
}

fn refused(problem: PathProblem) -> String {
    format!("a name that leads elsewhere on Windows, or may: {problem}")
}

/// Reads a path that a person gives: `C:\app\x`, `/app/x` or `app/x` of the system's drive, or with
/// its part, as `Files/app/x`.
///
/// # Errors
///
/// In words.
pub(crate) fn of_person(text: &str) -> Result<Place, String> {
    let text = text.replace('\\', "/");
    let below = match text.as_bytes() {
        [b'c' | b'C', b':', b'/', ..] => Some(&text[3..]),
        [b'/', b'/', ..] => return Err("the path of a share or device".into()),
        [b'/', ..] => Some(&text[1..]),
        _ => None,
    };
    let whole = match below {
        Some(below) => format!("Files/{below}"),
        None if Part::ALL.iter().any(|part| text.split('/').next() == Some(part.name())) => text,
        None => format!("Files/{text}"),
    };
    match parse(whole.as_bytes())? {
        Name::Entry(place) => Ok(place),
        Name::Stream(..) => Err("the name of a stream".into()),
        Name::Gone(_) => Err("a name that begins with `.wh.`, which marks what is gone".into()),
    }
}

/// One form for names that differ in letter case alone: each character that has one upper case.
pub(crate) fn folded(name: &str) -> String {
    let upper = |character: char| {
        let mut upper = character.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(single), None) => single,
            _ => character,
        }
    };
    name.chars().map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str) -> Result<String, String> {
        parse(name.as_bytes()).map(|name| match name {
            Name::Entry(place) => place.to_string(),
            Name::Stream(place, stream) => format!("{place} : {stream}"),
            Name::Gone(place) => format!("- {place}"),
        })
    }

    #[test]
    fn names_of_layers_are_read() {
        for (name, expected) in [
            ("Files", "Files"),
            ("Files/", "Files"),
            ("./Files/a", "Files/a"),
            ("Files/Windows/System32/", "Files/Windows/System32"),
            ("Files/a:s", "Files/a : s"),
            ("Files/d/.wh.gone.txt", "- Files/d/gone.txt"),
            ("Files/.wh.x", "- Files/x"),
            ("Hives/System_Delta", "Hives/System_Delta"),
            ("UtilityVM", "UtilityVM"),
            ("UtilityVM/Files/EFI/x", "UtilityVM/Files/EFI/x"),
            ("UtilityVM/Files/.wh.x", "- UtilityVM/Files/x"),
            ("Files/PROGRA~1", "Files/PROGRA~1"),
            (
                "Files/Package~31bf3856ad364e35~amd64~~10.0.mum",
                "Files/Package~31bf3856ad364e35~amd64~~10.0.mum",
            ),
        ] {
            assert_eq!(told(name).as_deref(), Ok(expected), "{name}");
        }
    }

    /// Attacks of archives on folders of Windows (CVE-2018-8115 and what is like it).
    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in [
            "",
            "/",
            ".",
            "..",
            "../Files",
            "/Files/x",
            "\\Files\\x",
            "Files\\..\\..\\x",
            "Files/..\\..\\x",
            "Files/../x",
            "Files/a/../../x",
            "Files/...",
            "Files/.. ",
            "Files/a.",
            "Files/a ",
            "Files/a /b",
            "C:x",
            "C:/x",
            "C:\\x",
            "Files/C:/x",
            "//server/share",
            "\\\\?\\C:\\x",
            "\\\\.\\PhysicalDrive0",
            "//?/C:/x",
            "Files/CON",
            "Files/NUL.txt",
            "Files/AUX/x",
            "Files/com1",
            "Files/LPT\u{b9}",
            "Files/CONIN$",
            "Files/a*",
            "Files/a?",
            "Files/a\0b",
            "Files/a\u{1}",
            "Files/a|b",
            "Files/a::$DATA",
            "Files/a:b:$DATA",
            "Files/:s",
            "Files/a:",
            "Files/a:s/b",
            "Files/a:..",
            "Files/a:CON",
            "FILES/x",
            "files/x",
            "Files ",
            "Files.",
            "Hive/x",
            "x",
            "Hives/a/b",
            "Hives/..",
            "Hives/../Files/x",
            "Hives/System_Delta:s",
            "Hives:s",
            "Files:s",
            "Hives/.wh.System_Delta",
            "Hives/CON",
            "UtilityVM/x",
            "UtilityVM/files/x",
            "UtilityVM/SystemTemplate.vhdx",
            "UtilityVM/.wh.Files",
            ".wh.Files",
            "Files/.wh.",
            "Files/.wh..",
            "Files/.wh...",
            "Files/.wh..wh..opq",
            "Files/.wh..wh.x",
            "Files/.wh.a\\..\\x",
            "Files/.wh.a:s",
            "Files/.wh.CON",
            "Files/.wh.a.",
            "tombstones.txt",
            "layerchain.json",
            "sandbox.vhdx",
            "layout",
        ] {
            assert!(told(name).is_err(), "{name:?}: {:?}", told(name));
        }
        assert!(parse(b"Files/\xff").is_err());
        assert!(told(&format!("Files/{}", "x".repeat(256))).is_err());
        assert!(told(&format!("Files/{}", "x/".repeat(16_000))).is_err());
    }

    #[test]
    fn what_people_write_is_a_place() {
        for (text, expected) in [
            ("C:\\app\\x.txt", "Files/app/x.txt"),
            ("c:/app", "Files/app"),
            ("/app/x", "Files/app/x"),
            ("app/x", "Files/app/x"),
            ("Files/app", "Files/app"),
            ("C:\\", "Files"),
        ] {
            assert_eq!(of_person(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["D:\\x", "C:x", "\\\\server\\x", "..\\x", "C:\\a\\..\\b", "a:s", ".wh.a", "nul"] {
            assert!(of_person(text).is_err(), "{text}");
        }
    }

    #[test]
    fn letter_case_tells_nothing_apart() {
        assert_eq!(folded("Windows"), folded("wINDOWS"));
        assert_eq!(folded("größe"), "GRÖßE");
        let key = |name: &str| match parse(name.as_bytes()) {
            Ok(Name::Entry(place)) => place.key(),
            other => panic!("{other:?}"),
        };
        assert_eq!(key("Files/ÄB/c"), key("Files/äb/C"));
    }
}
