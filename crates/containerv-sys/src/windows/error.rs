//! How calls of the host compute DLLs fail.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// The facility of Win32 error numbers in an `HRESULT`, with the failure bit.
const WIN32: u32 = 0x8007_0000;
/// The facility of the host compute service, with the failure bit.
const COMPUTE: u32 = 0x8037_0000;
/// The same codes as the service's first generation and a guest return them.
const COMPUTE_TWIN: u32 = 0xC037_0000;

/// A result code, as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hresult(pub u32);

impl Hresult {
    /// `S_OK`.
    pub const OK: Self = Self(0);
    /// `E_NOTIMPL`.
    pub const NOT_IMPLEMENTED: Self = Self(0x8000_4001);
    /// `E_FAIL`.
    pub const FAIL: Self = Self(0x8000_4005);
    /// `E_INVALIDARG`.
    pub const INVALID_ARGUMENT: Self = Self(0x8007_0057);
    /// `HCS_E_UNEXPECTED_EXIT`.
    pub const UNEXPECTED_EXIT: Self = Self(0x8037_0106);
    /// `HCS_E_OPERATION_PENDING` of the first generation: the work goes on.
    pub const CALL_PENDING: Self = Self(0xC037_0103);
    /// `HCS_E_OPERATION_NOT_STARTED`.
    pub const OPERATION_NOT_STARTED: Self = Self(0x8037_0115);
    /// `HCS_E_OPERATION_PENDING`.
    pub const OPERATION_PENDING: Self = Self(0x8037_0117);
    /// `HCS_E_OPERATION_TIMEOUT`.
    pub const OPERATION_TIMEOUT: Self = Self(0x8037_0118);
    /// `HCS_E_SERVICE_DISCONNECT`.
    pub const SERVICE_DISCONNECT: Self = Self(0x8037_011E);

    /// The code that stands for a Win32 error number; numbers beyond 16 bits are no such numbers
    /// and are kept.
    pub const fn from_win32(number: u32) -> Self {
        match number {
            0 => Self::OK,
            1..=0xFFFF => Self(WIN32 | number),
            _ => Self(number),
        }
    }

    /// Says whether the code means success; there are more of these than zero.
    pub const fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }

    /// Returns the Win32 error number that the code stands for.
    pub const fn win32(self) -> Option<u32> {
        if self.0 & 0xFFFF_0000 == WIN32 { Some(self.0 & 0xFFFF) } else { None }
    }

    /// Returns the code in the form of computecore.dll. vmcompute.dll and guests return
    /// 0xC037xxxx where computecore.dll returns 0x8037xxxx, and a program must take both.
    pub const fn canonical(self) -> Self {
        if self.0 & 0xFFFF_0000 == COMPUTE_TWIN { Self(COMPUTE | self.0 & 0xFFFF) } else { self }
    }
}

impl From<i32> for Hresult {
    fn from(code: i32) -> Self {
        Self(code.cast_unsigned())
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08X}", self.0)
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hresult({self})")
    }
}

/// A call that failed.
#[derive(Debug)]
pub enum Error {
    /// This Windows has no such function.
    Absent {
        /// The DLL that would have it.
        library: &'static str,
        /// The function.
        function: &'static str,
        /// Why the DLL could not be loaded; `None` if it was, and lacks the function.
        unloaded: Option<io::Error>,
    },
    /// The function, or the operation that it began, failed.
    Failed {
        /// The function.
        function: &'static str,
        /// The code, as it came.
        code: Hresult,
        /// The result document or error record that came along: JSON, as it came.
        document: Option<String>,
    },
    /// The function said that it succeeded and its answer makes no sense.
    Answer {
        /// The function.
        function: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
    /// A text for the system holds a NUL, which would cut it off there.
    Nul {
        /// The text.
        text: String,
    },
    /// A system call beside the DLLs failed, to wait for one for example.
    System {
        /// The function.
        function: &'static str,
        /// What it said.
        source: io::Error,
    },
}

/// What the wrappers of the host compute DLLs return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns the code that the service returned, as it came.
    pub fn code(&self) -> Option<Hresult> {
        match self {
            Self::Failed { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Returns the result document or error record that came along.
    pub fn document(&self) -> Option<&str> {
        match self {
            Self::Failed { document, .. } => document.as_deref(),
            _ => None,
        }
    }

    /// Says whether the service failed with this code, in either of its two forms.
    pub fn is(&self, code: Hresult) -> bool {
        self.code().is_some_and(|own| own.canonical() == code.canonical())
    }

    /// Returns the failing function's name; none for a text that reached no function.
    pub fn function(&self) -> Option<&'static str> {
        match self {
            Self::Absent { function, .. }
            | Self::Failed { function, .. }
            | Self::Answer { function, .. }
            | Self::System { function, .. } => Some(function),
            Self::Nul { .. } => None,
        }
    }

    pub(super) fn failed(function: &'static str, code: Hresult, document: Option<String>) -> Self {
        Self::Failed { function, code, document }
    }

    pub(super) fn system(function: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { function, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { library, function, unloaded: None } => {
                write!(f, "this Windows has no {function}: {library} lacks it")
            }
            Self::Absent { library, function, unloaded: Some(reason) } => {
                write!(f, "this Windows has no {function}: cannot load {library}: {reason}")
            }
            Self::Failed { function, code, .. } => write!(f, "{function}: {code}"),
            Self::Answer { function, problem } => write!(f, "{function}: {problem}"),
            Self::Nul { text } => write!(f, "a NUL inside of {text:?}"),
            Self::System { function, source } => write!(f, "{function}: {source}"),
        }
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_code_are_the_same_failure() {
        let error = Error::failed("HcsOpenComputeSystem", Hresult(0xC037_010E), Some("{}".into()));
        assert!(error.is(Hresult(0x8037_010E)) && error.is(Hresult(0xC037_010E)));
        assert!(!error.is(Hresult(0x8037_010F)));
        assert_eq!(error.code(), Some(Hresult(0xC037_010E)));
        assert_eq!(error.document(), Some("{}"));
        assert_eq!(error.to_string(), "HcsOpenComputeSystem: 0xC037010E");
    }

    #[test]
    fn win32_numbers_go_in_and_out() {
        assert_eq!(Hresult::from_win32(32), Hresult(0x8007_0020));
        assert_eq!(Hresult(0x8007_0020).win32(), Some(32));
        assert_eq!(Hresult::from_win32(0), Hresult::OK);
        assert_eq!(Hresult::from_win32(0xC035_1000), Hresult(0xC035_1000));
        assert_eq!(Hresult(0x8037_0114).win32(), None);
        assert!(Hresult(1).is_success() && !Hresult::FAIL.is_success());
        assert_eq!(Hresult::from(-2_147_024_883), Hresult(0x8007_000D));
    }
}
