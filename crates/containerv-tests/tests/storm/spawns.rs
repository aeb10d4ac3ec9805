//! Processes that are started from many threads at once.

use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use containerv::spec::request::Overlay;
use containerv::spec::{Bound, ByteSize};
use containerv::{Child, Container, ErrorKind, Stdio};
use containerv_sys::linux::signals::SignalFd;
use containerv_tests::Bed;
use containerv_tests::machine::is_root;
use rustix::process::Signal;

use crate::alone;
use crate::neighbours::{Neighbours, handle_signals};
use crate::own::Own;
use crate::watch::{self, Report};

const THREADS: usize = 64;

/// What a container's process must not inherit, whatever the thread that starts it has set.
const CLEAN: &str = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n";

#[test]
fn sixty_four_threads_start_processes_while_the_program_has_children_of_its_own() {
    let _alone = alone();
    let child_ended = handle_signals();
    let bed = Bed::new();
    let containers = keepers(&bed);
    let warm = containers.clone();
    // Descriptors that a host keeps are opened by its first calls.
    let settle = move || {
        warm.iter().for_each(|container| assert!(container.command("true").status().unwrap().success()))
    };
    settle();
    let before = Own::now();

    let neighbours = Neighbours::begin(child_ended);
    let storm = Storm::new(containers.clone(), 10_000);
    watch::run(THREADS, move |number, report| storm.thread(number, report));
    neighbours.end();

    // Those that nobody has waited for are reaped with the next ones.
    before.assert_again(settle);
    let idle = |container: &Container| container.processes().unwrap().len() == 1;
    assert!(containers.iter().all(idle), "only the keepers are left");
    containers.iter().for_each(|container| container.delete(true).unwrap());
    bed.assert_nothing_left("after the storm");
}

fn keepers(bed: &Bed) -> Vec<Container> {
    vec![
        bed.keeper(|_| {}),
        bed.keeper(|request| request.overlay = Overlay::Container),
        bed.keeper(|request| request.read_only = true),
        bed.keeper(|request| {
            // Ordinary users rarely have a group of their own.
            if is_root() {
                request.limits.memory = Some(Bound::At(ByteSize::mib(512)));
            }
        }),
    ]
}

/// The work that all threads share.
struct Storm {
    containers: Vec<Container>,
    next: AtomicUsize,
    count: usize,
    /// Children that another thread waits for than the one that started them.
    given: Sender<Given>,
    taken: Mutex<Receiver<Given>>,
}

/// A child, and the code that it must end with.
struct Given(Child, i32);

impl Storm {
    fn new(containers: Vec<Container>, count: usize) -> Self {
        let (given, taken) = channel();
        Self { containers, next: AtomicUsize::new(0), count, given, taken: Mutex::new(taken) }
    }

    fn thread(&self, thread: usize, report: &Report) {
        let _blocked = thread.is_multiple_of(4).then(block_signals);
        let mask = blocked();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.count {
                break;
            }
            let container = &self.containers[number / KINDS.len() % self.containers.len()];
            let (what, work) = KINDS[number % KINDS.len()];
            report.doing(format!("{what}, number {number}, in {}", container.id().short()));
            work(self, container, number);
            assert_eq!(blocked(), mask, "the signals that this thread has blocked");
        }
        report.doing("wait for what others have started".to_owned());
        self.wait_for_given();
    }

    fn wait_for_given(&self) {
        loop {
            let given = self.taken.lock().unwrap().try_recv();
            let Ok(Given(mut child, code)) = given else { return };
            assert_eq!(child.wait().unwrap().code(), Some(code));
        }
    }
}

type Work = fn(&Storm, &Container, usize);

const KINDS: [(&str, Work); 10] = [
    ("collect output", collect_output),
    ("run without streams", run_without_streams),
    ("kill", kill),
    ("give away", give_away),
    ("start what is not there", start_what_is_not_there),
    ("take from another thread", take),
    ("feed", feed),
    ("look at the signals", look_at_signals),
    ("start what is no program", start_what_is_no_program),
    ("abandon", abandon),
];

fn collect_output(_: &Storm, container: &Container, number: usize) {
    let script = format!("echo out {number}; echo err {number} >&2; exit {}", number % 200);
    let output = container.command("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("out {number}\n"));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("err {number}\n"));
    assert_eq!(output.status.code(), Some((number % 200) as i32));
}

fn run_without_streams(_: &Storm, container: &Container, _: usize) {
    assert!(quiet(container, &["true"]).wait().unwrap().success());
}

fn kill(_: &Storm, container: &Container, number: usize) {
    let signal = [9, 15, 10, 64][number / KINDS.len() % 4];
    let mut child = quiet(container, &["sleep", "1000"]);
    assert_eq!(child.try_wait().unwrap(), None);
    child.signal(signal).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(signal));
}

fn give_away(storm: &Storm, container: &Container, number: usize) {
    let code = (number % 250) as i32;
    let child = quiet(container, &["sh", "-c", &format!("exit {code}")]);
    storm.given.send(Given(child, code)).unwrap();
}

fn take(storm: &Storm, _: &Container, _: usize) {
    storm.wait_for_given();
}

fn start_what_is_not_there(_: &Storm, container: &Container, number: usize) {
    let error = container.command(format!("absent-{number}")).spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotFound, "{error}");
}

fn start_what_is_no_program(_: &Storm, container: &Container, _: usize) {
    let error = container.command("/etc/passwd").spawn().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CommandNotExecutable, "{error}");
}

fn feed(_: &Storm, container: &Container, number: usize) {
    let mut command = container.command("cat");
    command = command.stdin(Stdio::Piped).stdout(Stdio::Piped).stderr(Stdio::Null);
    let mut child = command.spawn().unwrap();
    let text = format!("{number}\n").repeat(1000);
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert_eq!(reader.join().unwrap().unwrap(), text);
    assert!(child.wait().unwrap().success());
}

fn look_at_signals(_: &Storm, container: &Container, _: usize) {
    let output =
        container.command("grep").args(["-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), CLEAN);
}

fn abandon(_: &Storm, container: &Container, _: usize) {
    drop(quiet(container, &["true"]));
}

fn quiet(container: &Container, words: &[&str]) -> Child {
    let command = container.command(words[0]).args(&words[1..]);
    command.stdin(Stdio::Null).stdout(Stdio::Null).stderr(Stdio::Null).spawn().unwrap()
}

/// Blocks signals for the calling thread until it ends.
fn block_signals() -> SignalFd {
    SignalFd::block(&[Signal::CHILD, Signal::USR1, Signal::TERM].map(Signal::as_raw)).unwrap()
}

/// The signals that the calling thread blocks, as the kernel shows them.
fn blocked() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().find(|line| line.starts_with("SigBlk")).unwrap().to_owned()
}
