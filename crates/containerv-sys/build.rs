//! Compiles the stage with the compiler that compiles this crate.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=stage");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    if variable("CARGO_CFG_TARGET_ARCH") != "x86_64" {
        println!("cargo::error=the stage is written for x86-64; this target is `{}`", variable("TARGET"));
        return;
    }
    let output = PathBuf::from(variable("OUT_DIR")).join("stage");
    let mut command = Command::new(variable("RUSTC"));
    command
        .args(["--edition", "2024", "--crate-name", "containerv_stage", "--crate-type", "bin"])
        .args(["--target", &variable("TARGET"), "-D", "warnings"])
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "lto=fat", "-C", "codegen-units=1"])
        .args(["-C", "relocation-model=static", "-C", "strip=symbols"])
        .args(["-C", "link-arg=-nostdlib", "-C", "link-arg=-nostartfiles", "-C", "link-arg=-static"])
        .args(["-C", "link-arg=-Wl,--build-id=none,-z,noexecstack,-z,norelro,--gc-sections"])
        .args(own_start_files(&variable("CARGO_CFG_TARGET_ENV")))
        .arg("-o")
        .arg(&output)
        .arg("stage/main.rs");
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => println!("cargo::error=compiling the stage failed: {status}"),
        Err(error) => println!("cargo::error=cannot run `{command:?}`: {error}"),
    }
}

/// The musl target brings start files along and links them whatever the linker is told; the stage
/// has its own entry point.
fn own_start_files(target_env: &str) -> &'static [&'static str] {
    if target_env == "musl" { &["-C", "link-self-contained=no"] } else { &[] }
}
