//! DLLs that a Windows may lack, and functions that a DLL may lack.

// UNSAFETY: loading a DLL runs its code; its functions are known by name only.
#![allow(unsafe_code, reason = "loads DLLs and calls what they export")]

use std::ffi::{CStr, OsString};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameW,
    GetModuleHandleExW, GetProcAddress, LOAD_LIBRARY_FLAGS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR,
    LOAD_LIBRARY_SEARCH_SYSTEM32, LoadLibraryExW,
};

use super::error::Error;
use super::wide::Wide;

/// Where DLLs are loaded from.
///
/// Never from the search path, the working directory or the program's own directory unless that
/// is named: whoever can write there would run code in this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Libraries(Option<PathBuf>);

impl Libraries {
    /// Windows' own, in its directory `System32`.
    pub fn system32() -> Self {
        Self(None)
    }

    /// Those in this directory; what they use themselves comes from there and from `System32`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a relative path.
    pub fn in_directory(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        if !directory.is_absolute() {
            let text = format!("the directory of the DLLs is a relative path: `{}`", directory.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(Self(Some(directory)))
    }

    fn request(&self, name: &str) -> (PathBuf, LOAD_LIBRARY_FLAGS) {
        let inside = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;
        match &self.0 {
            Some(directory) => (directory.join(name), inside),
            None => (Path::new(name).to_path_buf(), LOAD_LIBRARY_SEARCH_SYSTEM32),
        }
    }
}

/// Returns the file that this code is in: the program, or the DLL that is a part of it.
///
/// # Errors
///
/// The system's.
pub fn own_file() -> io::Result<PathBuf> {
    const MAX_PATH_UNITS: usize = 32_768;
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let here: fn() -> io::Result<PathBuf> = own_file;
    let mut module = std::ptr::null_mut();
    // SAFETY: with this flag the text is an address in a module, which is this one; `module` takes the
    // handle, which is not counted and not closed.
    if unsafe { GetModuleHandleExW(flags, here as *const u16, &raw mut module) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut buffer = vec![0_u16; MAX_PATH_UNITS];
    // SAFETY: the module is loaded as long as this code runs; the buffer is as large as said.
    let units = unsafe { GetModuleFileNameW(module, buffer.as_mut_ptr(), buffer.len() as u32) };
    match units as usize {
        0 => Err(io::Error::last_os_error()),
        units => Ok(PathBuf::from(OsString::from_wide(&buffer[..units]))),
    }
}

/// The address of some function.
pub(crate) type Address = unsafe extern "system" fn() -> isize;

/// A DLL that was loaded, or why not. It is never unloaded: its threads may be on their way into
/// one of our callbacks at any time.
pub(crate) struct Library {
    name: &'static str,
    /// The module, or the Win32 error number.
    module: Result<Module, i32>,
}

#[derive(Clone, Copy)]
struct Module(HMODULE);

// SAFETY: a module handle is an address that stays valid, because the module is never unloaded,
// and every function that takes one may be called from any thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Library {
    pub(crate) fn open(name: &'static str, from: &Libraries) -> Self {
        let (path, flags) = from.request(name);
        let module = Wide::path(&path).and_then(|path| {
            // SAFETY: `path` is a text with a NUL that outlives the call; the reserved handle is
            // null. The DLL's own start-up code is trusted as the directory is.
            let module = unsafe { LoadLibraryExW(path.as_ptr(), std::ptr::null_mut(), flags) };
            if module.is_null() { Err(io::Error::last_os_error()) } else { Ok(Module(module)) }
        });
        Self { name, module: module.map_err(|error| error.raw_os_error().unwrap_or(0)) }
    }

    pub(crate) fn function(&self, name: &CStr) -> Option<Address> {
        let module = self.module.ok()?;
        // SAFETY: the module is loaded for good, and `name` is a text with a NUL.
        unsafe { GetProcAddress(module.0, name.as_ptr().cast()) }
    }

    pub(crate) fn absent(&self, function: &'static str) -> Error {
        let unloaded = self.module.err().map(io::Error::from_raw_os_error);
        Error::Absent { library: self.name, function, unloaded }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.module.is_ok()
    }

    /// A library whose functions tests bring along themselves.
    #[cfg(test)]
    pub(crate) fn of_test(name: &'static str) -> Self {
        Self { name, module: Err(0) }
    }
}

/// Declares the table of a DLL's functions. `Table::F()` returns the function `F`, or the error
/// that this Windows has no `F`.
macro_rules! functions {
    ($(#[$about:meta])* $table:ident = $library:literal {
        $( fn $function:ident($($argument:ty),* $(,)?) $(-> $result:ty)?; )*
    }) => {
        $(#[$about])*
        #[allow(non_snake_case, reason = "each function has the name of its export")]
        pub(crate) struct $table {
            library: $crate::windows::library::Library,
            $( $function: Option<unsafe extern "system" fn($($argument),*) $(-> $result)?>, )*
        }

        #[allow(
            unsafe_code, non_snake_case, dead_code,
            reason = "a signature is given to each export under its name; not all are called"
        )]
        impl $table {
            /// The names of all functions that the table knows.
            pub(crate) const EXPORTS: &'static [&'static str] = &[$( stringify!($function) ),*];

            /// Loads the DLL and looks up each function; both may be missing.
            pub(crate) fn load(from: &$crate::windows::library::Libraries) -> Self {
                let library = $crate::windows::library::Library::open($library, from);
                Self::look_up(library, |library, name| library.function(name))
            }

            /// A table of functions that a test brings along.
            #[cfg(test)]
            pub(crate) fn of_test(
                find: impl Fn(&std::ffi::CStr) -> Option<$crate::windows::library::Address>,
            ) -> Self {
                let library = $crate::windows::library::Library::of_test($library);
                Self::look_up(library, |_, name| find(name))
            }

            fn look_up(
                library: $crate::windows::library::Library,
                find: impl Fn(
                    &$crate::windows::library::Library,
                    &std::ffi::CStr,
                ) -> Option<$crate::windows::library::Address>,
            ) -> Self {
                $(
                    let name = $crate::windows::library::c_name(concat!(stringify!($function), "\0"));
                    let $function = find(&library, name).map(|address| {
                        // SAFETY: both are addresses of functions, and the one exported under this
                        // name has this signature in every Windows that has it.
                        unsafe {
                            std::mem::transmute::<
                                $crate::windows::library::Address,
                                unsafe extern "system" fn($($argument),*) $(-> $result)?,
                            >(address)
                        }
                    });
                )*
                Self { library, $( $function, )* }
            }

            $(
                pub(crate) fn $function(
                    &self,
                ) -> $crate::windows::error::Result<unsafe extern "system" fn($($argument),*) $(-> $result)?> {
                    self.$function.ok_or_else(|| self.library.absent(stringify!($function)))
                }
            )*

            /// What each function takes and returns.
            #[cfg(test)]
            pub(crate) fn shapes() -> Vec<(&'static str, Vec<$crate::windows::signatures::Kind>)> {
                use $crate::windows::signatures::Shape;
                vec![$( (
                    stringify!($function),
                    <unsafe extern "system" fn($($argument),*) $(-> $result)?>::kinds(),
                ) ),*]
            }

            /// Says whether the DLL could be loaded at all.
            pub(crate) fn is_loaded(&self) -> bool {
                self.library.is_loaded()
            }

            /// Says whether this Windows has a function.
            pub(crate) fn has(&self, function: &str) -> bool {
                match function {
                    $( stringify!($function) => self.$function.is_some(), )*
                    _ => false,
                }
            }
        }

        impl std::fmt::Debug for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($table)).field("loaded", &self.is_loaded()).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use functions;

/// The name of an export, which the macro writes with its NUL.
pub(crate) const fn c_name(name: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(name.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_code_is_in_this_program() {
        assert_eq!(own_file().unwrap().file_name(), std::env::current_exe().unwrap().file_name());
    }

    functions! {
        /// Two functions that every Windows has and one that none has.
        Probe = "kernel32.dll" {
            fn GetCurrentProcessId() -> u32;
            fn GetTickCount() -> u32;
            fn ContainervHasNoSuchFunction(u32) -> u32;
        }
    }

    functions! {
        /// A library that no Windows has.
        Nowhere = "containerv-no-such-library.dll" {
            fn GetTickCount() -> u32;
        }
    }

    #[test]
    fn a_function_is_found_and_called() {
        let probe = Probe::load(&Libraries::system32());
        assert!(probe.is_loaded() && probe.has("GetTickCount"));
        let function = probe.GetCurrentProcessId().unwrap();
        // SAFETY: takes nothing.
        assert_eq!(unsafe { function() }, std::process::id());
    }

    #[test]
    fn a_missing_function_is_an_answer_and_no_failure_to_load() {
        let probe = Probe::load(&Libraries::system32());
        assert!(!probe.has("ContainervHasNoSuchFunction") && !probe.has("NotInTheTableAtAll"));
        assert_eq!(Probe::EXPORTS.len(), 3);
        let error = probe.ContainervHasNoSuchFunction().unwrap_err();
        assert_eq!(
            error.to_string(),
            "this Windows has no ContainervHasNoSuchFunction: kernel32.dll lacks it"
        );
    }

    #[test]
    fn a_missing_library_is_an_answer_with_the_systems_reason() {
        for from in [Libraries::system32(), Libraries::in_directory(std::env::temp_dir()).unwrap()] {
            let table = Nowhere::load(&from);
            assert!(!table.is_loaded() && !table.has("GetTickCount"));
            let error = table.GetTickCount().unwrap_err();
            // ERROR_MOD_NOT_FOUND, or for a path ERROR_FILE_NOT_FOUND on some systems.
            let Error::Absent { unloaded: Some(reason), .. } = &error else { panic!("{error:?}") };
            assert!(matches!(reason.raw_os_error(), Some(126 | 2)), "{reason:?}");
        }
    }

    #[test]
    fn a_relative_directory_is_refused() {
        assert_eq!(Libraries::in_directory("dlls").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
