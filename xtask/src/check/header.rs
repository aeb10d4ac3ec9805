//! The C library exports what its headers declare, and nothing else, on both systems.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::source;
use crate::command;
use crate::dll;
use crate::failure::{Failure, Result};
use crate::wine;
use crate::workspace;

const CRATE: &str = "containerv-capi";
const PREFIX: &str = "containerv_";

pub(super) fn run() -> Result<()> {
    if !workspace::has_crate(CRATE) {
        println!("no crate `{CRATE}` in this tree, so no header");
        return Ok(());
    }
    let mut findings = Vec::new();
    for system in [System::Linux, System::Windows] {
        let declared = declared(system)?;
        println!("{} functions for {}", declared.len(), system.name());
        findings.extend(
            self::findings(&declared, &exported(system)?)
                .into_iter()
                .map(|one| system.name().to_owned() + ": " + &one),
        );
    }
    if findings.is_empty() { Ok(()) } else { Err(Failure::new(findings.join("\n"))) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum System {
    Linux,
    Windows,
}

impl System {
    fn name(self) -> &'static str {
        match self {
            System::Linux => "Linux",
            System::Windows => "Windows",
        }
    }
}

fn findings(declared: &BTreeSet<String>, exported: &BTreeSet<String>) -> Vec<String> {
    let mut findings = Vec::new();
    if declared.is_empty() {
        findings.push("the headers declare no function".to_owned());
    }
    findings
        .extend(declared.difference(exported).map(|name| format!("`{name}` is declared and not exported")));
    findings
        .extend(exported.difference(declared).map(|name| format!("`{name}` is exported and not declared")));
    findings
}

/// The headers of a system; those for Linux alone say so in their names.
fn headers(system: System) -> Vec<PathBuf> {
    let directory = workspace::root().join("crates").join(CRATE).join("include/chef");
    let headers =
        workspace::entries(&directory).into_iter().filter(|path| source::has_extension(path, &["h"]));
    let is_its = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        system == System::Linux || !name.ends_with("-linux")
    };
    headers.filter(is_its).collect()
}

fn declared(system: System) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for header in headers(system) {
        let text = workspace::read(&header)?;
        names.extend(declared_in(&if system == System::Windows { for_windows(&text) } else { text }));
    }
    Ok(names)
}

/// A header without what Windows does not see of it.
fn for_windows(header: &str) -> String {
    let (mut depth, mut left_out) = (0, None);
    let mut seen = String::new();
    for line in header.lines() {
        let line_of_if = line.trim_start().starts_with("#if");
        if line_of_if {
            depth += 1;
            if line.trim() == "#ifndef CHEF_CONTAINERV_WINDOWS" {
                left_out.get_or_insert(depth);
            }
        }
        if left_out.is_none() {
            seen.push_str(line);
            seen.push('\n');
        }
        if line.trim_start().starts_with("#endif") {
            left_out = left_out.filter(|begin| *begin != depth);
            depth -= 1;
        }
    }
    seen
}

/// The functions that a header declares: names with our prefix that an opening bracket follows.
/// Lines of the preprocessor and bodies of inline functions do not count.
fn declared_in(header: &str) -> BTreeSet<String> {
    let code: String = source::code(header).lines().filter(|line| !line.trim_start().starts_with('#')).fold(
        String::new(),
        |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        },
    );
    code.match_indices('(')
        .filter_map(|(at, _)| {
            let before = code[..at].trim_end();
            let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |end| end + 1);
            let name = &before[start..];
            name.starts_with(PREFIX).then(|| name.to_owned())
        })
        .collect()
}

/// Every dynamic symbol that the shared library defines, ours or not: what is not declared must not
/// be visible.
fn exported(system: System) -> Result<BTreeSet<String>> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--quiet", "--package", CRATE]);
    if system == System::Windows {
        cargo.args(["--target", wine::TARGET]);
        command::run(&mut cargo)?;
        let library = workspace::target().join(wine::TARGET).join("debug").join(dll::BUILT);
        return Ok(dll::exports_of(&library)?.into_iter().collect());
    }
    command::run(&mut cargo)?;
    let library = workspace::target().join("debug/libcontainerv_capi.so");
    let listing = command::output(
        Command::new("nm").args(["--dynamic", "--defined-only", "--format=posix"]).arg(library),
    )?;
    Ok(listing.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_found_and_types_are_not() {
        let header = "#define containerv_macro(x) x\n/* containerv_gone(void) */\nstruct containerv_options;\n\
                      extern int containerv_create(struct containerv_options* o);\nvoid\ncontainerv_join (void);\n\
                      typedef void (*containerv_callback)(int);\n";
        let names: Vec<String> = declared_in(header).into_iter().collect();
        assert_eq!(names, ["containerv_create", "containerv_join"]);
    }

    #[test]
    fn what_windows_does_not_see_is_left_out() {
        let header = "int containerv_a(void);\n#ifdef X\n#ifndef CHEF_CONTAINERV_WINDOWS\n#if Y\n\
                      int containerv_b(void);\n#endif\nint containerv_c(void);\n#endif\nint containerv_d(void);\n\
                      #endif\nint containerv_e(void);\n";
        let names: Vec<String> = declared_in(&for_windows(header)).into_iter().collect();
        assert_eq!(names, ["containerv_a", "containerv_d", "containerv_e"]);
    }

    #[test]
    fn both_directions_are_compared() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let found = findings(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!(found, ["`a` is declared and not exported", "`c` is exported and not declared"]);
        assert_eq!(findings(&set(&[]), &set(&[])).len(), 1);
    }
}
