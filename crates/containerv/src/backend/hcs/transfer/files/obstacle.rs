//! Why an entry is not copied, before it is said of which entry.

use std::io;

use containerv_spec::hcs::path::PathProblem;

use crate::backend::hcs::transfer::failure::explain;
use crate::backend::hcs::transfer::path::Name;
use crate::{Error, ErrorKind};

/// Why an entry could not be copied.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// A call on the destination failed.
    System(&'static str, io::Error),
    /// A call on the source failed.
    Read(io::Error),
    /// The name belongs to a directory, and what is copied is none.
    Directory,
    /// The name belongs to something else, and what is copied is a directory.
    NotDirectory,
    /// The name is the short form of this file's.
    Alias(Name),
    /// Something that this copy made has the name, in other upper and lower case.
    Twin,
    /// It is no name that Windows takes as one.
    Name(PathProblem),
    /// The file is mapped from this one of the host.
    Mapped(String),
    /// The directory is mapped from this one of the host, read-only.
    ReadOnly(String),
    /// The owner cannot be kept.
    Owner(io::Error),
    /// More hard links are unfinished than can be remembered.
    Links,
}

impl Obstacle {
    /// Writes the failure of copying `source` to `destination`, both ready to print.
    pub(super) fn into_error(self, source: &str, destination: &str) -> Error {
        let invalid = |text: String| Error::new(ErrorKind::InvalidArgument, text);
        match self {
            Self::System(step, error) => explain(error, format!("{step} {destination}")),
            Self::Read(error) => explain(error, format!("read {source}")),
            Self::Directory => {
                invalid(format!("cannot overwrite directory {destination} with non-directory {source}"))
            }
            Self::NotDirectory => {
                invalid(format!("cannot overwrite non-directory {destination} with directory {source}"))
            }
            Self::Alias(name) => invalid(format!(
                "cannot write {destination}: the name is the short one of `{}`",
                String::from_utf16_lossy(&name)
            ))
            .with_hint("copy to another name"),
            Self::Twin => invalid(format!(
                "cannot write {destination}: this copy made it already, by a name in other upper and lower case"
            ))
            .with_hint("Windows takes both names for one; rename one of them at the source"),
            Self::Name(problem) => invalid(format!("cannot write {destination}: {problem}")),
            Self::Mapped(host) => invalid(format!("{destination} is mapped from the host, and cannot be replaced"))
                .with_hint(format!("copy to `{host}` on the host")),
            Self::ReadOnly(host) => Error::new(
                ErrorKind::PermissionDenied,
                format!("{destination} is on a directory that is mapped from the host, read-only"),
            )
            .with_hint(format!("copy to `{host}` on the host")),
            Self::Owner(error) => {
                let error = explain(error, format!("keep the owner of {source} for {destination}"));
                error.with_hint("run elevated, or copy without keeping owners")
            }
            Self::Links => Error::new(
                ErrorKind::ResourceExhausted,
                format!("too many files with several names below {source} to remember them all"),
            ),
        }
    }
}
