//! Copies of one large file and of many small ones into a container's root, beside `cp` and `tar`.
//!
//! Nothing is deleted between the rounds: ext4 makes files more slowly for seconds after it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::cases::Values;
use super::contender::{Action, Contender};
use super::place::Place;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

const LARGE_MIB: usize = 1024;
const FILES: usize = 20_000;
const FILES_PER_DIRECTORY: usize = 200;

/// The plain tools are measured where the floor's turn is, because they are what the machine can do.
pub(super) fn copy(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    make_sources(place)?;
    if contender.copies() {
        return ours(place, contender, round);
    }
    if contender.has_state() {
        return Ok(Vec::new());
    }
    let large = source(place, "large");
    let tree = source(place, "tree");
    Ok(vec![
        ("cp -a of 1 GiB, ms", plain(place, contender, &["cp", "-a"], &large, round)?),
        ("tar of 1 GiB, ms", tar(place, contender, &large, round)?),
        ("cp -a of 20,000 files, ms", plain(place, contender, &["cp", "-a"], &tree, round)?),
        ("tar of 20,000 files, ms", tar(place, contender, &tree, round)?),
    ])
}

fn source(place: &Place, name: &str) -> PathBuf {
    place.copies().join(name)
}

/// A new directory for this copy's result.
fn target(place: &Place, what: &str, round: usize) -> Result<PathBuf> {
    let directory = place.copies().join(format!("{what}-{}-{round}", std::process::id()));
    workspace::make_directory(&directory)?;
    Ok(directory)
}

fn plain(place: &Place, contender: &Contender, tool: &[&str], from: &Path, round: usize) -> Result<f64> {
    let to = target(place, &format!("cp-{}", name(from)), round)?;
    let mut words: Vec<OsString> = tool.iter().map(OsString::from).collect();
    words.extend([from.into(), to.into()]);
    contender.measured(place, &[], &words).map(|measured| measured.milliseconds)
}

fn tar(place: &Place, contender: &Contender, from: &Path, round: usize) -> Result<f64> {
    let to = target(place, &format!("tar-{}", name(from)), round)?;
    let quoted = |path: &Path| command::quoted(&path.to_string_lossy());
    let parent = from.parent().unwrap_or(Path::new("/"));
    let script = format!("tar -C {} -cf - {} | tar -C {} -xf -", quoted(parent), name(from), quoted(&to));
    let words = ["sh".into(), "-c".into(), script.into()];
    contender.measured(place, &[], &words).map(|measured| measured.milliseconds)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `cv cp` into a stopped container whose root lies beside the other copies, and back out of it.
fn ours(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let id = format!("copy{round}");
    contender.act(place, Action::Create("noop"), &id)?;
    let mut values = Vec::new();
    let metrics = [
        ("large", "upload of 1 GiB, ms", "download of 1 GiB, ms"),
        ("tree", "upload of 20,000 files, ms", "download of 20,000 files, ms"),
    ];
    for (what, upload, download) in metrics {
        let inside = format!("{id}:/{what}-{round}");
        let back = target(place, &format!("back-{what}"), round)?;
        for (metric, from, to) in [
            (upload, source(place, what).into_os_string(), OsString::from(&inside)),
            (download, OsString::from(&inside), back.into_os_string()),
        ] {
            let mut words = contender.words(place, Action::State, &id);
            words.truncate(words.len() - 2);
            words.extend(["cp".into(), from, to]);
            values.push((metric, contender.measured(place, &[], &words)?.milliseconds));
        }
    }
    contender.act(place, Action::DeleteForce, &id)?;
    Ok(values)
}

/// Both sources, made once and read, so that they lie in the page cache.
fn make_sources(place: &Place) -> Result<()> {
    let failed = |error: std::io::Error| Failure::io("making files to copy", &error);
    let done = source(place, "done");
    if done.exists() {
        return Ok(());
    }
    workspace::make_directory(&place.copies())?;
    let block: Vec<u8> =
        (0..1 << 20).map(|at: u32| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    let mut large = File::create(source(place, "large")).map_err(failed)?;
    for _ in 0..LARGE_MIB {
        large.write_all(&block).map_err(failed)?;
    }
    for number in 0..FILES {
        let directory = source(place, "tree").join(format!("d{}", number / FILES_PER_DIRECTORY));
        if number % FILES_PER_DIRECTORY == 0 {
            workspace::make_directory(&directory)?;
        }
        fs::write(directory.join(format!("f{number}")), &block[..number % 8192]).map_err(failed)?;
    }
    workspace::write(&done, "")
}

/// Removes the copies of this run; the sources stay for the next.
pub(super) fn clean(place: &Place) {
    let of_this_run = format!("-{}-", std::process::id());
    for path in workspace::entries(&place.copies()) {
        if path.to_string_lossy().contains(&of_this_run) {
            super::place::remove(&path);
        }
    }
}
