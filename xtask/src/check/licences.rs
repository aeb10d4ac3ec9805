//! Licences, sources and duplicates of everything we depend on, by the rules in `deny.toml`.
//!
//! `cargo deny` does it when it is installed. It takes minutes to build, so without it this program
//! applies the same rules to `cargo metadata`; it goes by each package's `license` field and does
//! not read licence texts.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rules::{self, Rules};
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// Where packages may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

struct Package {
    name: String,
    version: String,
    licence: String,
    /// `None` for packages of this tree.
    source: Option<String>,
}

pub(super) fn run() -> Result<()> {
    if workspace::find_program("cargo-deny").is_some() {
        return command::run(command::cargo().args(["deny", "check", "bans", "licenses", "sources"]));
    }
    let rules = rules::parse(&workspace::read(&workspace::root().join("deny.toml"))?)?;
    let packages = packages(&rules)?;
    let findings = findings(&rules, &packages);
    if !findings.is_empty() {
        return Err(Failure::new(findings.join("\n")));
    }
    println!("{} packages, by xtask's own check of `deny.toml`: cargo-deny is not installed", packages.len());
    Ok(())
}

fn packages(rules: &Rules) -> Result<Vec<Package>> {
    let mut cargo = command::cargo();
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    rules.targets.iter().for_each(|target| {
        cargo.args(["--filter-platform", target]);
    });
    let document: Value = serde_json::from_str(&command::output(&mut cargo)?)
        .map_err(|error| Failure::new(format!("`cargo metadata`: {error}")))?;
    let list =
        document["packages"].as_array().ok_or_else(|| Failure::new("`cargo metadata` lists no packages"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(list
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect())
}

fn findings(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let label = format!("{} {}", package.name, package.version);
        versions.entry(&package.name).or_default().push(&package.version);
        if !allowed(&package.licence, &rules.licences) {
            findings.push(format!("{label}: the licence `{}` is not allowed", package.licence));
        }
        if rules.banned.contains(&package.name) {
            findings.push(format!("{label}: the package is banned"));
        }
        if package.source.as_deref().is_some_and(|source| source != REGISTRY) {
            findings.push(format!("{label}: comes from `{}`", package.source.as_deref().unwrap_or_default()));
        }
    }
    let doubled = versions
        .iter()
        .filter(|(name, found)| found.len() > 1 && !rules.duplicates.iter().any(|skip| skip == *name));
    findings.extend(doubled.map(|(name, found)| format!("{name}: in the versions {}", found.join(", "))));
    findings
}

/// Whether the licence expression can be met with the allowed licences.
///
/// `AND` binds closer than `OR`; the old form `A/B` means `A OR B`.
fn allowed(expression: &str, licences: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words, licences);
    met && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>, licences: &[String]) -> bool {
    let mut met = all(words, licences);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words, licences);
    }
    met
}

fn all(words: &mut Words<'_>, licences: &[String]) -> bool {
    let mut met = one(words, licences);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, licences);
    }
    met
}

fn one(words: &mut Words<'_>, licences: &[String]) -> bool {
    match words.next() {
        Some("(") => any(words, licences) & words.next_if_eq(&")").is_some(),
        Some(name) => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let name =
                exception.map_or_else(|| name.to_owned(), |exception| format!("{name} WITH {exception}"));
            licences.contains(&name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, licence: &str, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.to_owned(),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn expressions() {
        let licences = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("MIT OR GPL-3.0 AND GPL-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR MIT", true),
            ("(MIT", false),
            ("MIT MIT", false),
            ("", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(allowed(expression, &licences), expected, "{expression}");
        }
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let rules =
            Rules { licences: vec!["MIT".into()], banned: vec!["openssl".into()], ..Rules::default() };
        let packages = [
            package("openssl", "1.0.0", "MIT", Some(REGISTRY)),
            package("twice", "1.0.0", "MIT", Some(REGISTRY)),
            package("twice", "2.0.0", "MIT", Some("git+https://example.org/twice")),
            package("ours", "0.1.0", "MIT", None),
        ];
        let found = findings(&rules, &packages);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].contains("banned") && found[1].contains("git+") && found[2].contains("1.0.0, 2.0.0")
        );
    }
}
