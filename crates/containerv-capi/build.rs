//! Gives the shared library its C name, by which programs linked to it find it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target == "linux" {
        // The number changes when a program linked to an older library could not run any more.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcontainerv.so.0");
    }
}
