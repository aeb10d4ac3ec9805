//! Layers over the pristine installation, as one directory.

use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal};
use crate::machine::{self, Machine};
use crate::transport::{self, Ghosts};

/// The mount options that show `layers` (topmost first) over the template's drive, with writes to
/// the scratch. Copies of the layers' trees, made of links, go below `directory`.
pub fn options(machine: &Machine, layers: &[PathBuf], scratch: &Path, directory: &Path) -> Answer<String> {
    let (upper, work) = (scratch.join("files"), scratch.join("work"));
    fs::create_dir_all(&upper).or_refuse("making the scratch")?;
    fs::create_dir_all(&work).or_refuse("making the scratch")?;
    let mut lower = vec![machine.template.join("drive_c")];
    for (at, layer) in layers.iter().rev().enumerate() {
        let folded = directory.join(at.to_string());
        let _ = fs::remove_dir_all(&folded);
        fs::create_dir_all(&folded).or_refuse("folding a layer")?;
        let ghosts = layer.parent().map(Ghosts::of).unwrap_or_default();
        let fold = Fold { ghosts: &ghosts, roots: &lower };
        fold.directory(layer, &folded, &lower, Path::new("")).or_refuse("folding a layer")?;
        lower.insert(0, folded);
    }
    let lower: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
    // Without redirection a layer's directory could not be renamed.
    let (lower, upper, work) = (lower.join(":"), upper.display(), work.display());
    Ok(format!("redirect_dir=on,lowerdir={lower},upperdir={upper},workdir={work}"))
}

/// Mounts the layers with the scratch at `at`; the copies of the layers lie beside it.
pub fn mount(machine: &Machine, layers: &[PathBuf], scratch: &Path, at: &Path) -> Answer<()> {
    let options = options(machine, layers, scratch, &at.with_extension("layers"))?;
    fs::create_dir_all(at).or_refuse("making a mount point")?;
    let mut command = Command::new("mount");
    command.args(["-t", "overlay", "overlay", "-o", &options]).arg(at);
    let output = command.output().or_refuse("starting `mount`")?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Refusal::new(codes::E_FAIL, format!("mounting the layers: {message}")))
}

/// Undoes it. Whoever has a file open there keeps that.
pub fn unmount(at: &Path) {
    // What stays is removed with the run, in whose namespace it is.
    let _ = Command::new("umount").arg("--lazy").arg(at).status();
    let _ = fs::remove_dir(at);
    let _ = fs::remove_dir_all(at.with_extension("layers"));
}

/// Links a layer's tree into another one, each name in the letter case that a layer below has it in: to
/// Windows `Windows` and `windows` are one directory, to an overlay they are two.
struct Fold<'a> {
    ghosts: &'a Ghosts,
    /// What is below the layer, topmost first; the last is the pristine installation.
    roots: &'a [PathBuf],
}

impl Fold<'_> {
    fn directory(&self, from: &Path, to: &Path, below: &[PathBuf], at: &Path) -> io::Result<()> {
        for entry in fs::read_dir(from)?.flatten() {
            let name = entry.file_name();
            let here = at.join(&name);
            let text = name.to_string_lossy();
            let known = below.iter().find_map(|directory| machine::entry(directory, &text));
            let name = known.as_ref().and_then(|path| path.file_name()).unwrap_or(&name).to_owned();
            let target = to.join(&name);
            match self.ghosts.original(entry.ino()) {
                // What it stands for shows through.
                Some(original) if original == here => {}
                // A further name of it.
                Some(original) => {
                    let found = self.roots.iter().find_map(|root| transport::find(root, original));
                    link(&found.ok_or(io::ErrorKind::NotFound)?, &target)?;
                }
                None if entry.file_type()?.is_dir() => {
                    fs::create_dir_all(&target)?;
                    let below: Vec<PathBuf> = below.iter().map(|directory| directory.join(&name)).collect();
                    self.directory(&entry.path(), &target, &below, &here)?;
                }
                None => link(&entry.path(), &target)?,
            }
        }
        if self.ghosts.any { hide(from, to, below) } else { Ok(()) }
    }
}

/// Hides what the layers below have and the directory does not show.
fn hide(from: &Path, to: &Path, below: &[PathBuf]) -> io::Result<()> {
    for directory in &below[..below.len() - 1] {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            let shown = machine::entry(from, &text).is_some() || machine::entry(to, &text).is_some();
            if !shown && !text.contains(':') {
                let kind = rustix::fs::FileType::CharacterDevice;
                rustix::fs::mknodat(rustix::fs::CWD, to.join(&name), kind, rustix::fs::Mode::empty(), 0)?;
            }
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_follows_the_layer_below() {
        let root = std::env::temp_dir().join(format!("sim-fold-{}", std::process::id()));
        fs::create_dir_all(root.join("base/windows/system32")).unwrap();
        fs::create_dir_all(root.join("layer/Windows/System32/New")).unwrap();
        fs::write(root.join("layer/Windows/System32/New/a.txt"), "a").unwrap();
        fs::create_dir_all(root.join("folded")).unwrap();
        let fold = Fold { ghosts: &Ghosts::default(), roots: &[] };
        let below = [root.join("base")];
        fold.directory(&root.join("layer"), &root.join("folded"), &below, Path::new("")).unwrap();
        let text = fs::read_to_string(root.join("folded/windows/system32/New/a.txt")).unwrap();
        assert_eq!(text, "a");
        assert_eq!(fs::read_dir(root.join("folded")).unwrap().count(), 1);
        fs::remove_dir_all(root).unwrap();
    }
}
