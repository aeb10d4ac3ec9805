//! Source files, and their code without comments and literals.

use std::path::{Path, PathBuf};

use crate::workspace;

/// Directories of the source tree that hold code.
const TREES: &[&str] = &["crates", "xtask", "fuzz", "examples", "include", "sim"];

/// Every file below the code directories, by path, build output left out.
pub(super) fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    TREES.iter().for_each(|tree| collect(&workspace::root().join(tree), &mut files));
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for path in workspace::entries(directory) {
        if !path.is_dir() {
            files.push(path);
        } else if path.file_name().is_none_or(|name| name != "target") {
            collect(&path, files);
        }
    }
}

pub(super) fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| extensions.contains(&extension))
}

/// The text with the content of comments, strings and character literals replaced by spaces; line
/// breaks stay. Knows enough of Rust and C to find words in code, and no more.
pub(super) fn code(text: &str) -> String {
    let mut scanner = Scanner { rest: text, code: String::with_capacity(text.len()) };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.code
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let length = self.literal_length();
        if length > 0 {
            self.blank(length);
            return;
        }
        let word = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let length = if word > 0 { word } else { self.rest.chars().next().map_or(0, char::len_utf8) };
        self.code.push_str(&self.rest[..length]);
        self.rest = &self.rest[length..];
    }

    /// The length of the comment or literal that starts here, 0 when none does.
    fn literal_length(&self) -> usize {
        let rest = self.rest;
        let to_end = |found: Option<usize>, closing: usize| found.map_or(rest.len(), |at| at + closing);
        if rest.starts_with("//") {
            return to_end(rest.find('\n'), 0);
        }
        if rest.starts_with("/*") {
            return to_end(rest.find("*/"), 2);
        }
        if rest.starts_with('"') {
            return quoted_length(rest);
        }
        if let Some(hashes) = raw_string_hashes(rest) {
            let closing = format!("\"{}", "#".repeat(hashes));
            let body = rest.find('"').map_or(0, |quote| quote + 1);
            return rest[body..].find(&closing).map_or(rest.len(), |at| body + at + closing.len());
        }
        character_length(rest)
    }

    fn blank(&mut self, length: usize) {
        let (literal, rest) = self.rest.split_at(length);
        self.code.extend(literal.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of a string in double quotes, both included.
fn quoted_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The number of `#` when a raw string starts here.
fn raw_string_hashes(rest: &str) -> Option<usize> {
    let body = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let hashes = body.bytes().take_while(|byte| *byte == b'#').count();
    body[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a character literal; 0 for anything else, a lifetime included.
fn character_length(rest: &str) -> usize {
    let Some(body) = rest.strip_prefix('\'') else { return 0 };
    let mut characters = body.char_indices();
    match characters.next() {
        Some((_, '\\')) => body.char_indices().skip(2).find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 2),
        Some(_) => characters.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 2),
        None => 0,
    }
}

/// Whether `word` stands in `code` as a word of its own.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        let text = "a // unsafe\nb /* unsafe */ c \"un\\\"safe\" r#\"unsafe\"# 'x' '\\'' <'unsafe>";
        let code = code(text);
        assert_eq!(code.len(), text.len());
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "<'unsafe>"]);
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe"));
    }

    #[test]
    fn a_raw_identifier_and_an_open_string_do_not_confuse() {
        assert!(has_word(&code("let r#type = 1; unsafe {}"), "unsafe"));
        assert!(!has_word(&code("\"open unsafe"), "unsafe"));
    }
}
