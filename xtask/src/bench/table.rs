//! The report: conditions and a table, as Markdown.

use std::fmt;
use std::fs;

use super::cases::CASES;
use super::contender::Contender;
use super::copies;
use super::options::Mode;
use super::samples::Samples;

pub(super) struct Report<'a> {
    pub(super) mode: Mode,
    pub(super) fifo: bool,
    pub(super) rounds: usize,
    pub(super) contenders: &'a [Contender],
    pub(super) samples: &'a Samples,
    /// The load of the machine before and after.
    pub(super) loads: (String, String),
}

/// What the whole report begins with.
pub(super) const TITLE: &str = "\
# Benchmarks

Written by `cargo xtask bench`. Ratios travel to other machines, times do not.

";

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::V1 => "version 1 alone",
            Mode::V2 => "version 2 alone",
            Mode::AsIs => "as the machine has them",
        };
        writeln!(formatter, "## Control groups: {mode}\n")?;
        self.conditions(formatter)?;
        self.tables(formatter)
    }
}

/// What the whole report ends with.
pub(super) const REMARKS: &str = "\
## What was measured

- A ratio is the median over the rounds of one contender's time divided by the other's in the same round.
- *floor* is `xtask/bench/floor.c`: the same namespaces, mounts, masks, capabilities and a seccomp filter of three rules by
  plain system calls; no control group, no state, no configuration. For *start*, *state* and *delete* it is the start of a
  process: the no-op of 9 KiB alone, whose end is waited for.
- Everyone else makes a control group per container and keeps state, on a tmpfs. The root directory (busybox and a no-op of
  9 KiB) is on the disk. All have pid, mount, uts, ipc and network namespaces, the same mounts, masks and capabilities, no
  new privileges, and a seccomp filter that names a few hundred system calls.
- A run is measured from before the spawn to the end, by a static program. Peak RSS is the largest of the command and its
  children. A slow case (100 runs, memory, copies) comes in every few rounds only; the column *rounds* counts.
- *state* is `cv inspect`. *start* of `cv` comes back when the command was executed or could not be; runtimes of the OCI come back
  before they know. `cv create` makes a monitor too, which the others leave to another program.
- *spawn by the library* is a command in a running container, started and waited for by a program that links the library (the median
  of 20); what the others take for an exec stands beside it. *request to plan* is lowering with the look at the machine before it.
- Memory left is that of the processes which a detached container keeps besides its own. A runtime that leaves none has
  nobody who holds the logs, the terminal and the exit code; it needs another program for that.
- Files are copied from and to the same disk with the source in the page cache, without a final sync, and no tree is deleted between; *upload* and
  *download* are `cv cp` with a stopped container, *tar* is two of them with a pipe between, *copy_file_range* is `xtask/bench/copyrange.c`.
- A crun that is built static is the fastest there is. From Debian's source package, without systemd, criu and handlers:
  `./configure --disable-systemd --disable-criu --disable-dl --disable-shared --enable-static && make LDFLAGS=-all-static`, with the
  static libraries of libcap, libseccomp and yajl; then `cargo xtask bench --peer crun-static=PATH`.
";

impl Report<'_> {
    fn conditions(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheduling = if self.fifo { "SCHED_FIFO 1" } else { "normal scheduling" };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(formatter, "- Machine: {}, {cores} cores, Linux {}", processor(), kernel())?;
        writeln!(
            formatter,
            "- {scheduling}; load {} before, {} after, part of it the benchmark itself",
            self.loads.0, self.loads.1
        )?;
        writeln!(
            formatter,
            "- {} rounds; in each, every case of every contender once, in an order drawn anew; 2 rounds before to warm up",
            self.rounds
        )?;
        for contender in self.contenders.iter().filter(|contender| !contender.version.is_empty()) {
            writeln!(formatter, "- {}: {}", contender.name(), contender.version)?;
        }
        writeln!(formatter)
    }

    /// Medians, and the ratio of the first contender to each other one: ours, or the floor.
    fn tables(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.contenders.iter().map(Contender::name).collect();
        let ratios: Vec<(&str, &str)> = names.iter().skip(1).map(|name| (names[0], *name)).collect();
        let metrics: Vec<&'static str> = CASES
            .iter()
            .filter(|case| case.name != copies::CASE)
            .flat_map(|case| case.metrics)
            .copied()
            .collect();
        self.table(formatter, &metrics, &names, &ratios)?;
        let names = [copies::UPLOAD, copies::DOWNLOAD, copies::CP, copies::TAR, copies::RANGE];
        let (ours, tools) = names.split_at(2);
        let ratios: Vec<(&str, &str)> =
            ours.iter().flat_map(|one| tools.iter().map(move |other| (*one, *other))).collect();
        self.table(formatter, copies::METRICS, &names, &ratios)
    }

    /// A line for each metric that has a value; nothing when none has.
    fn table(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        metrics: &[&'static str],
        names: &[&str],
        ratios: &[(&str, &str)],
    ) -> fmt::Result {
        let rounds = |metric: &'static str| {
            names.iter().map(|name| self.samples.count(metric, name)).max().unwrap_or(0)
        };
        if metrics.iter().all(|metric| rounds(metric) == 0) {
            return Ok(());
        }
        write!(formatter, "| median |")?;
        names.iter().try_for_each(|name| write!(formatter, " {name} |"))?;
        ratios.iter().try_for_each(|(one, other)| write!(formatter, " {one} / {other} |"))?;
        writeln!(formatter, " rounds |")?;
        writeln!(formatter, "| --- |{}", " ---: |".repeat(names.len() + ratios.len() + 1))?;
        for metric in metrics.iter().filter(|metric| rounds(metric) > 0) {
            write!(formatter, "| {metric} |")?;
            for name in names {
                write!(formatter, " {} |", shown(self.samples.median(metric, name)))?;
            }
            for (one, other) in ratios {
                let ratio = self.samples.ratio(metric, one, other);
                write!(formatter, " {} |", ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")))?;
            }
            writeln!(formatter, " {} |", rounds(metric))?;
        }
        writeln!(formatter)
    }
}

/// Three or more digits without a fraction, fewer with two.
fn shown(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
    }
}

pub(super) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    name.trim_start_matches([' ', '\t', ':']).to_owned()
}

pub(super) fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().split('-').next().unwrap_or_default().to_owned()
}
