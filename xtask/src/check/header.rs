//! The C library exports what its headers declare, and nothing else.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use super::source;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

const CRATE: &str = "containerv-capi";
const PREFIX: &str = "containerv_";

pub(super) fn run() -> Result<()> {
    if !workspace::has_crate(CRATE) {
        println!("no crate `{CRATE}` in this tree, so no header");
        return Ok(());
    }
    command::run(command::cargo().args(["build", "--quiet", "--package", CRATE]))?;
    let declared = declared()?;
    let exported = exported()?;
    let findings = findings(&declared, &exported);
    if findings.is_empty() {
        println!("{} functions", declared.len());
        return Ok(());
    }
    Err(Failure::new(findings.join("\n")))
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

fn headers() -> Vec<PathBuf> {
    let directory = workspace::root().join("crates").join(CRATE).join("include/chef");
    workspace::entries(&directory).into_iter().filter(|path| source::has_extension(path, &["h"])).collect()
}

fn declared() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for header in headers() {
        names.extend(declared_in(&workspace::read(&header)?));
    }
    Ok(names)
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
fn exported() -> Result<BTreeSet<String>> {
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
    fn both_directions_are_compared() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let found = findings(&set(&["a", "b"]), &set(&["b", "c"]));
        assert_eq!(found, ["`a` is declared and not exported", "`c` is exported and not declared"]);
        assert_eq!(findings(&set(&[]), &set(&[])).len(), 1);
    }
}
