//! Splits a template into text and the tokens of actions.

use super::Problem;

/// A part of a template.
pub(super) enum Part {
    /// Text between actions.
    Text(String),
    /// What stands between `{{` and `}}`, and where it begins.
    Action(usize, Vec<Token>),
}

/// A word of an action, with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// `.A.B`, the names; none for `.` alone.
    Field(Vec<String>),
    /// `$` or `$.A.B`.
    Root(Vec<String>),
    /// A function or keyword.
    Word(String),
    /// A literal.
    Text(String),
    /// A literal.
    Number(i64),
    Pipe,
    Open,
    Close,
}

/// Splits a template.
pub(super) fn split(text: &str) -> Result<Vec<Part>, Problem> {
    let mut parts = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    loop {
        let rest = &text[at..];
        let Some(open) = rest.find("{{") else {
            push_text(&mut parts, rest, trim_next, false);
            return Ok(parts);
        };
        let (start, trim_before) = match rest[open + 2..].strip_prefix("- ") {
            Some(_) => (at + open + 4, true),
            None => (at + open + 2, false),
        };
        push_text(&mut parts, &rest[..open], trim_next, trim_before);
        let (tokens, end) = match comment(text, start)? {
            Some(end) => (None, end),
            None => action(text, start, at + open).map(|(tokens, end)| (Some(tokens), end))?,
        };
        trim_next = text[..end].ends_with(" -}}");
        parts.extend(tokens.map(|tokens| Part::Action(start, tokens)));
        at = end;
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn comment(text: &str, start: usize) -> Result<Option<usize>, Problem> {
    let Some(body) = text[start..].strip_prefix("/*") else { return Ok(None) };
    let unclosed = || Problem::new(start, "the comment is not closed");
    let end = start + 2 + body.find("*/").ok_or_else(unclosed)? + 2;
    let after = &text[end..];
    let close = ["}}", " -}}"].iter().find(|close| after.starts_with(**close)).ok_or_else(unclosed)?;
    Ok(Some(end + close.len()))
}

/// Reads the tokens of an action; returns them and the place after `}}`.
fn action(text: &str, start: usize, open: usize) -> Result<(Vec<Token>, usize), Problem> {
    let mut tokens = Vec::new();
    let mut at = start;
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 && rest.trim_start().starts_with("-}}") {
            return Ok((tokens, at + blank + 3));
        }
        at += blank;
        let rest = &text[at..];
        if rest.starts_with("}}") {
            return Ok((tokens, at + 2));
        }
        let Some(first) = rest.chars().next() else {
            return Err(Problem::new(open, "`{{` is not closed"));
        };
        let (kind, length) = token(rest, first, at)?;
        tokens.push(Token { at, kind });
        at += length;
    }
}

fn token(rest: &str, first: char, at: usize) -> Result<(Kind, usize), Problem> {
    match first {
        '|' => Ok((Kind::Pipe, 1)),
        '(' => Ok((Kind::Open, 1)),
        ')' => Ok((Kind::Close, 1)),
        '.' => {
            let (names, length) = path(rest);
            Ok((Kind::Field(names), length.max(1)))
        }
        '$' => {
            let (names, length) = path(&rest[1..]);
            if names.is_empty() && rest[1..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                return Err(Problem::new(at, "variables are not offered"));
            }
            Ok((Kind::Root(names), length + 1))
        }
        '"' => quoted(rest, at),
        '`' => match rest[1..].find('`') {
            Some(length) => Ok((Kind::Text(rest[1..=length].to_owned()), length + 2)),
            None => Err(Problem::new(at, "the text is not closed")),
        },
        '0'..='9' | '-' | '+' => number(rest, at),
        'a'..='z' | 'A'..='Z' | '_' => {
            let length = name_length(rest);
            Ok((Kind::Word(rest[..length].to_owned()), length))
        }
        ':' | '=' => Err(Problem::new(at, "variables are not offered")),
        other => Err(Problem::new(at, format!("`{}` is not expected here", other.escape_debug()))),
    }
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Reads `.A.B`; a dot without a name ends it.
fn path(text: &str) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut length = 0;
    while let Some(rest) = text[length..].strip_prefix('.') {
        let name = name_length(rest);
        if name == 0 {
            break;
        }
        names.push(rest[..name].to_owned());
        length += 1 + name;
    }
    (names, length)
}

fn number(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
    match rest[..digits].parse() {
        Ok(number) => Ok((Kind::Number(number), digits)),
        Err(_) => Err(Problem::new(at, format!("`{}` is not a whole number", &rest[..digits]))),
    }
}

fn quoted(rest: &str, at: usize) -> Result<(Kind, usize), Problem> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Ok((Kind::Text(text), index + 1)),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(escaped @ ('"' | '\\')) => text.push(escaped),
                _ => return Err(Problem::new(at + index, "known escapes are \\n, \\t, \\\" and \\\\")),
            },
            '\n' => break,
            other => text.push(other),
        }
    }
    Err(Problem::new(at, "the text is not closed"))
}
