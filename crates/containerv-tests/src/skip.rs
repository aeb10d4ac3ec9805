//! Tests that cannot run on this machine.

use std::io::Write;

/// Names a file to which skipped tests are appended, as `test name: reason`.
const LOG_VARIABLE: &str = "CONTAINERV_SKIP_LOG";

/// Says that the calling test cannot run here, and why; the test returns after it.
pub fn skip(reason: &str) {
    println!("skipped: {reason}");
    let Some(log) = std::env::var_os(LOG_VARIABLE) else { return };
    let thread = std::thread::current();
    let line = format!("{}: {reason}\n", thread.name().unwrap_or("unknown"));
    let file = std::fs::File::options().append(true).create(true).open(&log);
    file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
}
