//! Bounded parsers of `/proc`; see proc(5).
//!
//! A process chooses its name and its arguments, so nothing of them may steer a parser.

use std::os::fd::OwnedFd;

use containerv_spec::OsText;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::stats::InterfaceStats;

/// Most bytes of a process's arguments.
pub(super) const MOST_ARGUMENTS: usize = 16 << 10;
/// Most bytes of `/proc/PID/status`; the lists of CPUs and memory nodes of large machines fit.
const MOST_STATUS: usize = 64 << 10;
/// Most bytes of `/proc/PID/net/dev`, enough for 8,000 interfaces.
const MOST_INTERFACES: usize = 1 << 20;

/// The numbers of `/proc/PID/stat` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Stat {
    pub(in super::super) name: String,
    pub(in super::super) state: char,
    pub(in super::super) ppid: u32,
    pub(in super::super) terminal: u32,
    /// Clock ticks in programs and in the kernel.
    pub(in super::super) cpu_ticks: [u64; 2],
    pub(in super::super) threads: u32,
    /// Clock ticks between the machine's start and its own.
    pub(in super::super) start_ticks: u64,
    /// Resident pages.
    pub(in super::super) pages: u64,
}

/// The lines of `/proc/PID/status` that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Status {
    /// Effective user id.
    pub(in super::super) uid: u32,
    /// Process id in the innermost namespace.
    pub(in super::super) pid_inside: u32,
}

/// An open directory of `/proc`. What is read through it is of one process, or fails with `ESRCH`
/// once that has ended: its number cannot come to mean another one.
pub(super) struct ProcessDirectory(OwnedFd);

impl ProcessDirectory {
    /// Opens the directory of a process; `None` if it has ended.
    pub(super) fn open(pid: u32) -> Result<Option<Self>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self(fd))),
            Err(Errno::NOENT | Errno::SRCH) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Reads a file up to a bound; `None` if the process has ended, or does not let us.
    fn read(&self, name: &str, most: usize) -> Option<Vec<u8>> {
        let file = rustix::fs::openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        read_open(&file, most).ok()
    }

    pub(super) fn stat(&self) -> Option<Stat> {
        parse_stat(&self.read("stat", 4096)?)
    }

    pub(super) fn status(&self) -> Option<Status> {
        parse_status(&self.read("status", MOST_STATUS)?)
    }

    /// Its arguments joined by spaces.
    pub(super) fn arguments(&self) -> OsText {
        join_arguments(self.read("cmdline", MOST_ARGUMENTS).unwrap_or_default())
    }

    /// The interfaces of its network namespace.
    pub(super) fn interfaces(&self) -> Vec<InterfaceStats> {
        parse_interfaces(&self.read("net/dev", MOST_INTERFACES).unwrap_or_default())
    }

    /// The number of its PID namespace.
    pub(super) fn pid_namespace(&self) -> Option<u64> {
        let link = rustix::fs::readlinkat(&self.0, "ns/pid", Vec::new()).ok()?;
        let digits = link.to_bytes().strip_prefix(b"pid:[")?.strip_suffix(b"]")?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// Reads an open file up to a bound; a longer one is cut off.
pub(super) fn read_open(file: &OwnedFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut content = Vec::new();
    let mut chunk = [0u8; 4096];
    while content.len() < most {
        let room = chunk.len().min(most - content.len());
        match rustix::io::read(file, &mut chunk[..room]) {
            Ok(0) => break,
            Ok(count) => content.extend_from_slice(&chunk[..count]),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(content)
}

/// Returns all process ids of `/proc`.
pub(super) fn all_processes() -> Result<Vec<u32>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
    let mut pids = Vec::new();
    for entry in rustix::fs::Dir::read_from(&proc)? {
        pids.extend(entry?.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

pub(in super::super) fn parse_stat(content: &[u8]) -> Option<Stat> {
    // The name, in parentheses, may hold anything: fields are counted behind the last one.
    let begin = content.iter().position(|byte| *byte == b'(')? + 1;
    let end = content.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(content.get(begin..end)?).into_owned();
    let rest = std::str::from_utf8(content.get(end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc_pid_stat(5) counts from 1, and the first one here is its field 3.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        name,
        state: fields.first()?.chars().next()?,
        ppid: u32::try_from(number(4)?).ok()?,
        terminal: fields.get(4)?.parse::<i32>().ok()? as u32,
        cpu_ticks: [number(14)?, number(15)?],
        threads: u32::try_from(number(20)?).ok()?,
        start_ticks: number(22)?,
        pages: number(24)?,
    })
}

pub(in super::super) fn parse_status(content: &[u8]) -> Option<Status> {
    let words = |key: &str| {
        let mut lines = content.split(|byte| *byte == b'\n');
        let line = lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b":"))?;
        Some(std::str::from_utf8(line).ok()?.split_ascii_whitespace())
    };
    let uid = words("Uid")?.nth(1)?.parse().ok()?;
    let pid_inside = words("NSpid").or_else(|| words("Pid"))?.last()?.parse().ok()?;
    Some(Status { uid, pid_inside })
}

/// Arguments end with NUL each; a process that writes over them may end differently.
pub(in super::super) fn join_arguments(mut bytes: Vec<u8>) -> OsText {
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    OsText::from_bytes(bytes)
}

/// Reads lines `name: 8 numbers of reception, 8 of sending`, behind two lines of headings.
pub(in super::super) fn parse_interfaces(content: &[u8]) -> Vec<InterfaceStats> {
    let text = String::from_utf8_lossy(content);
    text.lines().filter_map(parse_interface).collect()
}

fn parse_interface(line: &str) -> Option<InterfaceStats> {
    // A name may hold colons, but the numbers cannot.
    let (name, numbers) = line.rsplit_once(':')?;
    let mut counters = [0u64; 16];
    let mut words = numbers.split_ascii_whitespace();
    for counter in &mut counters {
        *counter = words.next()?.parse().ok()?;
    }
    let [rx_bytes, rx_packets, rx_errors, rx_dropped, _, _, _, _, tx @ ..] = counters;
    let [tx_bytes, tx_packets, tx_errors, tx_dropped, ..] = tx;
    let name = name.trim_start().to_owned();
    Some(InterfaceStats {
        name,
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    })
}

/// Names a terminal by its device number, as ps(1) does; see `Documentation/admin-guide/devices.txt`.
pub(in super::super) fn terminal_name(device: u32) -> Option<String> {
    // proc_pid_stat(5), field 7: the minor number is in bits 31 to 20 and 7 to 0.
    let (major, minor) = (device >> 8 & 0xfff, (device >> 20) << 8 | device & 0xff);
    match (major, minor) {
        (0, 0) => None,
        (4, 0..64) => Some(format!("tty{minor}")),
        (4, _) => Some(format!("ttyS{}", minor - 64)),
        (5, 1) => Some("console".to_owned()),
        (136..=143, _) => Some(format!("pts/{}", (major - 136) << 20 | minor)),
        _ => Some(format!("{major}:{minor}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &[u8] =
        b"42 (a) R 1 2) (x) S 7 42 42 34816 42 4194304 1 2 3 4 150 50 9 9 20 0 3 0 1234 9 77 \
        18446744073709551615 1 1 0\n";

    #[test]
    fn a_hostile_name_does_not_shift_the_numbers() {
        let stat = parse_stat(STAT).unwrap();
        assert_eq!(stat.name, "a) R 1 2) (x");
        assert_eq!((stat.state, stat.ppid, stat.terminal), ('S', 7, 34816));
        assert_eq!((stat.cpu_ticks, stat.threads), ([150, 50], 3));
        assert_eq!((stat.start_ticks, stat.pages), (1234, 77));
    }

    #[test]
    fn broken_stat_and_status_are_nothing() {
        for content in [&b""[..], b"1", b"1 (x", b"1 )x(", b"1 (x)", b"1 (x) S", b"1 (x) S 1 2 3 \xff", b")("]
        {
            assert_eq!(parse_stat(content), None, "{content:?}");
        }
        for content in [&b""[..], b"Uid:\nPid:\t1", b"Uid:\t0\t0\nPid:", b"Uid:\t0\t-1\nNSpid:\t1", b"\xff"] {
            assert_eq!(parse_status(content), None, "{content:?}");
        }
    }

    #[test]
    fn status_takes_the_effective_user_and_the_innermost_number() {
        let content = b"Name:\tUid:\nUid:\t1000\t0\t0\t0\nPid:\t9\nNSpid:\t9\t4\t1\n";
        assert_eq!(parse_status(content), Some(Status { uid: 0, pid_inside: 1 }));
    }

    #[test]
    fn arguments_are_joined() {
        assert_eq!(join_arguments(b"sh\0-c\0a b\0".to_vec()).to_string(), "sh -c a b");
        assert_eq!(join_arguments(b"x: \0\0\0".to_vec()).to_string(), "x: ");
        assert_eq!(join_arguments(Vec::new()).to_string(), "");
    }

    #[test]
    fn interfaces_are_read_with_odd_names_and_without_broken_lines() {
        let content = b"Inter-|   Receive | Transmit\n face |bytes packets errs drop\n    lo: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n\
            a:b:9 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n  bad: 1 2 3\n w: 1 2 3 4 0 0 0 x 5 6 7 8 0 0 0 0\n\xff: 1\n";
        let found = parse_interfaces(content);
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["lo", "a:b"]);
        let lo = &found[0];
        assert_eq!((lo.rx_bytes, lo.rx_packets, lo.rx_errors, lo.rx_dropped), (1, 2, 3, 4));
        assert_eq!((lo.tx_bytes, lo.tx_packets, lo.tx_errors, lo.tx_dropped), (5, 6, 7, 8));
    }

    #[test]
    fn terminals_are_named() {
        let name = |device| terminal_name(device).unwrap_or_default();
        assert_eq!(name(0), "");
        assert_eq!(name(136 << 8 | 3), "pts/3");
        assert_eq!(name(136 << 8 | 1 << 20 | 2), "pts/258");
        assert_eq!(name(4 << 8 | 1), "tty1");
        assert_eq!(name(4 << 8 | 64), "ttyS0");
        assert_eq!(name(5 << 8 | 1), "console");
        assert_eq!(name(204 << 8 | 64), "204:64");
    }

    proptest::proptest! {
        #[test]
        fn no_content_breaks_the_parsers(bytes: Vec<u8>, text in "([0-9 :()\\n-]|Uid:|NSpid:\t){0,120}", device: u32) {
            for content in [&bytes[..], text.as_bytes()] {
                parse_stat(content);
                parse_status(content);
                parse_interfaces(content);
            }
            terminal_name(device);
            let joined = join_arguments(bytes);
            proptest::prop_assert!(!joined.contains_nul());
        }
    }
}
