//! The way through a container's directories, one name at a time.
//!
//! The system opens single names only, each by the handle of its directory and as what it is; links are
//! read and followed here. So a link leads where the container sees it lead, and nothing leads out:
//! there is no way up from the root, because what is above it is not known.

use std::collections::VecDeque;
use std::io;

use super::path::{Name, Refusal, Step, Target};

/// How many links are followed on one way; Windows follows 63.
const MOST_LINKS: usize = 63;
/// The longest way, in names.
const LONGEST: usize = 32 * 1024;

/// What a name in a directory is.
pub(crate) enum Found<D, F> {
    Directory(D),
    /// A file, or whatever else is no directory and no link.
    File(F),
    /// A symbolic link or junction, with where it leads.
    Link(F, Result<Target, Refusal>),
    Nothing,
}

/// Directories in which names are looked up.
pub(crate) trait Look {
    /// An open directory.
    type Directory;
    /// What else is found, opened.
    type File;

    /// Looks one name up; follows nothing.
    fn look(
        &self,
        directory: &Self::Directory,
        name: &Name,
    ) -> io::Result<Found<Self::Directory, Self::File>>;
}

/// Why a way ends.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The system's failure.
    System(io::Error),
    /// A name in the middle is missing.
    Missing,
    /// Something in the middle is no directory.
    NotDirectory,
    /// A link leads out, or is none that can be followed.
    Link(Refusal),
    /// Links lead in a circle, or the way is endless otherwise.
    Endless,
}

/// A way that ended early, and how far it went.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) stop: Stop,
    pub(crate) at: Vec<Name>,
}

/// The end of a way below the directories that it leads through.
pub(crate) enum Last<F> {
    /// It ends at the directory itself.
    Directory,
    File(Name, F),
    /// A link that was not to be followed.
    Link(Name, F),
    /// Nothing has the name.
    Missing(Name),
}

/// Where a way has led.
pub(crate) struct Place<D, F> {
    /// The directories below the root, without links between them.
    pub(crate) directories: Vec<(Name, D)>,
    pub(crate) last: Last<F>,
}

/// Follows a way from the root. A link at its end is followed if `follow` says so; what is missing at
/// its end is no failure.
pub(crate) fn resolve<L: Look>(
    look: &L,
    root: &L::Directory,
    way: impl IntoIterator<Item = Step>,
    follow: bool,
) -> Result<Place<L::Directory, L::File>, Lost> {
    let mut way: VecDeque<Step> = way.into_iter().collect();
    let mut directories: Vec<(Name, L::Directory)> = Vec::new();
    let (mut links, mut length) = (0, 0);
    let lost = |stop, directories: &[(Name, L::Directory)], name: Option<Name>| {
        let at = directories.iter().map(|(name, _)| name.clone()).chain(name).collect();
        Err(Lost { stop, at })
    };
    while let Some(step) = way.pop_front() {
        length += 1;
        if length > LONGEST {
            return lost(Stop::Endless, &directories, None);
        }
        let name = match step {
            Step::Up => {
                directories.pop();
                continue;
            }
            Step::Down(name) => name,
        };
        let current = directories.last().map_or(root, |(_, directory)| directory);
        let is_end = way.is_empty();
        let last = match look.look(current, &name) {
            Err(error) => return lost(Stop::System(error), &directories, Some(name)),
            Ok(Found::Directory(directory)) => {
                directories.push((name, directory));
                continue;
            }
            Ok(Found::Link(_, target)) if !is_end || follow => {
                links += 1;
                if links > MOST_LINKS {
                    return lost(Stop::Endless, &directories, Some(name));
                }
                match target {
                    Err(refusal) => return lost(Stop::Link(refusal), &directories, Some(name)),
                    Ok(target) => {
                        if target.from_root {
                            directories.clear();
                        }
                        target.steps.into_iter().rev().for_each(|step| way.push_front(step));
                    }
                }
                continue;
            }
            Ok(Found::Link(link, _)) => Last::Link(name, link),
            Ok(Found::File(_)) if !is_end => return lost(Stop::NotDirectory, &directories, Some(name)),
            Ok(Found::Nothing) if !is_end => return lost(Stop::Missing, &directories, Some(name)),
            Ok(Found::File(file)) => Last::File(name, file),
            Ok(Found::Nothing) => Last::Missing(name),
        };
        return Ok(Place { directories, last });
    }
    Ok(Place { directories, last: Last::Directory })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
