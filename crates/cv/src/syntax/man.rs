//! Manual pages in man(7) notation, made from the table of verbs.

use std::fmt::Write as _;

use super::flag::{COMMON, Flag, Verb};
use super::help::usage_line;
use crate::verbs::GROUPS;

/// Returns every page with its file name: `cv.1`, `cv-run.1`, and so on.
pub fn pages() -> Vec<(String, String)> {
    let visible = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter()).filter(|verb| !verb.hidden);
    let mut pages = vec![("cv.1".to_owned(), overview())];
    pages.extend(visible.map(|verb| (format!("{}.1", page_name(verb)), page(verb))));
    pages
}

fn page_name(verb: &Verb) -> String {
    format!("cv-{}", verb.name.replace(' ', "-"))
}

fn title(name: &str) -> String {
    format!(
        ".TH {} 1 \"\" \"containerv {}\" \"containerv\"\n",
        escape(&name.to_uppercase()),
        env!("CARGO_PKG_VERSION")
    )
}

fn overview() -> String {
    let mut text = title("cv");
    text.push_str(
        ".SH NAME\ncv \\- run containers without a daemon\n.SH SYNOPSIS\n.B cv\n[OPTIONS] VERB ...\n",
    );
    for (group, verbs) in GROUPS {
        _ = writeln!(text, ".SH {}", escape(&group.to_uppercase()));
        for verb in verbs.iter().filter(|verb| !verb.hidden) {
            _ = writeln!(text, ".TP\n.BR {} (1)\n{}", escape(&page_name(verb)), escape(verb.about));
        }
    }
    text.push_str(".SH OPTIONS\n");
    COMMON.flags.iter().for_each(|flag| option(&mut text, flag));
    text.push_str(EXIT_STATUS);
    text.push_str(ENVIRONMENT);
    text
}

/// Returns the page of a verb.
pub fn page(verb: &Verb) -> String {
    let name = page_name(verb);
    let mut text = title(&name);
    _ = writeln!(text, ".SH NAME\n{} \\- {}", escape(&name), escape(verb.about));
    text.push_str(".SH SYNOPSIS\n");
    for (index, _) in verb.usage.iter().enumerate() {
        let lead = if index == 0 { "" } else { ".br\n" };
        _ = writeln!(text, "{lead}{}", escape(&usage_line(verb, index)));
    }
    if !verb.details.is_empty() {
        text.push_str(".SH DESCRIPTION\n");
        paragraphs(&mut text, verb.details);
    }
    let mut title = "";
    for section in verb.all_sections() {
        let mut shown = section.flags.iter().filter_map(Flag::shown).peekable();
        if shown.peek().is_some() && section.title != title {
            title = section.title;
            _ = writeln!(text, ".SH {} OPTIONS", escape(&title.to_uppercase()));
        }
        shown.for_each(|flag| option(&mut text, flag));
    }
    if verb.failure == 125 {
        text.push_str(EXIT_STATUS);
    }
    text.push_str(".SH SEE ALSO\n.BR cv (1)\n");
    text
}

fn option(text: &mut String, flag: &Flag) {
    text.push_str(".TP\n");
    let letter = flag.short.map(|letter| format!("\\fB\\-{letter}\\fR, ")).unwrap_or_default();
    let value = flag.value.map(|value| format!(" \\fI{}\\fR", escape(value))).unwrap_or_default();
    _ = writeln!(text, "{letter}\\fB\\-\\-{}\\fR{value}", escape(flag.long));
    _ = writeln!(text, "{}.", escape(flag.help));
}

fn paragraphs(text: &mut String, paragraphs: &str) {
    for line in paragraphs.lines() {
        match line {
            "" => text.push_str(".PP\n"),
            _ if line.starts_with(' ') => _ = writeln!(text, ".nf\n{}\n.fi", escape(line)),
            _ => _ = writeln!(text, "{}", escape(line)),
        }
    }
}

/// Escapes what man(7) would read as an instruction.
fn escape(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

const EXIT_STATUS: &str = ".SH EXIT STATUS
.TP
.B 125
The command line is wrong, or the container could not be made.
.TP
.B 126
The command was found and cannot be run.
.TP
.B 127
The command was not found.
.TP
.BI 128+ n
Signal
.I n
ended the command.
.TP
.I other
The command's own.
";

const ENVIRONMENT: &str = ".SH ENVIRONMENT
.TP
.B CONTAINERV_ROOT
Directory for state and data, as
.BR \\-\\-root .
.TP
.B NO_COLOR
Print without colours.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_that_names_its_options() {
        for (name, text) in pages() {
            assert!(text.starts_with(".TH "), "{name}");
            assert!(text.contains("\\-\\-root"), "{name}");
            assert!(!text.lines().any(|line| line.starts_with('\'')), "{name}");
        }
    }

    #[test]
    fn instructions_in_texts_are_escaped() {
        assert_eq!(escape(".x -- a\\b"), "\\&.x \\-\\- a\\eb");
    }
}
