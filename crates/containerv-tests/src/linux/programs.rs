//! Programs that tests run: `cv`, and small C programs that do inside a container what no shell can.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `programs/NAME.c` of this crate into a static program at `target`.
///
/// # Panics
///
/// If the compiler is missing or refuses.
pub fn compile(name: &str, target: &Path) {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("programs").join(format!("{name}.c"));
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(target)
        .arg(&source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
}

/// Returns the `cv` to be tested: the one that `CONTAINERV_CV` names, or cargo's own if it was built.
pub fn cv() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CONTAINERV_CV") {
        return Some(named.into());
    }
    let tests = std::env::current_exe().ok()?;
    Some(tests.parent()?.parent()?.join("cv")).filter(|cv| cv.is_file())
}
