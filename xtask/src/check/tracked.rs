//! Rules about what is under version control: text, in its place, and nothing that was built.

use std::fs;
use std::io;
use std::path::Path;

use crate::command;
use crate::workspace;

/// What the top directory has.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "crates",
    "deny.toml",
    "docs",
    "examples",
    "fuzz",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "sim",
    "typos.toml",
    "xtask",
];

/// Files, and directories by their `/`, that need not be text: known input of parsers, and a filter as the kernel takes it.
const NOT_TEXT: &[&str] = &["fuzz/seeds/", "crates/containerv/src/seccomp/default.bpf"];

/// What git does not track, for a tree without it: `.gitignore`, and git's own.
const UNTRACKED: &[&str] = &[".git", "target", "corpus", "artifacts"];

/// Every file under version control, and what is wrong with each.
pub(super) fn findings() -> Vec<String> {
    let names = of_git().unwrap_or_else(of_tree);
    names.iter().flat_map(|name| about(name)).collect()
}

/// What git tracks; none where this is not its working tree.
fn of_git() -> Option<Vec<String>> {
    workspace::root().join(".git").exists().then_some(())?;
    let mut git = std::process::Command::new("git");
    git.current_dir(workspace::root()).args(["-c", "safe.directory=*", "ls-files", "-z"]);
    let names = command::output(&mut git).ok()?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn of_tree() -> Vec<String> {
    let mut names = Vec::new();
    let mut pending = vec![workspace::root().to_owned()];
    while let Some(directory) = pending.pop() {
        for path in workspace::entries(&directory) {
            let name = path.file_name().unwrap_or_default();
            let is_directory = fs::symlink_metadata(&path).is_ok_and(|found| found.is_dir());
            if !is_directory {
                let below = path.strip_prefix(workspace::root()).unwrap_or(&path);
                names.push(below.to_string_lossy().into_owned());
            } else if !UNTRACKED.iter().any(|untracked| name == *untracked) {
                pending.push(path);
            }
        }
    }
    names
}

fn about(name: &str) -> Vec<String> {
    match content(&workspace::root().join(name)) {
        Ok(content) => file_findings(name, &content),
        // It is removed, and git has not been told yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => vec![format!("{name}: {error}")],
    }
}

/// Of a link, where it leads.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    match fs::symlink_metadata(path)?.is_symlink() {
        true => Ok(fs::read_link(path)?.into_os_string().into_encoded_bytes()),
        false => fs::read(path),
    }
}

fn file_findings(name: &str, content: &[u8]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut parts = name.split('/');
    if !parts.next().is_some_and(|top| TOP.contains(&top)) {
        findings
            .push(format!("{name}: nothing else belongs in the top directory; its list is in {}", file!()));
    }
    if parts.any(|part| part == "target") {
        findings.push(format!("{name}: what lies in a `target` directory was built; git does not keep it"));
    }
    let excepted = |place: &&str| name == *place || place.ends_with('/') && name.starts_with(place);
    let text = !content.contains(&0) && std::str::from_utf8(content).is_ok();
    if !text && !NOT_TEXT.iter().any(excepted) {
        findings.push(format!("{name}: not text; what is built is not kept, and seeds are in `fuzz/seeds`"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_breach() {
        for (name, content, expected) in [
            ("notes.txt", &b"text"[..], "top directory"),
            ("wheels/x", b"text", "top directory"),
            ("sim/target/debug/x.d", b"text", "was built"),
            ("crates/a/x", b"\x7fELF\0", "not text"),
            ("docs/x.md", b"\xff", "not text"),
            ("fuzz/seedsx", b"\0", "not text"),
            ("crates/containerv/src/seccomp/default.bpf.old", b"\0", "not text"),
        ] {
            let found = file_findings(name, content);
            assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
        }
    }

    #[test]
    fn what_is_allowed_is_not_found() {
        for (name, content) in [
            ("README.md", &b"Gr\xc3\xb6\xc3\x9fe"[..]),
            ("fuzz/seeds/frames/talk", b"\0"),
            ("crates/containerv/src/seccomp/default.bpf", b"\xff\0"),
            ("crates/a/src/target.rs", b""),
        ] {
            assert_eq!(file_findings(name, content), [""; 0], "{name}");
        }
    }

    #[test]
    fn the_tree_without_git_has_what_git_tracks() {
        let tree = of_tree();
        for name in of_git().unwrap_or_default() {
            assert!(tree.contains(&name) || !workspace::root().join(&name).exists(), "{name}");
        }
        assert!(tree.iter().any(|name| name == "xtask/src/check/tracked.rs"));
    }
}
