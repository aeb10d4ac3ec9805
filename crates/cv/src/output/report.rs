//! Errors as people read them.

use std::fmt::Write as _;

use containerv::Error;

use super::style::Style;

/// Longest word of a message, in characters; paths are rarely longer.
const LONGEST_WORD: usize = 500;

/// Returns `error: …`, every problem on a line of its own, and `hint: …` where there is one.
pub fn render(error: &Error, style: Style) -> String {
    let mut text = String::new();
    match error.all_problems() {
        [] => line(&mut text, error, style),
        [only] => line(&mut text, only, style),
        problems => {
            for problem in problems {
                line(&mut text, problem, style);
            }
        }
    }
    text
}

fn line(text: &mut String, error: &Error, style: Style) {
    _ = writeln!(text, "{} {}", style.bad("error:"), harmless(&error.to_string()));
    if let Some(hint) = error.hint() {
        _ = writeln!(text, "{} {}", style.advice("hint:"), harmless(hint));
    }
}

/// Replaces control characters other than line ends, and cuts long words: names in messages come
/// from elsewhere, and must neither steer the terminal nor fill it.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        match word.char_indices().nth(LONGEST_WORD) {
            Some((end, _)) => {
                shown.push_str(&word[..end]);
                shown.push_str(if word.ends_with(char::is_whitespace) { "… " } else { "…" });
            }
            None => shown.push_str(word),
        }
    }
    shown.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use containerv::ErrorKind;

    use super::*;

    #[test]
    fn each_problem_has_its_line_and_hint() {
        let one = Error::new(ErrorKind::InvalidArgument, "`--memory 5x`: unknown unit");
        let two =
            Error::new(ErrorKind::Unsupported, "`--gpus` is not offered yet").with_hint("name the devices");
        let both = Error::problems("cannot read the command line", vec![one, two]);
        assert_eq!(
            render(&both, Style::PLAIN),
            "error: `--memory 5x`: unknown unit\nerror: `--gpus` is not offered yet\nhint: name the devices\n"
        );
    }

    #[test]
    fn long_words_are_cut() {
        let error = Error::new(ErrorKind::NotFound, format!("no `{}` there", "ä".repeat(5000)));
        let rendered = render(&error, Style::PLAIN);
        assert!(rendered.ends_with("ä… there\n") && rendered.chars().count() < 600, "{rendered}");
    }

    #[test]
    fn terminals_are_not_steered() {
        let error = Error::new(ErrorKind::NotFound, "no container `\u{1b}[2J`");
        assert_eq!(render(&error, Style::PLAIN), "error: no container `\u{fffd}[2J`\n");
    }
}
