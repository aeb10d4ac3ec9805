//! Rules about files: their length, their names, where `unsafe` may stand, and what is under version control.

use std::fs;
use std::path::Path;

use super::{source, tracked};
use crate::failure::{Failure, Result};
use crate::workspace;

/// Past this a file is hard to hold in the head.
const MAX_LINES: usize = 600;

/// Files that may be longer, and why.
const LONG_FILES: &[(&str, &str)] = &[];

/// The crates that fence unsafe code. Of the stand-ins, those that programs of Windows call, or that
/// call Windows.
const UNSAFE_CRATES: &[&str] = &[
    "crates/containerv-sys/",
    "crates/containerv-capi/",
    "sim/computecore/src/",
    "sim/computenetwork/src/",
    "sim/computestorage/src/",
    "sim/launcher/src/",
    "sim/library/src/",
    "sim/tests/src/api",
    "sim/virtdisk/src/",
    "sim/vmcompute/src/",
    "sim/wslapi/src/",
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

pub(super) fn run() -> Result<()> {
    let files = source::files();
    let mut findings: Vec<String> = files.iter().flat_map(|path| findings(path)).collect();
    let names: Vec<String> = files.iter().map(|path| relative(path)).collect();
    let gone = LONG_FILES.iter().filter(|(listed, _)| !names.iter().any(|name| name == listed));
    findings.extend(
        gone.map(|(listed, _)| format!("{listed}: is on the list of long files, and does not exist")),
    );
    findings.extend(tracked::findings());
    if findings.is_empty() {
        println!("{} files", files.len());
        return Ok(());
    }
    Err(Failure::new(findings.join("\n")))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn findings(path: &Path) -> Vec<String> {
    if !source::has_extension(path, &["rs", "c", "h", "sh"]) {
        return Vec::new();
    }
    let name = relative(path);
    match fs::read_to_string(path) {
        Ok(text) => file_findings(&name, &text, LONG_FILES),
        Err(error) => vec![format!("{name}: {error}")],
    }
}

fn file_findings(name: &str, text: &str, long_files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    let listed = long_files.iter().any(|(long, _)| *long == name);
    if lines > MAX_LINES && !listed {
        findings.push(format!("{name}: {lines} lines, split it before it passes {MAX_LINES}"));
    }
    if lines <= MAX_LINES && listed {
        findings.push(format!("{name}: {lines} lines, take it off the list of long files"));
    }
    if let Some(empty) = empty_name(name) {
        findings.push(format!("{name}: the name `{empty}` does not say what is inside"));
    }
    let fenced = UNSAFE_CRATES.iter().any(|prefix| name.starts_with(prefix));
    if name.ends_with(".rs") && !fenced && source::has_word(&source::code(text), "unsafe") {
        findings.push(format!("{name}: `unsafe` belongs in {}", UNSAFE_CRATES.join(" or ")));
    }
    findings
}

/// The part of the path that is one of the empty names.
fn empty_name(path: &str) -> Option<&str> {
    path.split('/').map(|part| part.split('.').next().unwrap_or(part)).find(|part| EMPTY_NAMES.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        file_findings(name, text, &[("crates/a/src/table.rs", "a table")])
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let long = "\n".repeat(MAX_LINES + 1);
        assert!(found("crates/a/src/x.rs", &long)[0].contains("601 lines"));
        assert!(found("crates/a/src/util.rs", "")[0].contains("`util`"));
        assert!(found("crates/a/src/helpers/x.rs", "")[0].contains("`helpers`"));
        assert!(found("crates/a/src/x.rs", "unsafe {}")[0].contains("`unsafe` belongs"));
    }

    #[test]
    fn what_is_allowed_is_not_found() {
        assert!(found("crates/containerv-sys/src/x.rs", "unsafe {}").is_empty());
        assert!(found("crates/a/src/x.rs", "// unsafe\n#![forbid(unsafe_code)]").is_empty());
        assert!(found("crates/a/src/utilization.rs", "").is_empty());
    }

    #[test]
    fn a_listed_file_that_became_short_is_found() {
        assert!(found("crates/a/src/table.rs", "short")[0].contains("take it off"));
    }
}
