//! Reads the part of `deny.toml` that this program checks itself.

use crate::failure::{Failure, Result};

/// Rules about the packages that we depend on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Only dependencies for these targets count.
    pub(super) targets: Vec<String>,
    /// Licences that a package may have.
    pub(super) licences: Vec<String>,
    /// Packages that nothing may depend on.
    pub(super) banned: Vec<String>,
    /// Packages that may be there in more than one version.
    pub(super) duplicates: Vec<String>,
}

/// Reads the lists of strings that matter here. An entry that is written in a way this reader does
/// not know is an error, so that no rule is passed over.
pub(super) fn parse(text: &str) -> Result<Rules> {
    let mut rules = Rules::default();
    let mut section = String::new();
    let mut lines = text.lines().map(without_comment).filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim().to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| unknown(&line))?;
        let mut value = value.trim().to_owned();
        while value.starts_with('[') && !value.ends_with(']') {
            value.push_str(&lines.next().ok_or_else(|| unknown(&line))?);
        }
        match (section.as_str(), key.trim()) {
            ("graph", "targets") => rules.targets = strings(&value)?,
            ("licenses", "allow") => rules.licences = strings(&value)?,
            ("bans", "deny") => rules.banned = strings(&value)?,
            ("bans", "skip") => rules.duplicates = strings(&value)?,
            ("bans", "multiple-versions") if value == "\"deny\"" => {}
            ("sources", "unknown-registry" | "unknown-git") if value == "\"deny\"" => {}
            ("licenses", "private") => {}
            _ => return Err(unknown(&format!("[{section}] {line}"))),
        }
    }
    Ok(rules)
}

fn unknown(line: &str) -> Failure {
    Failure::new(format!("`deny.toml`: xtask does not know how to check `{line}`"))
}

/// Strings in this file have no `#`.
fn without_comment(line: &str) -> String {
    line.split('#').next().unwrap_or_default().trim().to_owned()
}

fn strings(value: &str) -> Result<Vec<String>> {
    let inner =
        value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(|| unknown(value))?;
    inner
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let text = item.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            text.map(str::to_owned).ok_or_else(|| unknown(item))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_over_lines_are_read() {
        let rules = parse("[licenses] # which\nallow = [\n  \"MIT\", # short\n  \"ISC\",\n]\n").unwrap();
        assert_eq!(rules.licences, ["MIT", "ISC"]);
    }

    #[test]
    fn a_rule_that_is_not_checked_is_an_error() {
        assert!(parse("[bans]\nwildcards = \"deny\"").unwrap_err().to_string().contains("wildcards"));
        assert!(parse("[bans]\nskip = [{ name = \"x\" }]").unwrap_err().to_string().contains("name"));
    }

    #[test]
    fn the_file_of_this_workspace_is_read() {
        let text = crate::workspace::read(&crate::workspace::root().join("deny.toml")).unwrap();
        let rules = parse(&text).unwrap();
        assert!(rules.licences.iter().any(|name| name == "MIT"));
        assert!(!rules.targets.is_empty());
    }
}
