//! Colours, where they are seen.

use std::io;

use crate::terminal::takes_escapes;

/// Whether text for standard error may hold colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    coloured: bool,
}

impl Style {
    /// Coloured on a terminal, unless `NO_COLOR` is set or the terminal cannot; always where
    /// `CLICOLOR_FORCE` is set. See no-color.org and bixense.com/clicolors.
    pub fn for_stderr() -> Self {
        Self::choose(takes_escapes(&io::stderr()), |name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty())
        })
    }

    /// As [`Style::for_stderr`], for standard output.
    pub fn for_stdout() -> Self {
        Self::choose(takes_escapes(&io::stdout()), |name| {
            std::env::var_os(name).is_some_and(|value| !value.is_empty())
        })
    }

    fn choose(terminal: bool, is_set: impl Fn(&str) -> bool) -> Self {
        // A console of Windows has no such variable.
        let dumb = std::env::var_os("TERM").map_or(cfg!(unix), |term| term == "dumb");
        let coloured = !is_set("NO_COLOR") && (is_set("CLICOLOR_FORCE") || (terminal && !dumb));
        Self { coloured }
    }

    /// No colours.
    pub const PLAIN: Self = Self { coloured: false };

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what failed.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// For what deserves attention.
    pub fn warn(self, text: &str) -> String {
        self.paint("1;33", text)
    }

    /// For what is well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For advice.
    pub fn advice(self, text: &str) -> String {
        self.paint("1;36", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_wins() {
        assert_eq!(Style::choose(true, |_| true), Style::PLAIN);
        assert_eq!(Style::choose(false, |_| false), Style::PLAIN);
        let forced = Style::choose(false, |name| name == "CLICOLOR_FORCE");
        assert_eq!(forced.bad("x"), "\x1b[1;31mx\x1b[0m");
    }
}
