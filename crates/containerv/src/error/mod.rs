//! The one error of the library.

use std::error::Error as StdError;
use std::fmt;
use std::io;

mod system;

// The backend that works for Windows is tested on other systems, too.
#[cfg(any(windows, test))]
pub(crate) use system::kind_of_code;

/// What kind of failure an [`Error`] is; for programs that branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named object does not exist.
    NotFound,
    /// The named object exists already.
    AlreadyExists,
    /// A value that the caller gave is wrong.
    InvalidArgument,
    /// The object is not in a state that allows this.
    InvalidState,
    /// The system refused for lack of privilege.
    PermissionDenied,
    /// This backend cannot do it, ever.
    Unsupported,
    /// This machine cannot do it as it is now.
    Unavailable,
    /// Memory, processes, disk or another resource ran out.
    ResourceExhausted,
    /// It took longer than allowed.
    TimedOut,
    /// Stored data is damaged.
    Corrupt,
    /// The program could not be found in the container (exit code 127).
    CommandNotFound,
    /// The program was found and could not be executed (exit code 126).
    CommandNotExecutable,
    /// Another failure of the system.
    Other,
}

/// A failure: what was being done, to which object, what the system said, and what to do next.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    number: Option<i32>,
    code: Option<u32>,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    problems: Vec<Error>,
}

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure of this kind. `message` says what was being done to which object.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let (hint, source, problems) = (None, None, Vec::new());
        Self(Box::new(Inner { kind, message, number: None, code: None, hint, source, problems }))
    }

    /// A failed system call. Kind and text follow from the error number: `errno` on Linux, Win32's
    /// (`GetLastError`) on Windows.
    pub fn os(number: i32, message: impl Into<String>) -> Self {
        let mut error = Self::new(system::kind(number), message);
        error.0.number = Some(number);
        error
    }

    /// A failed operation of the standard library.
    pub fn io(source: io::Error, message: impl Into<String>) -> Self {
        // Readers of ours pass their failures on in this form.
        let source = match source.downcast::<Self>() {
            Ok(own) => return own.context(message),
            Err(source) => source,
        };
        match source.raw_os_error() {
            Some(number) => Self::os(number, message),
            None => {
                let kind = match source.kind() {
                    io::ErrorKind::NotFound => ErrorKind::NotFound,
                    io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
                    io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                    io::ErrorKind::Unsupported => ErrorKind::Unavailable,
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => ErrorKind::Corrupt,
                    io::ErrorKind::InvalidInput => ErrorKind::InvalidArgument,
                    io::ErrorKind::TimedOut => ErrorKind::TimedOut,
                    _ => ErrorKind::Other,
                };
                Self::new(kind, message).with_source(source)
            }
        }
    }

    /// Several things wrong with one request; never empty.
    pub fn problems(message: impl Into<String>, problems: Vec<Error>) -> Self {
        let kind = problems.first().map_or(ErrorKind::InvalidArgument, Error::kind);
        let mut error = Self::new(kind, message);
        error.0.problems = problems;
        error
    }

    /// Adds what the reader can do now.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the result code that stands behind it.
    #[cfg(any(windows, test))]
    pub(crate) fn with_code(mut self, code: u32) -> Self {
        self.0.code = Some(code);
        self
    }

    /// Replaces the kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Wraps this failure into a larger operation that failed because of it.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self::new(self.kind(), message).with_source(self)
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns what the reader can do now, from this failure or the nearest cause that knows. Of
    /// several problems each has its own hint; see [`Error::all_problems`].
    pub fn hint(&self) -> Option<&str> {
        let inner = self.inner();
        let only = || match self.0.problems.as_slice() {
            [problem] => problem.hint(),
            _ => None,
        };
        self.0.hint.as_deref().or_else(|| inner.and_then(Self::hint)).or_else(only)
    }

    /// Returns the error number of the system call at the root of this failure: `errno` on Linux, Win32's
    /// on Windows.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.number.or_else(|| self.inner().and_then(Self::raw_os_error))
    }

    /// Returns the HRESULT of the Windows service at the root of this failure.
    pub fn result_code(&self) -> Option<u32> {
        self.0.code.or_else(|| self.inner().and_then(Self::result_code))
    }

    fn inner(&self) -> Option<&Self> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref::<Self>())
    }

    /// Returns each thing that is wrong with a request; empty for other failures.
    pub fn all_problems(&self) -> &[Error] {
        &self.0.problems
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(number) = self.0.number {
            write!(f, ": {}", system::text(number))?;
        }
        for problem in &self.0.problems {
            write!(f, "\n  {problem}")?;
        }
        match self.0.source.as_deref() {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self}", self.0.kind)?;
        match self.hint() {
            Some(hint) => write!(f, "; hint: {hint})"),
            None => f.write_str(")"),
        }
    }
}

impl StdError for Error {
    // `Display` prints the whole chain, so a reporter that walks `source` must not see it twice.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_as_one_sentence_with_the_systems_name() {
        let (number, text) = match cfg!(windows) {
            true => (5, "access is denied (ERROR_ACCESS_DENIED)"),
            false => (13, "Permission denied (EACCES)"),
        };
        let error = Error::os(number, "mount `/srv/www` at `/www`")
            .with_hint("`/srv/www` belongs to a uid that is not mapped")
            .context("cannot start container `web`");
        let whole = format!("cannot start container `web`: mount `/srv/www` at `/www`: {text}");
        assert_eq!(error.to_string(), whole);
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.raw_os_error(), Some(number));
        assert!(error.hint().is_some_and(|hint| hint.contains("not mapped")));
    }

    #[test]
    fn the_code_of_a_service_is_found_at_the_root() {
        let error = Error::new(ErrorKind::NotFound, "no system").with_code(0x8037_010E).context("start");
        assert_eq!((error.result_code(), error.raw_os_error()), (Some(0x8037_010E), None));
    }

    #[test]
    fn what_the_standard_library_says_keeps_its_number_and_gets_a_name() {
        let missing = std::env::temp_dir().join("containerv-no-such-file");
        let error = Error::io(std::fs::File::open(missing).unwrap_err(), "cannot read it");
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::NotFound, Some(2)));
        let text = if cfg!(windows) {
            "a file is missing (ERROR_FILE_NOT_FOUND)"
        } else {
            "No such file or directory (ENOENT)"
        };
        assert_eq!(error.to_string(), format!("cannot read it: {text}"));
        let made_up = io::Error::new(io::ErrorKind::AlreadyExists, "there");
        let error = Error::io(made_up, "cannot make it");
        assert_eq!((error.kind(), error.raw_os_error()), (ErrorKind::AlreadyExists, None));
        assert_eq!(error.to_string(), "cannot make it: there");
    }

    #[test]
    fn all_problems_are_listed() {
        let one = Error::new(ErrorKind::InvalidArgument, "`--memory`: too small");
        let two = Error::new(ErrorKind::Unsupported, "`--gpus`: not offered by the linux backend");
        let error = Error::problems("cannot lower the request", vec![one, two]);
        assert_eq!(error.all_problems().len(), 2);
        assert!(error.to_string().contains("\n  `--gpus`"));
    }

    #[test]
    fn the_hint_of_an_only_problem_is_the_whole_errors() {
        let problem = || Error::new(ErrorKind::InvalidArgument, "`--memory`: too small").with_hint("more");
        let error = Error::problems("cannot update container `web`", vec![problem()]);
        assert_eq!(error.context("update").hint(), Some("more"));
        let two = Error::problems("cannot update container `web`", vec![problem(), problem()]);
        assert_eq!(two.hint(), None);
    }
}
