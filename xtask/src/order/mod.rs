//! `cargo xtask order`: writes `crates/cv/order.ld`, by which the linker puts the functions of `cv` that
//! usual commands enter beside each other.
//!
//! A short command spends its time on being loaded: the kernel maps the program 64 KiB around each place
//! that is touched, and functions in the order of the compiler make it touch every place there is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, quoted};
use crate::failure::{Failure, Result};
use crate::{product, workspace};

/// Usual commands, `ROOT` a directory with busybox. Each line is one set of functions; those that several
/// sets have come first.
const COMMANDS: &[&[&str]] = &[
    &["run --rm --rootfs ROOT /bin/busybox true", LIMITED, "run --rm host true"],
    &["create --name first --rootfs ROOT /bin/busybox sleep 1000"],
    &["start first"],
    &["inspect first"],
    &["exec first /bin/busybox true"],
    &["ps"],
    &["kill first", "wait first", "rm first"],
    &["run -d --name second --rootfs ROOT /bin/busybox sleep 1000", "rm -f second"],
];

/// Not for version 2: its controllers may be in use by version 1.
const LIMITED: &str = "run --rm --network none --memory 64m --pids-limit 50 --rootfs ROOT /bin/busybox true";

const HEAD: &str = "\
/* Written by `cargo xtask order`: functions of `cv` that usual commands enter, the most common first.
   A name that there is no more does no harm; one that is missing is linked behind these. */
";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(first) = arguments.first() {
        return Err(Failure::usage(format!("`order` takes no arguments, got `{first}`")));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("the commands make containers of root: run it as root"));
    }
    let place = Place::make()?;
    let names = place.functions()?;
    let mut users: BTreeMap<String, u32> = BTreeMap::new();
    for (set, commands) in COMMANDS.iter().enumerate() {
        for address in place.entered(set, commands)? {
            if let Some(name) = names.get(&address) {
                *users.entry(pattern(name)).or_default() |= 1 << set;
            }
        }
    }
    let path = workspace::root().join("crates/cv/order.ld");
    workspace::write(&path, script(&users))?;
    println!("{} functions of {}, in `{}`", users.len(), names.len(), path.display());
    Ok(())
}

/// The linker script. Functions that the same commands enter lie together.
fn script(users: &BTreeMap<String, u32>) -> String {
    let mut order: Vec<(&String, u32)> = users.iter().map(|(name, sets)| (name, *sets)).collect();
    order.sort_by_key(|(name, sets)| (std::cmp::Reverse((sets.count_ones(), *sets)), *name));
    let lines: String = order.iter().map(|(name, _)| format!("    *(.text.{name})\n")).collect();
    format!("{HEAD}SECTIONS\n{{\n  .text.order : {{\n{lines}  }}\n}}\nINSERT BEFORE .text;\n")
}

/// A function's name without what versions of the compiler and of crates add: `17h`, 16 digits and `E` at
/// the end, or `Cs`, some digits and `_` before the name of each crate.
fn pattern(name: &str) -> String {
    if let Some(at) = name.rfind("17h")
        && name.get(at + 19..).is_some_and(|rest| rest.starts_with('E'))
    {
        return format!("{}17h????????????????E*", &name[..at]);
    }
    if !name.starts_with("_R") {
        return name.to_owned();
    }
    let mut parts = name.split("Cs");
    let mut pattern = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let hash = digits > 8 && part[digits..].starts_with('_');
        pattern.push_str(if hash { "Cs*" } else { "Cs" });
        pattern.push_str(if hash { &part[digits..] } else { part });
    }
    pattern
}

/// Where the commands run.
struct Place {
    directory: PathBuf,
    cv: PathBuf,
}

impl Place {
    fn make() -> Result<Place> {
        let directory = workspace::target().join("order");
        if directory.exists() {
            fs::remove_dir_all(&directory)
                .map_err(|error| Failure::io(format!("removing `{}`", directory.display()), &error))?;
        }
        workspace::make_directory(&directory.join("root/bin"))?;
        let busybox = workspace::find_program("busybox").ok_or_else(|| Failure::new("no `busybox`"))?;
        fs::copy(&busybox, directory.join("root/bin/busybox"))
            .map_err(|error| Failure::io("copying `busybox`", &error))?;
        let source = workspace::root().join("xtask/order/touched.c");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(directory.join("touched")).arg(source);
        command::output(&mut gcc)?;
        let cv = product::build_cv_with_names(&directory.join("target"))?;
        Ok(Place { directory, cv })
    }

    /// Functions by their addresses.
    fn functions(&self) -> Result<BTreeMap<String, String>> {
        let table = command::output(Command::new("nm").arg("--print-size").arg(&self.cv))?;
        let mut functions = BTreeMap::new();
        for line in table.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let [address, _size, kind, name] = fields[..]
                && matches!(kind, "t" | "T" | "w" | "W")
            {
                let address = address.trim_start_matches('0').to_owned();
                functions.entry(address).or_insert_with(|| name.to_owned());
            }
        }
        let list: String = functions.keys().map(|address| format!("{address}\n")).collect();
        workspace::write(&self.addresses(), list)?;
        Ok(functions)
    }

    fn addresses(&self) -> PathBuf {
        self.directory.join("addresses")
    }

    /// The addresses of functions that these commands enter, with control groups as they are here and
    /// with those of version 2.
    fn entered(&self, set: usize, commands: &[&str]) -> Result<Vec<String>> {
        let out = self.directory.join(format!("entered-{set}"));
        workspace::write(&out, "")?;
        for (mode, groups) in [("here", "true"), ("v2", "mount -t cgroup2 cgroup2 /sys/fs/cgroup")] {
            let state = self.directory.join("state").join(mode);
            for line in commands.iter().filter(|line| mode == "here" || **line != LIMITED) {
                let script = format!("{groups} && exec {}", self.line(&out, &state, line));
                let mut unshare = Command::new("unshare");
                unshare.args(["--mount", "--propagation", "private", "sh", "-ec", &script]);
                command::output(&mut unshare)?;
            }
        }
        Ok(workspace::read(&out)?.lines().map(str::to_owned).collect())
    }

    fn line(&self, out: &Path, state: &Path, line: &str) -> String {
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let line = line.replace("ROOT", &path(&self.directory.join("root")));
        let touched = path(&self.directory.join("touched"));
        let (addresses, cv) = (path(&self.addresses()), path(&self.cv));
        format!("{touched} {addresses} {} {cv} --root {} {line}", path(out), path(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_its_hash_alone() {
        for (name, expected) in [
            ("_ZN2cv4main17h0123456789abcdefE", "_ZN2cv4main17h????????????????E*"),
            ("_ZN2cv4main17h0123456789abcdefE.llvm.77", "_ZN2cv4main17h????????????????E*"),
            (
                "_RNvMs_NtCs2Nb3gJ4iU0I_5alloc3rawINtB4_5OwnerpE4growCs0123456789_3std",
                "_RNvMs_NtCs*_5alloc3rawINtB4_5OwnerpE4growCs*_3std",
            ),
            ("_RNv1Cs", "_RNv1Cs"),
            ("memcpy", "memcpy"),
            ("_ZN2cv3a17h17h0123456789abcdefE", "_ZN2cv3a17h17h????????????????E*"),
            ("short17h1E", "short17h1E"),
        ] {
            assert_eq!(pattern(name), expected);
        }
    }

    #[test]
    fn what_most_commands_enter_comes_first() {
        let users = [("c", 0b001), ("a", 0b100), ("b", 0b111), ("d", 0b100)];
        let script = script(&users.map(|(name, sets)| (name.to_owned(), sets)).into());
        let order: Vec<&str> =
            script.lines().filter_map(|line| line.trim().strip_prefix("*(.text.")).collect();
        assert_eq!(order, ["b)", "a)", "d)", "c)"]);
    }
}
