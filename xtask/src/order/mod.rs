//! `cargo xtask order`: writes `crates/cv/order.ld`, by which the linker puts the functions and constants
//! of `cv` that usual commands use beside each other.
//!
//! A short command spends its time on being loaded: the kernel maps the program 64 KiB around each place
//! that is touched, and functions in the order of the compiler make it touch every place there is.

mod map;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{self, quoted};
use crate::failure::{Failure, Result};
use crate::{product, workspace};
use map::Piece;

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

/// A piece this large fills places of its own wherever it lies, and would keep others apart.
const LARGE: u64 = 32 << 10;

const KINDS: [&str; 2] = [".text", ".rodata"];

const HEAD: &str = "\
/* Written by `cargo xtask order`: functions and constants of `cv` that usual commands use, the most common
   first. A name that there is no more does no harm; one that is missing is linked behind these. */
";

/// Which sets of commands use what lies in the sections of this pattern.
type Users = BTreeMap<String, u32>;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some(first) = arguments.first() {
        return Err(Failure::usage(format!("`order` takes no arguments, got `{first}`")));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("the commands make containers of root: run it as root"));
    }
    let place = Place::make()?;
    let pieces = map::pieces(&workspace::read(&place.map)?);
    let (mut functions, mut constants) = (Users::new(), Users::new());
    for (set, commands) in COMMANDS.iter().enumerate() {
        for piece in used(&pieces, &place.touched(set, commands)?) {
            let users = if piece.section.starts_with(".text") { &mut functions } else { &mut constants };
            *users.entry(input(piece)).or_default() |= 1 << set;
        }
    }
    let path = workspace::root().join("crates/cv/order.ld");
    workspace::write(&path, script(&functions, &constants))?;
    println!("{} functions, {} constants, in `{}`", functions.len(), constants.len(), path.display());
    Ok(())
}

/// The small functions and constants that have one of the addresses, which are sorted.
fn used<'a>(pieces: &'a [Piece], addresses: &[u64]) -> Vec<&'a Piece> {
    let mut used: Vec<&Piece> = addresses.iter().filter_map(|address| map::at(pieces, *address)).collect();
    used.dedup();
    used.retain(|piece| piece.size <= LARGE && KINDS.iter().any(|kind| piece.section.starts_with(kind)));
    used
}

/// How a linker script names such pieces. What has no name of its own goes by its file.
fn input(piece: &Piece) -> String {
    match piece.section[1..].split_once('.') {
        None => format!("*{}({})", piece.file, piece.section),
        Some((kind, name)) => format!("*(.{kind}.{})", pattern(name)),
    }
}

/// The linker script. Constants begin a page, or they would lie among what can be executed.
fn script(functions: &Users, constants: &Users) -> String {
    let section = |kind: &str, place: &str, users: &Users| {
        format!("  {kind}.order{place} : {{\n{}  }}\n}}\nINSERT BEFORE {kind};\n", lines(users))
    };
    let text = section(".text", "", functions);
    let rodata = section(".rodata", " ALIGN(CONSTANT(MAXPAGESIZE))", constants);
    format!("{HEAD}SECTIONS\n{{\n{text}\nSECTIONS\n{{\n{rodata}")
}

/// What the same commands use lies together.
fn lines(users: &Users) -> String {
    let mut order: Vec<(&String, u32)> = users.iter().map(|(input, sets)| (input, *sets)).collect();
    order.sort_by_key(|(input, sets)| (std::cmp::Reverse((sets.count_ones(), *sets)), *input));
    order.iter().map(|(input, _)| format!("    {input}\n")).collect()
}

/// A name without what versions of the compiler and of crates add: `17h`, 16 digits and `E` at the end,
/// or `Cs`, some digits and `_` before the name of each crate; of a constant without a name, the digits
/// that stand for its crate.
fn pattern(name: &str) -> String {
    if let Some(number) = name.strip_prefix(".Lanon.").and_then(|rest| rest.split_once('.')) {
        return format!(".Lanon.*.{}", number.1);
    }
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
    /// What the linker wrote about `cv`.
    map: PathBuf,
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
        let map = directory.join("map");
        let cv = product::build_cv_with_map(&directory.join("target"), &map)?;
        Ok(Place { directory, cv, map })
    }

    /// The addresses that these commands use, with control groups as they are here and with those of
    /// version 2; sorted.
    fn touched(&self, set: usize, commands: &[&str]) -> Result<Vec<u64>> {
        let out = self.directory.join(format!("touched-{set}"));
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
        let mut addresses = Vec::new();
        for line in workspace::read(&out)?.lines() {
            let address = u64::from_str_radix(line, 16);
            addresses
                .push(address.map_err(|error| Failure::new(format!("`touched` said `{line}`: {error}")))?);
        }
        addresses.sort_unstable();
        Ok(addresses)
    }

    fn line(&self, out: &Path, state: &Path, line: &str) -> String {
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let line = line.replace("ROOT", &path(&self.directory.join("root")));
        let (touched, cv) = (path(&self.directory.join("touched")), path(&self.cv));
        format!("{touched} {} {cv} --root {} {line}", path(out), path(state))
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
    fn a_constant_loses_its_crate_alone() {
        assert_eq!(pattern(".Lanon.2dacf38ecb835c23f97a8c31098f0f36.17"), ".Lanon.*.17");
    }

    #[test]
    fn what_most_commands_use_comes_first() {
        let users = [("c", 0b001), ("a", 0b100), ("b", 0b111), ("d", 0b100)];
        let lines = lines(&users.map(|(name, sets)| (name.to_owned(), sets)).into());
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), ["b", "a", "d", "c"]);
    }

    fn piece(address: u64, section: &str, size: u64) -> Piece {
        Piece { address, size, section: section.to_owned(), file: "crt1.o".to_owned() }
    }

    #[test]
    fn what_was_touched_is_named_once_and_a_large_piece_is_left_out() {
        let pieces = [
            piece(0x10, ".text", 8),
            piece(0x20, ".text.main", 8),
            piece(0x30, ".text.other", 8),
            piece(0x50, ".rodata.main", 8),
            piece(0x60, ".rodata.large", LARGE + 1),
            piece(0x10_0000, ".eh_frame", 8),
        ];
        let addresses = [0x10, 0x11, 0x27, 0x28, 0x50, 0x60, 0x10_0000];
        let inputs: Vec<String> = used(&pieces, &addresses).into_iter().map(input).collect();
        assert_eq!(inputs, ["*crt1.o(.text)", "*(.text.main)", "*(.rodata.main)"]);
    }

    #[test]
    fn a_script_has_both_kinds() {
        let users = |name: &str| Users::from([(name.to_owned(), 1)]);
        let script = script(&users("*(.text.main)"), &users("*(.rodata.main)"));
        assert!(
            script.contains("  .text.order : {\n    *(.text.main)\n  }\n}\nINSERT BEFORE .text;\n"),
            "{script}"
        );
        let constants = "  .rodata.order ALIGN(CONSTANT(MAXPAGESIZE)) : {\n    *(.rodata.main)\n  }\n}\nINSERT BEFORE .rodata;\n";
        assert!(script.ends_with(constants), "{script}");
    }
}
