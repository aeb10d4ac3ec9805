//! Images of Debian and Ubuntu, made of their packages by debootstrap(8).
//!
//! The first stage of debootstrap fetches, verifies and unpacks the packages. Their scripts run in the second
//! stage, in a container without network that consists of what was unpacked: nothing of them runs on the host.

use std::fmt;

use serde::Serialize;

use crate::images::{Image, Images, parse_reference};
use crate::{Error, ErrorKind, Result};

/// Most packages besides those of the variant.
const MOST_PACKAGES: usize = 1000;

/// What a root is made of.
#[derive(Clone, Debug)]
pub struct DebootstrapOptions {
    /// Release, such as `bookworm` or `noble`.
    pub suite: String,
    /// Name of the image; the suite unless given.
    pub reference: Option<String>,
    /// Address of the archive; debootstrap's own for the suite unless given.
    pub mirror: Option<String>,
    /// Which packages: `minbase` (essential ones and apt), `buildd` or `standard`.
    pub variant: String,
    /// Further packages.
    pub include: Vec<String>,
    /// File with the keys that the archive is signed with, where that is not debootstrap's own choice.
    pub keyring: Option<String>,
}

impl DebootstrapOptions {
    /// The essential packages and apt of a release.
    pub fn new(suite: impl Into<String>) -> Self {
        Self {
            suite: suite.into(),
            reference: None,
            mirror: None,
            variant: "minbase".into(),
            include: Vec::new(),
            keyring: None,
        }
    }
}

/// Who is told what debootstrap says, line by line.
pub type DebootstrapProgress<'a> = &'a mut dyn FnMut(&str);

/// What is done for an image of packages, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DebootstrapPlan {
    /// The steps.
    pub steps: Vec<DebootstrapStep>,
}

/// One step. Paths are in the root that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
#[non_exhaustive]
pub enum DebootstrapStep {
    /// Fetches, verifies and unpacks packages, on the host.
    Unpack {
        /// Program and arguments; `ROOT` is the directory of the root.
        command: Vec<String>,
    },
    /// Runs the packages' scripts, in a container without network.
    Configure {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// Empties what belongs to one machine or can be fetched again, in the same way.
    Clean {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// Makes a layer and an image of the root.
    Store {
        /// Its name.
        reference: String,
        /// Instructions that make its configuration.
        changes: Vec<String>,
    },
}

impl fmt::Display for DebootstrapPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            match step {
                DebootstrapStep::Unpack { command } => {
                    writeln!(f, "{number:>2}  unpack     {}", command.join(" "))?
                }
                DebootstrapStep::Configure { command } => {
                    writeln!(
                        f,
                        "{number:>2}  configure  in a container without network: {}",
                        command.join(" ")
                    )?;
                }
                DebootstrapStep::Clean { command } => {
                    writeln!(
                        f,
                        "{number:>2}  clean      in a container without network: {}",
                        command.join(" ")
                    )?;
                }
                DebootstrapStep::Store { reference, changes } => {
                    writeln!(f, "{number:>2}  store      {reference}")?;
                    changes.iter().try_for_each(|change| writeln!(f, "               {change}"))?;
                }
            }
        }
        Ok(())
    }
}

/// Where debootstrap is: what runs as root is not looked for in the caller's path.
pub(super) const PROGRAM: &str = "/usr/sbin/debootstrap";

/// What is emptied: fetched packages and lists, records of this installation, and names of the machine.
const CLEAN: &str = "rm -rf /debootstrap /var/cache/apt/archives/*.deb /var/cache/apt/*.bin /var/lib/apt/lists/* \
                     /var/log/bootstrap.log /var/log/dpkg.log /var/log/alternatives.log /var/log/apt/* \
                     /etc/resolv.conf /etc/hostname; : > /etc/machine-id";

const CHANGES: [&str; 2] =
    [r#"CMD ["bash"]"#, "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];

impl Images {
    /// Says what [`Images::debootstrap`] would do.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a word that debootstrap would take for something else.
    pub fn plan_debootstrap(&self, options: &DebootstrapOptions) -> Result<DebootstrapPlan> {
        plan(options)
    }

    /// Makes an image of Debian's or Ubuntu's packages. On Linux, by root; debootstrap has to be installed.
    ///
    /// A root that is half made is removed at the end, or by `cv image prune` after a crash.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for words that debootstrap would take for something else; `Unavailable` without
    /// debootstrap; `PermissionDenied` for an ordinary user; what debootstrap says.
    pub fn debootstrap(&self, options: &DebootstrapOptions, tell: DebootstrapProgress<'_>) -> Result<Image> {
        self.carry_out(options, &plan(options)?, tell)
    }

    #[cfg(not(target_os = "linux"))]
    fn carry_out(
        &self,
        _: &DebootstrapOptions,
        _: &DebootstrapPlan,
        _: DebootstrapProgress<'_>,
    ) -> Result<Image> {
        Err(Error::new(ErrorKind::Unavailable, "debootstrap is for Linux")
            .with_hint("make the image on Linux, and push it or `cv save` it"))
    }
}

pub(super) fn plan(options: &DebootstrapOptions) -> Result<DebootstrapPlan> {
    let reference = options.reference.clone().unwrap_or_else(|| options.suite.clone());
    parse_reference(&reference)?;
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    Ok(DebootstrapPlan {
        steps: vec![
            DebootstrapStep::Unpack { command: unpack(options)? },
            DebootstrapStep::Configure { command: words("/debootstrap/debootstrap --second-stage") },
            DebootstrapStep::Clean { command: vec!["/bin/sh".into(), "-c".into(), CLEAN.into()] },
            DebootstrapStep::Store { reference, changes: CHANGES.map(str::to_owned).to_vec() },
        ],
    })
}

fn unpack(options: &DebootstrapOptions) -> Result<Vec<String>> {
    check("the suite", &options.suite, is_word)?;
    check("the variant", &options.variant, |text| ["minbase", "buildd", "standard"].contains(&text))?;
    let mut command = vec![PROGRAM.to_owned(), "--foreign".into()];
    if options.variant != "standard" {
        command.push(format!("--variant={}", options.variant));
    }
    if options.include.len() > MOST_PACKAGES {
        let message = format!("{} packages are more than {MOST_PACKAGES}", options.include.len());
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    for package in &options.include {
        check("the package", package, is_word)?;
    }
    if !options.include.is_empty() {
        command.push(format!("--include={}", options.include.join(",")));
    }
    if let Some(keyring) = &options.keyring {
        check("the file of keys", keyring, |text| text.starts_with('/'))?;
        command.push(format!("--keyring={keyring}"));
    }
    command.extend([options.suite.clone(), "ROOT".into()]);
    if let Some(mirror) = &options.mirror {
        let has_scheme =
            |text: &str| ["http://", "https://", "file:/"].iter().any(|scheme| text.starts_with(scheme));
        check("the mirror", mirror, has_scheme)?;
        command.push(mirror.clone());
    }
    Ok(command)
}

fn check(what: &str, text: &str, fits: impl Fn(&str) -> bool) -> Result<()> {
    if fits(text) && !text.chars().any(|character| character.is_control() || character.is_whitespace()) {
        return Ok(());
    }
    let message = format!("{what} `{}` is none", text.escape_debug());
    Err(Error::new(ErrorKind::InvalidArgument, message).with_hint(match what {
        "the variant" => "use `minbase`, `buildd` or `standard`",
        "the mirror" => "give an address, as `https://deb.debian.org/debian`",
        "the file of keys" => "give an absolute path",
        _ => "names have small letters, digits, `+`, `-` and `.`, and begin with a letter or digit",
    }))
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_what_was_read() {
        let options = DebootstrapOptions {
            mirror: Some("https://deb.debian.org/debian".into()),
            include: vec!["python3-minimal".into(), "g++".into()],
            ..DebootstrapOptions::new("bookworm")
        };
        insta::assert_snapshot!(plan(&options).unwrap());
    }

    #[test]
    fn words_that_are_options_or_commands_are_refused() {
        let plain = DebootstrapOptions::new("bookworm");
        let refused = [
            DebootstrapOptions { suite: "--help".into(), ..plain.clone() },
            DebootstrapOptions { suite: "../x".into(), ..plain.clone() },
            DebootstrapOptions { suite: String::new(), ..plain.clone() },
            DebootstrapOptions { variant: "fakechroot".into(), ..plain.clone() },
            DebootstrapOptions { include: vec!["a,b".into()], ..plain.clone() },
            DebootstrapOptions { include: vec!["a b".into()], ..plain.clone() },
            DebootstrapOptions { include: vec!["a".into(); 1001], ..plain.clone() },
            DebootstrapOptions { mirror: Some("ssh://host".into()), ..plain.clone() },
            DebootstrapOptions { mirror: Some("http://host/\n".into()), ..plain.clone() },
            DebootstrapOptions { keyring: Some("keys".into()), ..plain.clone() },
            DebootstrapOptions { reference: Some("No Name".into()), ..plain },
        ];
        for options in refused {
            assert_eq!(plan(&options).unwrap_err().kind(), ErrorKind::InvalidArgument, "{options:?}");
        }
    }
}
