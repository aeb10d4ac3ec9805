//! Copies a file into a container, works on it there, copies the result out, and lists what changed.
//!
//! ```sh
//! cargo run -p containerv-examples --bin files -- FILE
//! ```

use std::path::PathBuf;

use containerv::spec::request::Root;
use containerv::{Container, CopyOptions, Host, Result};

fn main() -> Result<()> {
    let file = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("Cargo.toml"), PathBuf::from);
    let result = std::env::temp_dir().join(format!("containerv-example-{}", std::process::id()));
    let host = Host::open()?;
    let container = Container::builder(Root::Host).create(&host)?.delete_on_drop();

    let options = CopyOptions::default();
    let summary = container.upload(&file, "/srv/input", &options)?;
    println!("uploaded {} file, {} bytes", summary.files, summary.bytes);
    let counted = container.command("sh").args(["-c", "wc < input > output"]).current_dir("/srv").status()?;
    println!("counted: {counted}");
    container.download("/srv/output", &result, &options)?;
    let read = std::fs::read_to_string(&result);
    let text =
        read.map_err(|error| containerv::Error::io(error, format!("cannot read `{}`", result.display())))?;
    println!("lines, words, bytes: {}", text.split_whitespace().collect::<Vec<_>>().join(" "));
    for change in container.changes()? {
        println!("{change}");
    }
    let _ = std::fs::remove_file(&result);
    Ok(())
}
