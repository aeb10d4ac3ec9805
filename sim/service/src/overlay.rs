//! Layers over the pristine installation, as one directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal};
use crate::machine::{self, Machine};

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
        fold(layer, &folded, &lower).or_refuse("folding a layer")?;
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

/// Links the tree `from` into `to`, each name in the letter case that a layer below has it in: to
/// Windows `Windows` and `windows` are one directory, to an overlay they are two.
fn fold(from: &Path, to: &Path, below: &[PathBuf]) -> std::io::Result<()> {
    for entry in fs::read_dir(from)?.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let known = below.iter().find_map(|directory| machine::entry(directory, &text));
        let name = known.as_ref().and_then(|path| path.file_name()).unwrap_or(&name).to_owned();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            let below: Vec<PathBuf> = below.iter().map(|directory| directory.join(&name)).collect();
            fold(&entry.path(), &target, &below)?;
        } else {
            fs::hard_link(entry.path(), &target).or_else(|_| fs::copy(entry.path(), &target).map(drop))?;
        }
    }
    Ok(())
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
        fold(&root.join("layer"), &root.join("folded"), &[root.join("base")]).unwrap();
        let text = fs::read_to_string(root.join("folded/windows/system32/New/a.txt")).unwrap();
        assert_eq!(text, "a");
        assert_eq!(fs::read_dir(root.join("folded")).unwrap().count(), 1);
        fs::remove_dir_all(root).unwrap();
    }
}
