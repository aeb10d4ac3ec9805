//! Threads whose progress is watched, so that a deadlock is a failure that tells where it is.

use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::own::{THREAD, children};

/// How long nothing at all may advance. A busy machine is slow, but not that slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a thread tells what it is about to do.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    advanced: Arc<AtomicU64>,
    doing: Arc<Mutex<String>>,
}

impl Report {
    pub(crate) fn doing(&self, what: String) {
        *self.doing.lock().unwrap() = what;
        self.advanced.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `work` in so many threads until each has returned. A panic in one of them is passed on; when
/// nothing advances any more, this panics with what each was doing.
pub(crate) fn run<F>(threads: usize, work: F)
where
    F: Fn(usize, &Report) + Send + Sync + 'static,
{
    let work = Arc::new(work);
    let advanced = Arc::new(AtomicU64::new(0));
    let workers: Vec<(Report, JoinHandle<()>)> = (0..threads)
        .map(|number| {
            let report = Report { advanced: Arc::clone(&advanced), doing: Arc::default() };
            let (work, own) = (Arc::clone(&work), report.clone());
            let thread = Builder::new().name(format!("{THREAD}-{number}"));
            (report, thread.spawn(move || work(number, &own)).unwrap())
        })
        .collect();
    let mut last = (0, Instant::now());
    while workers.iter().any(|(_, thread)| !thread.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        let now = advanced.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        assert!(last.1.elapsed() < PATIENCE, "nothing advances after {now} steps:\n{}", states(&workers));
    }
    for (report, thread) in workers {
        if let Err(panic) = thread.join() {
            println!("a thread failed while it was to {}", report.doing.lock().unwrap());
            std::panic::resume_unwind(panic);
        }
    }
}

/// What each worker was doing, where each thread is in the kernel, and what became of children.
fn states(workers: &[(Report, JoinHandle<()>)]) -> String {
    let mut text = String::new();
    for (number, (report, thread)) in
        workers.iter().enumerate().filter(|(_, (_, thread))| !thread.is_finished())
    {
        let doing = report.doing.try_lock().map_or_else(|_| "?".to_owned(), |doing| doing.clone());
        let _ = writeln!(text, "worker {number} ({:?}): {doing}", thread.thread().id());
    }
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let file = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let number = task.file_name();
        let [name, place, call, stack] = ["comm", "wchan", "syscall", "stack"].map(file);
        let _ = writeln!(
            text,
            "thread {} {}: in {place}, call {}\n{stack}",
            number.to_string_lossy(),
            name.trim_end(),
            call.trim_end()
        );
    }
    let _ = write!(text, "children: {:#?}", children(std::process::id()));
    text
}
