//! Programs that tests run: `cv`, and small C programs that do inside a container what no shell can.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `programs/NAME.c` of this crate into a static program at `target`, or copies it from the directory that
/// `CONTAINERV_TEST_PROGRAMS` names, where there is no compiler.
///
/// # Panics
///
/// If the compiler is missing or refuses.
pub fn compile(name: &str, target: &Path) {
    if let Some(compiled) = compiled(name) {
        std::fs::copy(compiled, target).unwrap();
        return;
    }
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("programs").join(format!("{name}.c"));
    let output = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(target)
        .arg(&source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&output.stderr));
}

/// Returns the program `crash-at` of this crate, of which cargo has told the caller where it is.
pub fn crash_at(built: &str) -> PathBuf {
    compiled("crash-at").unwrap_or_else(|| built.into())
}

fn compiled(name: &str) -> Option<PathBuf> {
    Some(Path::new(&std::env::var_os("CONTAINERV_TEST_PROGRAMS")?).join(name))
}

/// Returns the `cv` to be tested: the one that `CONTAINERV_CV` names, or cargo's own if it was built.
pub fn cv() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CONTAINERV_CV") {
        return Some(named.into());
    }
    let tests = std::env::current_exe().ok()?;
    Some(tests.parent()?.parent()?.join("cv")).filter(|cv| cv.is_file())
}
