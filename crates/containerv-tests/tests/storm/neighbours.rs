//! The rest of the program: what a host of containers does besides, and must be able to go on with.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use crate::own::THREAD;

/// Goes on until it is told to end; returns how much it has done.
type Work = fn(&AtomicBool) -> u64;

/// Other work of this program, until it is told to end.
pub(crate) struct Neighbours {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
    child_ended: Arc<AtomicBool>,
}

/// Installs the program's own handlers of signals, for good. That of SIGCHLD sets what is returned.
pub(crate) fn handle_signals() -> Arc<AtomicBool> {
    let child_ended = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::CHILD.as_raw(), Arc::clone(&child_ended)).unwrap();
    signal_hook::flag::register(Signal::USR1.as_raw(), Arc::default()).unwrap();
    child_ended
}

impl Neighbours {
    pub(crate) fn begin(child_ended: Arc<AtomicBool>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let works: [(&str, Work); 5] = [
            ("child-1", wait_for_children),
            ("child-2", wait_for_children),
            ("heap-1", allocate),
            ("heap-2", allocate),
            ("signal", signal),
        ];
        let thread = |(name, work): (&str, Work)| {
            let stop = Arc::clone(&stop);
            Builder::new().name(format!("{THREAD}-{name}")).spawn(move || work(&stop)).unwrap()
        };
        let threads = works.into_iter().map(thread).collect();
        Self { stop, threads, child_ended }
    }

    /// Ends the threads, each of which must have done something, and shows that the handler is still
    /// this program's.
    pub(crate) fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let done: Vec<u64> = self.threads.drain(..).map(|thread| thread.join().unwrap()).collect();
        println!("meanwhile: children, allocations, signals: {done:?}");
        assert!(done.iter().all(|&count| count > 0), "{done:?}");
        assert!(self.child_ended.swap(false, Ordering::SeqCst));
        assert_eq!(own_child(3).wait().unwrap().code(), Some(3));
        assert!(self.child_ended.load(Ordering::SeqCst), "the handler of SIGCHLD was called");
    }
}

impl Drop for Neighbours {
    /// After a failure, children of this program must not outlive it.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// A child of the program itself. Waiting for it fails if somebody else has.
fn own_child(code: i32) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exit {code}")]).stdin(Stdio::null());
    command.spawn().unwrap()
}

/// A child that does not outlive this, whatever fails.
struct Lasting(Child);

impl Drop for Lasting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for_children(stop: &AtomicBool) -> u64 {
    let mut count = 0;
    // One that is there all the time, and one that has ended and is not waited for until the end.
    let mut long = Lasting(Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap());
    let mut ended = own_child(9);
    while !stop.load(Ordering::Relaxed) {
        let code = (count % 100) as i32;
        assert_eq!(own_child(code).wait().unwrap().code(), Some(code), "its exit code, and nobody else's");
        count += 1;
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ended.wait().unwrap().code(), Some(9));
    assert!(long.0.try_wait().unwrap().is_none(), "nobody has ended it");
    count
}

/// Takes the allocator's locks as often as it can without taking the processor from the others.
fn allocate(stop: &AtomicBool) -> u64 {
    let mut total = 0;
    while !stop.load(Ordering::Relaxed) {
        let blocks: Vec<Vec<u8>> = (0..200).map(|size| vec![1; 16 << (size % 12)]).collect();
        total += blocks.iter().map(Vec::len).sum::<usize>() as u64;
        std::thread::sleep(Duration::from_micros(200));
    }
    total
}

/// Interrupts system calls of whichever thread the kernel chooses.
fn signal(stop: &AtomicBool) -> u64 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        rustix::process::kill_process(rustix::process::getpid(), Signal::USR1).unwrap();
        count += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    count
}
