//! Copies of one large file and of many small ones into a container's root, beside `cp`,
//! `tar` and a program that uses copy_file_range(2).
//!
//! No tree is deleted between the rounds: ext4 makes files more slowly for seconds after it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::cases::{Value, Values};
use super::contender::{Action, Contender};
use super::place::Place;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

const LARGE_MIB: usize = 1024;
const FILES: usize = 20_000;
const FILES_PER_DIRECTORY: usize = 200;

pub(super) const METRICS: &[&str] = &["1 GiB file, ms", "20,000 files, ms"];
const SOURCES: &[(&str, &str)] = &[("large", METRICS[0]), ("tree", METRICS[1])];

pub(super) const UPLOAD: &str = "upload";
pub(super) const DOWNLOAD: &str = "download";
pub(super) const CP: &str = "cp -a";
pub(super) const TAR: &str = "tar";
pub(super) const RANGE: &str = "copy_file_range";

/// The directory of the sources, which is the container's root too: what is copied out of it is in the
/// page cache as what is copied into it.
const SOURCE: &str = "source";
/// In there, where uploads go.
const UPLOADS: &str = "uploads";

/// Name of the case.
pub(super) const CASE: &str = "copy";

type Tool = fn(&Place, &Contender, &Path, usize) -> Result<f64>;
const TOOLS: &[(&str, Tool)] = &[(CP, cp), (TAR, tar), (RANGE, range)];

/// The plain tools are measured where the floor's turn is: they are what the machine can do.
pub(super) fn copy(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    make_sources(place)?;
    if contender.is_ours() {
        return ours(place, contender, round);
    }
    let mut values = Vec::new();
    for (name, metric) in SOURCES.iter().filter(|_| !contender.has_state()) {
        let from = source(place, name);
        for (tool, run) in TOOLS {
            values.push(Value { metric, by: Some(tool), value: run(place, contender, &from, round)? });
        }
    }
    Ok(values)
}

fn source(place: &Place, name: &str) -> PathBuf {
    place.copies().join(SOURCE).join(name)
}

/// Measures a copy. What earlier ones wrote is on the disk by then.
fn measure(place: &Place, contender: &Contender, words: &[OsString]) -> Result<f64> {
    rustix::fs::sync();
    let measured = contender.measured(place, &[], words)?;
    rustix::fs::sync();
    Ok(measured.milliseconds)
}

/// Removes a copy of the large file, which is one inode, so that the next one finds memory as free as
/// this one did: in a virtual machine, pages that were never used come several times more slowly.
fn forget(name: &str, to: &Path) -> Result<()> {
    let copy = to.join(name);
    match copy.is_file() {
        true => fs::remove_file(&copy)
            .map_err(|error| Failure::io(format!("removing `{}`", copy.display()), &error)),
        false => Ok(()),
    }
}

/// A new directory for this copy's result.
fn target(place: &Place, what: &str, round: usize) -> Result<PathBuf> {
    let directory = place.copies().join(format!("{what}-{}-{round}", std::process::id()));
    workspace::make_directory(&directory)?;
    Ok(directory)
}

fn cp(place: &Place, contender: &Contender, from: &Path, round: usize) -> Result<f64> {
    let to = target(place, &format!("cp-{}", name(from)), round)?;
    let words = ["cp".into(), "-a".into(), from.into(), to.clone().into()];
    let taken = measure(place, contender, &words)?;
    forget(&name(from), &to)?;
    Ok(taken)
}

fn tar(place: &Place, contender: &Contender, from: &Path, round: usize) -> Result<f64> {
    let to = target(place, &format!("tar-{}", name(from)), round)?;
    let quoted = |path: &Path| command::quoted(&path.to_string_lossy());
    let parent = from.parent().unwrap_or(Path::new("/"));
    let script = format!("tar -C {} -cf - {} | tar -C {} -xf -", quoted(parent), name(from), quoted(&to));
    let words = ["sh".into(), "-c".into(), script.into()];
    let taken = measure(place, contender, &words)?;
    forget(&name(from), &to)?;
    Ok(taken)
}

fn range(place: &Place, contender: &Contender, from: &Path, round: usize) -> Result<f64> {
    let to = target(place, &format!("range-{}", name(from)), round)?;
    let words = [place.program("copyrange").into(), from.into(), to.clone().into()];
    let taken = measure(place, contender, &words)?;
    forget(&name(from), &to)?;
    Ok(taken)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `cv cp` into a stopped container, and back out of it.
fn ours(place: &Place, contender: &Contender, round: usize) -> Result<Values> {
    let id = format!("copy{round}");
    contender.measured(place, &[], &contender.create_in(place, &place.copies().join(SOURCE), &id))?;
    let mut values = Vec::new();
    for (name, metric) in SOURCES {
        let into = format!("{UPLOADS}/{name}-{round}");
        let inside = source(place, &into);
        workspace::make_directory(&inside)?;
        let back = target(place, &format!("back-{name}"), round)?;
        let upload = contender.copy_words(place, source(place, name).into(), format!("{id}:/{into}").into());
        let download = contender.copy_words(place, format!("{id}:/{name}").into(), back.clone().into());
        for (by, words, to) in [(UPLOAD, upload, &inside), (DOWNLOAD, download, &back)] {
            values.push(Value { metric, by: Some(by), value: measure(place, contender, &words)? });
            forget(name, to)?;
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
    for name in ["proc", "dev", "sys"] {
        workspace::make_directory(&source(place, name))?;
    }
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

/// Removes all copies; the sources stay for the next run. It comes last because it takes long: as
/// many files as all rounds have made, on disks that are told of each.
pub(super) fn clean() {
    let copies = super::place::copies();
    let mut made = workspace::entries(&copies);
    made.retain(|path| name(path) != SOURCE);
    made.extend(workspace::entries(&copies.join(SOURCE).join(UPLOADS)));
    if !made.is_empty() {
        eprintln!("removing {} copies", made.len());
        made.iter().for_each(|path| super::place::remove(path));
    }
}
