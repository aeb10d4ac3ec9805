//! Makes a static program of `src/bin/inside.rs`, which runs in containers that have no library.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/bin/inside.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    // Without an extension, the linker for Windows adds one.
    let output = PathBuf::from(variable("OUT_DIR")).join("inside.program");
    let mut command = Command::new(variable("RUSTC"));
    command
        .args(["--edition", "2024", "--crate-name", "inside", "--target", &variable("TARGET")])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "target-feature=+crt-static"])
        .args(["-C", "strip=symbols", "-o"])
        .arg(&output)
        .arg("src/bin/inside.rs");
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::error=compiling `src/bin/inside.rs` failed: {status}"),
        Err(error) => println!("cargo::error=cannot run `{command:?}`: {error}"),
    }
}
