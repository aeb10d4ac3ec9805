//! The files of a container: request, journal, exit record and log, however damaged.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use containerv::{Container, ErrorKind, Host, LogEntry, LogOptions};
use containerv_spec::state::Status;
use containerv_spec::{ContainerId, Request};

use crate::invariant;
use crate::scratch::Scratch;

/// The files in the order in which they stand in an input, parted by NUL.
const FILES: [&str; 5] = ["config.json", "journal", "alive", "container.log.1", "container.log"];

/// A request that keeps two log files; used where the input's own is none.
const USUAL: &str = r#"{"id":"abababababababababababababababababababababababababababababababab","root":"host",
"process":{"args":["sh"],"search_path":true,"env":[],"set_home":true,"cwd":"/"},"log":{"max_files":2}}"#;

thread_local! {
    static PLACE: RefCell<Scratch> = RefCell::new(Scratch::new("container"));
}

/// What is damaged is told, what is not is read: the end of a log is the same from behind, and
/// looking at a container changes none of its files.
pub fn target(data: &[u8]) {
    PLACE.with_borrow(|place| {
        let id = ContainerId::from_random([0xab; 32]);
        let directory = place.path().join("data/containers").join(id.as_str());
        fs::create_dir_all(&directory).expect("the directory is made");
        let mut contents = data.splitn(FILES.len(), |byte| *byte == 0);
        for name in FILES {
            fs::write(directory.join(name), contents.next().unwrap_or(b"")).expect("the file is written");
        }
        let host = Host::open_at(place.path()).expect("the host is opened");
        let container = host.container(id.as_str()).unwrap_or_else(|error| {
            invariant::error(&error);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            usual(&host, &directory)
        });
        let before = files(&directory);
        look(&container);
        assert_eq!(files(&directory), before);
    });
}

fn usual(host: &Host, directory: &Path) -> Container {
    let stored = fs::read(directory.join(FILES[0])).expect("the file is read");
    assert!(serde_json::from_slice::<Request>(&stored).is_err(), "it is refused only if it is none");
    fs::write(directory.join(FILES[0]), USUAL).expect("the file is written");
    let name = directory.file_name().and_then(|name| name.to_str()).expect("the name is an id");
    host.container(name).expect("the usual request is read")
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("the directory is listed");
    let paths = entries.map(|entry| entry.expect("the directory is listed").path());
    let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).unwrap_or_default())).collect();
    files.sort();
    files
}

fn look(container: &Container) {
    assert!(!container.name().is_empty());
    match container.state() {
        Ok(state) => {
            assert!(state.exit.is_none() || matches!(state.status, Status::Exited | Status::Dead));
            assert!(state.pid.is_none() || matches!(state.status, Status::Running | Status::Paused));
        }
        Err(error) => invariant::error(&error),
    }
    let Some(all) = log(container, None) else { return };
    for wanted in [0, 1, 3, 1000] {
        let Some(last) = log(container, Some(wanted)) else { panic!("the log is read to its end only") };
        assert!(all.ends_with(&last), "the last {wanted} of {} are {}", all.len(), last.len());
        assert!(last.len() >= all.len().min(wanted as usize), "{} of the last {wanted}", last.len());
        // Lines that the files end in the middle of are not counted.
        assert!(last.len() <= wanted as usize + 2, "{} of the last {wanted}", last.len());
    }
}

/// Entries, and nothing for each line that is damaged; `None` if the container has no log.
fn log(container: &Container, tail: Option<u64>) -> Option<Vec<Option<LogEntry>>> {
    let options = LogOptions { tail, ..LogOptions::default() };
    let logs = container.logs(options).map_err(|error| invariant::error(&error)).ok()?;
    let entry = |item: Result<LogEntry, containerv::Error>| match item {
        Ok(entry) => Some(entry),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            None
        }
    };
    Some(logs.map(entry).collect())
}
