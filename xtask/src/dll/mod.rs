//! The C library for Windows: its names, what the DLL exports, and libraries to link to it by.

mod exports;
mod import;

use std::path::{Path, PathBuf};

pub(crate) use exports::exports;

use crate::failure::{Failure, Result};
use crate::workspace;

/// The name by which programs load it.
pub(crate) const NAME: &str = "containerv.dll";

/// The names by which linkers look for a library of imports: GNU's, Microsoft's. It is the same
/// file, in the format that both read.
pub(crate) const IMPORTS: [&str; 2] = ["libcontainerv.dll.a", "containerv.lib"];

/// The name that cargo gives it.
pub(crate) const BUILT: &str = "containerv_capi.dll";

/// Reads what a DLL exports, in order.
pub(crate) fn exports_of(dll: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(dll).map_err(|error| Failure::io(dll.display(), &error))?;
    exports(&bytes)
        .ok_or_else(|| Failure::new(format!("`{}` is no DLL of x86-64 with exports", dll.display())))
}

/// Writes the libraries of imports for a DLL into a directory; returns their paths.
pub(crate) fn write_imports(dll: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    let library = import::library(NAME, &exports_of(dll)?);
    let place = |name: &str| {
        let path = directory.join(name);
        workspace::write(&path, &library).map(|()| path)
    };
    IMPORTS.iter().map(|name| place(name)).collect()
}
