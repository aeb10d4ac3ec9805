//! Why a verb failed: the exit code depends on whose fault it was.

use containerv::{Error, ErrorKind};

/// Exit code of a command line that is wrong.
pub const USAGE: i32 = 125;

/// Why a verb failed.
#[derive(Debug)]
pub enum Failure {
    /// What is wrong with the command line; never empty.
    Usage(Vec<Error>),
    /// What went wrong while doing it.
    Work(Error),
    /// The reader of standard output went away, which needs no message.
    OutputClosed,
}

impl Failure {
    /// One thing wrong with the command line.
    pub fn usage(error: Error) -> Self {
        Self::Usage(vec![error])
    }

    /// Returns the errors to be printed.
    pub fn errors(&self) -> &[Error] {
        match self {
            Self::Usage(problems) => problems,
            Self::Work(error) => std::slice::from_ref(error),
            Self::OutputClosed => &[],
        }
    }

    /// Returns the exit code; `own` is the verb's for its own failures, 125 where a container's
    /// code is passed through. There, a missing program is 127 and one that cannot be executed
    /// 126, as shells have it.
    pub fn exit_code(&self, own: u8) -> i32 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Work(error) if own == 125 && error.kind() == ErrorKind::CommandNotFound => 127,
            Self::Work(error) if own == 125 && error.kind() == ErrorKind::CommandNotExecutable => 126,
            Self::Work(_) => i32::from(own),
            // 128 + SIGPIPE, which a shell reports for a program that does not ignore that signal.
            Self::OutputClosed => 141,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Work(error)
    }
}

impl From<Vec<Error>> for Failure {
    fn from(problems: Vec<Error>) -> Self {
        Self::Usage(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_docker() {
        let work = |kind| Failure::Work(Error::new(kind, "x"));
        for (failure, own, code) in [
            (Failure::usage(Error::new(ErrorKind::InvalidArgument, "x")), 1, 125),
            (work(ErrorKind::CommandNotFound), 125, 127),
            (work(ErrorKind::CommandNotExecutable), 125, 126),
            (work(ErrorKind::NotFound), 125, 125),
            (work(ErrorKind::CommandNotFound), 1, 1),
            (work(ErrorKind::NotFound), 1, 1),
        ] {
            assert_eq!(failure.exit_code(own), code, "{failure:?}");
        }
    }
}
