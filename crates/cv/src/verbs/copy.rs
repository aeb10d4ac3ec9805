//! `cp`.

use std::io::IsTerminal as _;

use containerv::{CopyOptions, CopySummary};

use containerv_spec::{ByteSize, OsText};

use super::Session;
use crate::failure::Failure;
use crate::output;
use crate::platform::{self, choose};
use crate::syntax::{Parsed, usage};
use crate::value::{native, quote};

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// `CONTAINER:PATH`
    Container(String, OsText),
    /// A file or directory of this machine.
    Local(OsText),
    /// A tar archive on standard input or output.
    Stream,
}

/// Copies files into or out of a container.
pub fn copy(session: &Session, parsed: &Parsed) -> Result<i32, Failure> {
    let [from, to] = [&parsed.operands[0], &parsed.operands[1]].map(end);
    let options = CopyOptions {
        keep_owner: parsed.switch("archive"),
        follow_links: parsed.switch("follow-link"),
        ..CopyOptions::default()
    };
    let summary = match (from, to) {
        (End::Local(from), End::Container(reference, to)) => {
            let from = native::path(&from)?;
            session.container(&reference)?.upload(&from, to, &options)?
        }
        (End::Container(reference, from), End::Local(to)) => {
            let to = native::path(&to)?;
            session.container(&reference)?.download(from, &to, &options)?
        }
        (End::Stream, End::Container(reference, to)) => {
            session.container(&reference)?.upload_tar(std::io::stdin().lock(), to, &options)?
        }
        (End::Container(..), End::Stream) if std::io::stdout().is_terminal() => {
            let error = usage("`cv cp`: a tar archive is not for a terminal");
            return Err(Failure::usage(error.with_hint("send it on: `cv cp NAME:/x - | tar t`")));
        }
        (End::Container(reference, from), End::Stream) => {
            session.container(&reference)?.download_tar(from, platform::raw_stdout()?, &options)?
        }
        (End::Container(..), End::Container(..)) => {
            return Err(Failure::usage(
                usage("`cv cp`: both ends are in containers")
                    .with_hint("copy through a tar stream: `cv cp A:/x - | cv cp - B:/y`"),
            ));
        }
        _ => {
            let (from, to) = (quote(&parsed.operands[0]), quote(&parsed.operands[1]));
            let error = usage(format!("`cv cp`: neither {from} nor {to} is `CONTAINER:PATH`"));
            return Err(Failure::usage(
                error.with_hint(choose("as in `cv cp web:/etc/hosts .`", r"as in `cv cp web:C:\data .`")),
            ));
        }
    };
    tell(&summary, parsed.switch("quiet"));
    Ok(0)
}

/// Says what was left out, and on a terminal what was copied.
fn tell(summary: &CopySummary, quiet: bool) {
    if quiet {
        return;
    }
    output::warn_left_out(&summary.skipped, summary.skipped_count);
    if std::io::stderr().is_terminal() {
        let size = ByteSize::bytes(summary.bytes);
        let entries = summary.files + summary.directories + summary.symlinks + summary.special;
        output::message(&format!("copied {entries} entries, {size}\n"));
    }
}

/// Tells a container's path from a local one, as Docker does: what begins with `/` or `.` is local.
fn end(text: &OsText) -> End {
    let bytes = text.as_bytes();
    if bytes == b"-" {
        return End::Stream;
    }
    let colon =
        bytes.iter().position(|byte| *byte == b':').filter(|_| !matches!(bytes.first(), Some(b'/' | b'.')));
    let split = colon.filter(|at| *at > 0).map(|at| (&bytes[..at], &bytes[at + 1..]));
    let container = split.and_then(|(name, path)| Some((std::str::from_utf8(name).ok()?, path)));
    match container {
        // A container's name has two characters or more, so that `C:\dir` is a local path.
        Some((name, path)) if name.len() > 1 && !name.contains(['/', '\\']) => {
            let path = if path.is_empty() { choose("/", r"C:\").as_bytes() } else { path };
            End::Container(name.to_owned(), OsText::from_bytes(path))
        }
        _ => End::Local(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let inside = |name: &str, path: &str| End::Container(name.to_owned(), path.into());
        for (text, expected) in [
            ("-", End::Stream),
            ("web:/etc/x", inside("web", "/etc/x")),
            ("web:", inside("web", choose("/", r"C:\"))),
            ("web:C:\\dir", inside("web", "C:\\dir")),
            ("./a:b", End::Local("./a:b".into())),
            ("/a:b", End::Local("/a:b".into())),
            ("dir/a:b", End::Local("dir/a:b".into())),
            ("C:\\dir", End::Local("C:\\dir".into())),
            ("c:/dir", End::Local("c:/dir".into())),
            ("C:", End::Local("C:".into())),
            (r"\\server\share:x", End::Local(r"\\server\share:x".into())),
            (r".\a:b", End::Local(r".\a:b".into())),
            (r"dir\a:b", End::Local(r"dir\a:b".into())),
            ("file", End::Local("file".into())),
            (":x", End::Local(":x".into())),
        ] {
            assert_eq!(end(&text.into()), expected, "{text}");
        }
    }
}
