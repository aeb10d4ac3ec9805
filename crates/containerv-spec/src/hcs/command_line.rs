//! Arguments to the one line that a Windows program gets, by the rules of Microsoft's C runtime.
//!
//! A Windows program takes its line apart itself. The rules are those of "Parsing C command-line
//! arguments" in Microsoft's documentation, which `CommandLineToArgvW` follows as well: quotation marks
//! enclose, backslashes mean something only before a quotation mark, and the program's own name knows no
//! escape at all.

use std::fmt;

/// Longest command line in UTF-16 units; CreateProcess.
pub const MAX_LENGTH: usize = 32_766;

/// Why arguments make no command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandLineProblem {
    /// There is no program.
    Empty,
    /// The program's name has a quotation mark, for which there is no notation.
    QuotedProgram,
    /// An argument has a NUL character.
    Nul,
    /// It would be longer than [`MAX_LENGTH`].
    TooLong,
}

impl fmt::Display for CommandLineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the command is empty",
            Self::QuotedProgram => "the program's name has a quotation mark",
            Self::Nul => "an argument has a NUL character",
            Self::TooLong => "the command line would be longer than 32766 characters",
        })
    }
}

/// Joins a program and its arguments.
///
/// # Errors
///
/// If they make no command line.
pub fn join<S: AsRef<str>>(arguments: &[S]) -> Result<String, CommandLineProblem> {
    let (program, rest) = arguments.split_first().ok_or(CommandLineProblem::Empty)?;
    let mut line = quote_program(program.as_ref())?;
    for argument in rest {
        line.push(' ');
        quote_onto(&mut line, argument.as_ref());
    }
    finished(line)
}

/// Joins a program and what follows it on the line, which is taken as it is.
///
/// # Errors
///
/// If they make no command line.
pub fn join_verbatim(program: &str, rest: Option<&str>) -> Result<String, CommandLineProblem> {
    let program = quote_program(program)?;
    finished(rest.map_or_else(|| program.clone(), |rest| format!("{program} {rest}")))
}

/// Checks a whole line that somebody else has made.
///
/// # Errors
///
/// If it is none.
pub fn whole(line: &str) -> Result<String, CommandLineProblem> {
    if line.trim_start_matches([' ', '\t']).is_empty() {
        return Err(CommandLineProblem::Empty);
    }
    finished(line.to_owned())
}

fn finished(line: String) -> Result<String, CommandLineProblem> {
    if line.contains('\0') {
        return Err(CommandLineProblem::Nul);
    }
    if line.encode_utf16().count() > MAX_LENGTH {
        return Err(CommandLineProblem::TooLong);
    }
    Ok(line)
}

fn quote_program(program: &str) -> Result<String, CommandLineProblem> {
    match program {
        "" => Err(CommandLineProblem::Empty),
        program if program.contains('"') => Err(CommandLineProblem::QuotedProgram),
        program if program.contains([' ', '\t']) => Ok(format!("\"{program}\"")),
        program => Ok(program.to_owned()),
    }
}

fn quote_onto(line: &mut String, argument: &str) {
    if !argument.is_empty() && !argument.contains([' ', '\t', '\n', '\u{b}', '"']) {
        line.push_str(argument);
        return;
    }
    line.push('"');
    let mut backslashes = 0;
    for character in argument.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                // Those before a quotation mark count double, and one more escapes the mark.
                line.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        line.push(character);
    }
    line.extend(std::iter::repeat_n('\\', backslashes));
    line.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes a line apart as the C runtime does since 2008; written from its description.
    fn parse(line: &str) -> Vec<String> {
        let text: Vec<char> = line.chars().collect();
        let (mut at, mut arguments) = (0, vec![String::new()]);
        let mut inside = false;
        while at < text.len() && (inside || !matches!(text[at], ' ' | '\t')) {
            match text[at] {
                '"' => inside = !inside,
                other => arguments[0].push(other),
            }
            at += 1;
        }
        loop {
            while at < text.len() && matches!(text[at], ' ' | '\t') {
                at += 1;
            }
            if at == text.len() {
                return arguments;
            }
            let mut argument = String::new();
            let mut inside = false;
            while at < text.len() && (inside || !matches!(text[at], ' ' | '\t')) {
                let run = text[at..].iter().take_while(|character| **character == '\\').count();
                at += run;
                if text.get(at) == Some(&'"') {
                    argument.push_str(&"\\".repeat(run / 2));
                    if run % 2 == 1 {
                        argument.push('"');
                    } else if inside && text.get(at + 1) == Some(&'"') {
                        argument.push('"');
                        at += 1;
                    } else {
                        inside = !inside;
                    }
                    at += 1;
                } else if run > 0 {
                    argument.push_str(&"\\".repeat(run));
                } else {
                    argument.push(text[at]);
                    at += 1;
                }
            }
            arguments.push(argument);
        }
    }

    #[test]
    fn known_lines() {
        for (arguments, line) in [
            (&["cmd", "/c", "ver"][..], "cmd /c ver"),
            (&["cmd", "/c", "echo hi"], r#"cmd /c "echo hi""#),
            (&[r"C:\Program Files\a.exe", ""], r#""C:\Program Files\a.exe" """#),
            (&["a", r#"say "hi""#], r#"a "say \"hi\"""#),
            (&["a", r"C:\dir\"], r"a C:\dir\"),
            (&["a", r"C:\my dir\"], r#"a "C:\my dir\\""#),
            (&["a", r#"\\"x"#], r#"a "\\\\\"x""#),
            (&["a", "tab\there"], "a \"tab\there\""),
        ] {
            assert_eq!(join(arguments).unwrap(), line);
            assert_eq!(parse(line), arguments);
        }
    }

    #[test]
    fn what_makes_no_line_is_refused() {
        assert_eq!(join::<&str>(&[]), Err(CommandLineProblem::Empty));
        assert_eq!(join(&["", "x"]), Err(CommandLineProblem::Empty));
        assert_eq!(join(&["a\"b"]), Err(CommandLineProblem::QuotedProgram));
        assert_eq!(join(&["a", "b\0c"]), Err(CommandLineProblem::Nul));
        let long = "x".repeat(MAX_LENGTH);
        assert_eq!(join(&["a", &long]), Err(CommandLineProblem::TooLong));
        assert!(join(&["a", &long[2..]]).is_ok());
    }

    #[test]
    fn what_follows_a_program_is_left_as_it_is() {
        for (program, rest, line) in [
            ("cmd.exe", None, "cmd.exe"),
            ("cmd.exe", Some(""), "cmd.exe "),
            (r"C:\a b\c.exe", Some(r#" "x  y\" z"#), r#""C:\a b\c.exe"  "x  y\" z"#),
        ] {
            assert_eq!(join_verbatim(program, rest).as_deref(), Ok(line));
            assert_eq!(whole(line).as_deref(), Ok(line));
        }
        assert_eq!(join_verbatim("a\"b", None), Err(CommandLineProblem::QuotedProgram));
        assert_eq!(join_verbatim("", Some("x")), Err(CommandLineProblem::Empty));
        assert_eq!(join_verbatim("a", Some(&"x".repeat(MAX_LENGTH))), Err(CommandLineProblem::TooLong));
        assert_eq!(whole(" \t"), Err(CommandLineProblem::Empty));
        assert_eq!(whole("a \0"), Err(CommandLineProblem::Nul));
    }

    proptest! {
        #[test]
        fn every_argument_arrives_as_it_was(
            program in r#"[a-z\\ ]{0,3}[a-z]"#,
            arguments in proptest::collection::vec(r#"[a \\"\t\n']{0,12}|\PC{0,8}"#, 0..6),
        ) {
            let mut all = vec![program];
            all.extend(arguments);
            let line = join(&all).unwrap();
            prop_assert_eq!(parse(&line), all);
        }
    }
}
