//! Signals that are passed on to a process 1 and do nothing there.

use containerv::Container;

use crate::draft::Target;
use crate::output;
use crate::value::signal;

/// Tells a person once why a command does not end by a signal.
pub(super) struct Advice {
    wanted: bool,
}

impl Advice {
    pub(super) fn new(quiet: bool) -> Self {
        Self { wanted: !quiet }
    }

    /// Looks whether the container's first process will notice a signal that it is about to get.
    pub(super) fn give(&mut self, container: &Container, pid: u32, number: i32) {
        if !self.wanted {
            return;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        if is_unheard(&status, number) {
            self.wanted = false;
            output::message(&format!(
                "cv: the command is process 1, which the kernel spares signals that it does not handle, as SIG{} here: \
                 `cv kill {}` ends it, and `--init` lets signals end the next one\n",
                signal::name(Target::Linux, number),
                container.name()
            ));
        }
    }
}

/// Says whether the process is the first of a PID namespace, and neither handles nor blocks the
/// signal: then it is not delivered (pid_namespaces(7)). `status` is that of proc_pid_status(5).
fn is_unheard(status: &str, signal: i32) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let is_first = field("NSpid").is_some_and(|ids| ids.split_whitespace().skip(1).last() == Some("1"));
    let has = |name| {
        let set = field(name).and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        set.is_none_or(|set| set >> (signal - 1) & 1 == 1)
    };
    is_first && !has("SigCgt") && !has("SigBlk")
}

#[cfg(test)]
mod tests {
    use super::is_unheard;

    #[test]
    fn only_a_process_1_that_handles_nothing_does_not_hear() {
        let status = |ids: &str, caught: &str, blocked: &str| {
            format!("Name:\tx\nNSpid:\t{ids}\nSigBlk:\t{blocked}\nSigIgn:\t0\nSigCgt:\t{caught}\n")
        };
        assert!(is_unheard(&status("77\t1", "0", "0"), 2));
        assert!(is_unheard(&status("77\t5\t1", "4000", "0"), 2));
        assert!(!is_unheard(&status("77\t1", "0000000000000002", "0"), 2), "it handles the signal");
        assert!(!is_unheard(&status("77\t1", "0", "2"), 2), "it reads the signal some other way");
        assert!(!is_unheard(&status("77\t6", "0", "0"), 2), "it is not the first");
        assert!(!is_unheard(&status("1", "0", "0"), 2), "it is in no other namespace");
        assert!(!is_unheard("", 2), "it has ended");
    }
}
