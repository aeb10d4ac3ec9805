//! What an image runs on, and which of several images is the one for a machine.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Descriptor, nullable};
use crate::hcs::build;

/// Longest text that is read as a platform.
const MAX_TEXT: usize = 256;

/// An operating system on a kind of processor, in the words of Go: `linux/arm64/v8`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, `arm`, `386`, …
    #[serde(default)]
    pub architecture: String,
    /// `linux`, `windows`, …
    #[serde(default)]
    pub os: String,
    /// Version of the operating system; images for Windows have it: `10.0.20348.2527`.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What is needed of the operating system: `win32k`.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Kind of processor of the architecture: `v7` of `arm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What else was there.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Platform {
    /// This system and architecture, in usual words.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self { os: os.into(), architecture: architecture.into(), ..Self::default() }.normalized()
    }

    /// Reads `os[(version)]/architecture[/variant]`, or one of `os` and `architecture` alone, which is completed
    /// from `host`.
    ///
    /// # Errors
    ///
    /// For what is no platform.
    pub fn parse(text: &str, host: &Self) -> Result<Self, InvalidPlatform> {
        if text.len() > MAX_TEXT {
            return Err(InvalidPlatform);
        }
        let parts: Vec<&str> = text.split('/').collect();
        let mut platform = Self::default();
        match *parts.as_slice() {
            [only] => {
                let (name, version) = split_version(only)?;
                if is_os(name) {
                    (platform.os, platform.os_version) = (name.to_owned(), version);
                    platform.architecture.clone_from(&host.architecture);
                    platform.variant.clone_from(&host.variant);
                } else if is_architecture(name) && version.is_none() {
                    platform.os.clone_from(&host.os);
                    platform.architecture = name.to_owned();
                } else {
                    return Err(InvalidPlatform);
                }
            }
            [os, architecture] | [os, architecture, _] => {
                let (os, version) = split_version(os)?;
                (platform.os, platform.os_version) = (os.to_owned(), version);
                platform.architecture = architecture.to_owned();
                platform.variant = parts.get(2).map(|&variant| variant.to_owned());
            }
            _ => return Err(InvalidPlatform),
        }
        let word = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        let variant = platform.variant.as_deref().unwrap_or("v1");
        if [&platform.os, &platform.architecture, variant].into_iter().all(word) {
            Ok(platform.normalized())
        } else {
            Err(InvalidPlatform)
        }
    }

    /// The same with one word for each thing: `amd64` for `x86_64`, `arm/v7` for `armhf`, no variant where it is
    /// the only one. What containerd does, too.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.os.make_ascii_lowercase();
        if self.os == "macos" {
            self.os = "darwin".to_owned();
        }
        self.architecture.make_ascii_lowercase();
        let variant = self.variant.take().map(|variant| variant.to_ascii_lowercase()).unwrap_or_default();
        let (architecture, variant) = match (&*self.architecture, &*variant) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("i386" | "i486" | "i586" | "i686", _) => ("386", ""),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            (architecture, variant) => (architecture, variant),
        };
        let variant = Some(variant.to_owned()).filter(|variant| !variant.is_empty());
        (self.architecture, self.variant) = (architecture.to_owned(), variant);
        self
    }

    /// How well programs for `self` run on `wanted`'s kind of processor: nothing if they do not, 0 for the same
    /// kind, more for older ones.
    fn distance(&self, wanted: &Self) -> Option<u32> {
        let (ours, theirs) = (self.clone().normalized(), wanted.clone().normalized());
        if ours.architecture != theirs.architecture {
            return None;
        }
        let level = |platform: &Self| match (&*platform.architecture, platform.variant.as_deref()) {
            ("amd64", None) => Some(1),
            ("arm64", None) => Some(80),
            ("arm64", Some(variant)) => arm_level(variant),
            (_, Some(variant)) => variant.strip_prefix('v').and_then(|level| level.parse::<u32>().ok()),
            (_, None) => None,
        };
        match (level(&ours), level(&theirs)) {
            (Some(ours), Some(theirs)) => theirs.checked_sub(ours),
            _ if ours.variant == theirs.variant => Some(0),
            _ => None,
        }
    }
}

/// `v8.2` is 82, `v9` is 90.
fn arm_level(variant: &str) -> Option<u32> {
    let (major, minor) =
        variant.strip_prefix('v')?.split_once('.').unwrap_or((variant.strip_prefix('v')?, "0"));
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 100 && minor < 10).then_some(major * 10 + minor)
}

fn split_version(os: &str) -> Result<(&str, Option<String>), InvalidPlatform> {
    let Some((name, rest)) = os.split_once('(') else { return Ok((os, None)) };
    let version = rest.strip_suffix(')').ok_or(InvalidPlatform)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match !version.is_empty() && version.bytes().all(fits) {
        true => Ok((name, Some(version.to_owned()))),
        false => Err(InvalidPlatform),
    }
}

fn is_os(name: &str) -> bool {
    const SYSTEMS: [&str; 11] = [
        "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris", "illumos", "plan9",
        "wasi",
    ];
    SYSTEMS.iter().any(|system| system.eq_ignore_ascii_case(name))
}

fn is_architecture(name: &str) -> bool {
    const ARCHITECTURES: [&str; 19] = [
        "amd64", "x86_64", "x86-64", "386", "i386", "i486", "i586", "i686", "arm", "armhf", "armel", "arm64",
        "aarch64", "ppc64le", "s390x", "riscv64", "loong64", "mips64le", "wasm",
    ];
    ARCHITECTURES.iter().any(|architecture| architecture.eq_ignore_ascii_case(name))
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.os)?;
        if let Some(version) = &self.os_version {
            write!(f, "({version})")?;
        }
        write!(f, "/{}", self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = InvalidPlatform;

    /// As [`Platform::parse`], completed from `linux/amd64`.
    fn from_str(text: &str) -> Result<Self, InvalidPlatform> {
        Self::parse(text, &Self::new("linux", "amd64"))
    }
}

/// A text that is no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPlatform;

impl fmt::Display for InvalidPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a platform is `OS[(VERSION)]/ARCHITECTURE[/VARIANT]`, as in `linux/arm64` or `windows(10.0.20348)/amd64`")
    }
}

impl std::error::Error for InvalidPlatform {}

/// The one of an index's manifests for a platform.
///
/// `host_build` is the build of the Windows machine that it is for. Then it is never one that is too new for it;
/// those that it runs in process isolation go before those that it runs in Hyper-V isolation only, and newer ones before
/// older ones. A version that is asked for (`wanted.os_version`) has to be of the same build, and the very
/// version goes before others. Without both, the newest.
///
/// For Linux, the nearest kind of processor at or below the wanted one. A manifest without a platform is taken if
/// it is the only one of the index.
pub fn choose<'a>(
    manifests: &'a [Descriptor],
    wanted: &Platform,
    host_build: Option<u32>,
) -> Option<&'a Descriptor> {
    let fitting = manifests.iter().filter_map(|descriptor| {
        let platform = descriptor.platform.as_ref()?;
        Some((rank(platform, wanted, host_build)?, descriptor))
    });
    // Of equals the first in the index, as other clients choose.
    let best = fitting.min_by_key(|(rank, _)| *rank).map(|(_, descriptor)| descriptor);
    best.or(match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    })
}

/// Less is better.
type Rank = (u32, Reverse<bool>, Reverse<build::Fit>, Reverse<(u32, u32)>);

fn rank(platform: &Platform, wanted: &Platform, host_build: Option<u32>) -> Option<Rank> {
    if !platform.os.eq_ignore_ascii_case(&wanted.os) {
        return None;
    }
    let distance = platform.distance(wanted)?;
    if !platform.os.eq_ignore_ascii_case("windows") {
        return Some((distance, Reverse(false), Reverse(build::Fit::Process), Reverse((0, 0))));
    }
    let version = platform.os_version.as_deref();
    let parts = version.and_then(build::parts);
    let exact = version.is_some() && version == wanted.os_version.as_deref();
    if let Some(asked) = wanted.os_version.as_deref().filter(|_| !exact) {
        let same =
            build::of_version(asked).is_some_and(|asked| parts.is_some_and(|(build, _)| build == asked));
        if !same {
            return None;
        }
    }
    let fit = match (host_build, parts) {
        (Some(host), Some((image, _))) => build::fit(host, image),
        // One without a version may fit; those that say so go before it.
        (Some(_), None) => build::Fit::HypervOnly,
        (None, _) => build::Fit::Process,
    };
    (fit != build::Fit::TooNew)
        .then(|| (distance, Reverse(exact), Reverse(fit), Reverse(parts.unwrap_or((0, 0)))))
}

#[cfg(test)]
mod tests;
