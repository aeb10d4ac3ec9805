//! The suite `user`: the test programs once more, as an ordinary user.
//!
//! Each runs in a mount namespace of its own, where the user has a range of subordinate ids and may
//! reach the source tree. Nothing of that is visible outside.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::binaries::{self, TestProgram};
use super::report::SuiteReport;
use crate::command;
use crate::failure::{Failure, Result};
use crate::workspace;

/// `nobody`, who owns nothing.
const USER: u32 = 65534;

const SUBORDINATE_IDS: &str = "65534:100000:65536\n";

/// Packages whose tests depend on who runs them.
const PACKAGES: &[&str] = &["containerv-sys", "containerv", "containerv-capi", "cv", "containerv-tests"];

/// Parts of the test programs that prepare or expect what only root has: owners, mounts and nodes on
/// the host, control groups, a veth pair, time namespaces. They run as root, in `workspace`. An
/// empty part stands for the whole program.
const OF_ROOT: &[(&str, &[&str])] = &[
    ("containerv", &["backend::linux::transfer::tests::"]),
    ("containerv-capi/c", &[""]),
    ("containerv-tests/crash", &[""]),
    (
        "containerv-tests/isolation",
        &[
            "mounts::",
            "namespaces::",
            "paths::a_privileged_container",
            "paths::device_nodes",
            "paths::kernel_switches",
            "roots::a_kept_overlay",
            "sharing::processes_can_be_shared",
        ],
    ),
    // Ids far beyond the subordinate ones.
    ("containerv-tests/processes", &["users::users_are_found_by_name_and_number"]),
    ("cv/containers", &["a_container_lives_its_life", "a_plan_is_printed", "inspect_tells_what"]),
];

pub(super) fn run(filters: &[String], report: &mut SuiteReport) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        report.skip(
            "user::all".to_owned(),
            "only root can become another user; `workspace` ran as an ordinary one",
        );
        return Ok(());
    }
    let place = Place::new()?;
    let packages = PACKAGES.iter().filter(|package| workspace::has_crate(package));
    let arguments: Vec<&str> = packages.flat_map(|package| ["--package", package]).collect();
    for program in binaries::build(&arguments)? {
        let label = program.label();
        let of_root = of_root(&label);
        if !of_root.contains(&"") {
            let mut command = place.command(&program);
            of_root.iter().for_each(|part| {
                command.args(["--skip", part]);
            });
            binaries::run(&label, &mut command, filters, report)?;
        }
    }
    Ok(())
}

/// The parts of the program `label` that are root's.
fn of_root(label: &str) -> Vec<&'static str> {
    OF_ROOT.iter().filter(|(program, _)| *program == label).flat_map(|(_, parts)| *parts).copied().collect()
}

/// The user's own directories, removed at the end.
struct Place {
    directory: PathBuf,
}

impl Place {
    fn new() -> Result<Place> {
        let place =
            Place { directory: std::env::temp_dir().join(format!("containerv-user-{}", std::process::id())) };
        workspace::make_directory(&place.directory.join("hold"))?;
        place.make_settings()?;
        for name in ["home", "run", "tmp"] {
            let path = place.directory.join(name);
            workspace::make_directory(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
                .and_then(|()| std::os::unix::fs::chown(&path, Some(USER), Some(USER)))
                .map_err(|error| Failure::io(format!("giving `{}` to the user", path.display()), &error))?;
        }
        Ok(place)
    }

    /// A copy of /etc with the user's ranges. It takes the place of all of /etc, because a mount on a
    /// file in there would be locked in the user's namespaces, and /etc with it.
    fn make_settings(&self) -> Result<()> {
        let settings = self.directory.join("etc");
        command::output(Command::new("cp").args(["-a", "/etc"]).arg(&settings))?;
        for name in ["subuid", "subgid"] {
            workspace::write(&settings.join(name), SUBORDINATE_IDS)?;
        }
        Ok(())
    }

    fn command(&self, program: &TestProgram) -> Command {
        let plain = program.command();
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            &self.script(&program.directory),
            "sh",
        ]);
        command.arg(&program.executable);
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        for (variable, name) in [("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("TMPDIR", "tmp")] {
            command.env(variable, self.directory.join(name));
        }
        // Else the snapshot library asks cargo, which an ordinary user may not have.
        command.env("INSTA_WORKSPACE_ROOT", workspace::root());
        command.env_remove("XDG_DATA_HOME").env("USER", "nobody").env("LOGNAME", "nobody");
        command
    }

    /// Prepares the mount namespace and becomes the user. The working directory is entered anew,
    /// because the old one may be below a mount by then.
    fn script(&self, working_directory: &Path) -> String {
        let quoted = |path: &Path| command::quoted(&path.to_string_lossy());
        let mut script = format!("mount --bind {} /etc\n", quoted(&self.directory.join("etc")));
        let root = workspace::root();
        if let Some(closed) = closed_ancestor(root) {
            let (root, hold, closed) = (quoted(root), quoted(&self.directory.join("hold")), quoted(closed));
            script.push_str(&format!(
                "mount --bind {root} {hold}\nmount -t tmpfs -o mode=755 tmpfs {closed}\n\
                 mkdir -p {root}\nmount --bind {hold} {root}\n"
            ));
        }
        script.push_str(&format!("cd {}\n", quoted(working_directory)));
        script.push_str(&format!("exec setpriv --reuid {USER} --regid {USER} --clear-groups \"$@\"\n"));
        script
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What a failed test left behind must not hide its failure.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The topmost directory on the way to `path` that others may not pass.
fn closed_ancestor(path: &Path) -> Option<&Path> {
    let closed = |path: &&Path| fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o001 == 0);
    path.ancestors().filter(closed).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_closed_directory_is_found() {
        let top = std::env::temp_dir().join(format!("xtask-closed-{}", std::process::id()));
        let below = top.join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(closed_ancestor(&below), None);
        for name in ["a/b", "a"] {
            fs::set_permissions(top.join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert_eq!(closed_ancestor(&below), Some(top.join("a").as_path()));
        fs::remove_dir_all(&top).unwrap();
    }
}
