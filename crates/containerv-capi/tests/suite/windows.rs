//! C programs that use every function, and the example, on Windows or by Wine with the stand-ins.
//!
//! They were compiled elsewhere, with the DLL beside them: no compiler is needed here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use containerv::Host;
use sim_protocol::observer::Observer;

/// Names the directory of the compiled programs.
const VARIABLE: &str = "CONTAINERV_C_PROGRAMS";

/// A container takes a second where a machine has much else to do.
const LIMIT: Duration = Duration::from_secs(400);

macro_rules! programs {
    ($($name:ident),*) => {
        #[test]
        fn every_program_of_the_table_runs() {
            assert_eq!(crate::table::programs_of_checks(), [$(stringify!($name)),*]);
        }

        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

programs!(options, create, spawn, mounts, files, threads, ending);

/// The programs; none are there where nobody has compiled them.
fn programs() -> Option<PathBuf> {
    let directory = std::env::var_os(VARIABLE).map(PathBuf::from);
    if directory.is_none() {
        println!("skipped: {VARIABLE} names no directory with the compiled programs");
    }
    directory
}

/// Runs a program of checks, and looks for what it has left.
fn check(name: &str) {
    let Some(programs) = programs() else { return };
    let bed = Bed::new(name);
    bed.make_root(&programs);
    let mut command = Command::new(programs.join(name).with_extension("exe"));
    let ran = bed.run(command.arg(bed.path("root")).arg(bed.path("scratch")));
    ran.assert_success(name);
    assert!(ran.stdout.trim_end().ends_with(" checks passed"), "{}", ran.stdout);
    let host = bed.host();
    if name == "ending" {
        // A creator that was killed cannot tidy up. Its container needs a moment to end.
        let deadline = Instant::now() + LIMIT;
        while host.repair(false).unwrap().is_empty() {
            assert!(Instant::now() < deadline, "nothing to repair");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    bed.assert_empty(&ran);
}

/// The example as it is: `C:\containerfs` names the root.
#[test]
fn the_example_runs_unchanged() {
    let Some(programs) = programs() else { return };
    let bed = Bed::new("example");
    let root = Path::new(r"C:\containerfs");
    fs::create_dir_all(root.join("data")).unwrap();
    let ran = bed.run(&mut Command::new(programs.join("seed.exe")));
    ran.assert_success("the example");
    // It ignores all results; the library was asked to tell of failures.
    assert_eq!(ran.stderr, "");
    // The container's cmd.exe: it greets, finds no input, and ends.
    assert!(ran.stdout.contains("Microsoft Windows"), "{}", ran.stdout);
    bed.assert_empty(&ran);
    fs::remove_dir_all(root).unwrap();
}

/// The example of the documents.
#[test]
fn the_life_cycle_of_the_examples_runs() {
    let Some(programs) = programs() else { return };
    let bed = Bed::new("lifecycle");
    bed.make_root(&programs);
    let mut command = Command::new(programs.join("lifecycle.exe"));
    command.arg(bed.path("root")).arg("/bin/inside.exe").arg("say \"hello from the container\"");
    let ran = bed.run(&mut command);
    ran.assert_success("the example");
    let mut lines = ran.stdout.lines();
    assert_eq!(lines.next(), Some("hello from the container"), "{}", ran.stdout);
    assert!(lines.next().is_some_and(|line| line.starts_with("container ")), "{}", ran.stdout);
    bed.assert_empty(&Ran { stdout: String::new(), ..ran });
}

/// The same structures as on Linux; a process is named by a handle.
#[test]
fn sizes_offsets_and_values_are_those_of_the_interface() {
    let Some(programs) = programs() else { return };
    let bed = Bed::new("layout");
    let ran = bed.run(&mut Command::new(programs.join("layout.exe")));
    ran.assert_success("layout");
    let lines = include_str!("../c/layout.expected").lines();
    let lines = lines.filter(|line| !line.starts_with("struct containerv_user"));
    let expected: Vec<String> =
        lines.map(|line| line.replace("process_handle_t 4", "process_handle_t 8")).collect();
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn every_function_has_its_type_and_links() {
    let Some(programs) = programs() else { return };
    let ran = Bed::new("prototypes").run(&mut Command::new(programs.join("prototypes.exe")));
    ran.assert_success("prototypes");
    assert_eq!(ran.stdout, "");
}

/// A program that Microsoft's way of linking has made finds the library.
#[test]
fn the_other_linker_reads_the_library_of_imports() {
    let Some(programs) = programs() else { return };
    let ran = Bed::new("linked").run(&mut Command::new(programs.join("linked.exe")));
    assert_eq!(ran.status.and_then(|status| status.code()), Some(42), "{}", ran.stderr);
}

/// Directories for one program.
struct Bed(PathBuf);

impl Bed {
    fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // On the drive that containers' hosts have in any case.
        let top = PathBuf::from(format!(r"C:\containerv-c\{name}-{}-{number}", std::process::id()));
        let bed = Self(top);
        fs::create_dir_all(bed.path("scratch")).unwrap();
        for folder in [r"Files\Windows\System32", r"UtilityVM\Files"] {
            fs::create_dir_all(bed.base().join(folder)).unwrap();
        }
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The base layer; its identity follows from the last part of its path.
    fn base(&self) -> PathBuf {
        self.path(&format!("base-{}", self.0.file_name().unwrap().to_str().unwrap()))
    }

    /// Makes a plain directory with the programs that are for containers.
    fn make_root(&self, programs: &Path) {
        fs::create_dir_all(self.path(r"root\bin")).unwrap();
        fs::create_dir_all(self.path(r"root\shared")).unwrap();
        for name in ["arguments.exe", "inside.exe"] {
            fs::copy(programs.join(name), self.path(r"root\bin").join(name)).unwrap();
        }
    }

    fn host(&self) -> Host {
        Host::open_at(self.path("state")).unwrap()
    }

    /// Runs a command with its output in files, which no process of a container can keep open.
    fn run(&self, command: &mut Command) -> Ran {
        let file = |name: &str| fs::File::create(self.path(name)).unwrap();
        let mut child = command
            .env("CONTAINERV_ROOT", self.path("state"))
            .env("CONTAINERV_BASE", self.base())
            .env("CONTAINERV_DEBUG", "1")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                None => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
            }
        };
        let text = |name: &str| String::from_utf8_lossy(&fs::read(self.path(name)).unwrap()).into_owned();
        Ran { status, stdout: text("stdout"), stderr: text("stderr") }
    }

    /// Panics if there is anything of a container left.
    fn assert_empty(&self, ran: &Ran) {
        let host = self.host();
        let repaired = host.repair(true).unwrap();
        assert!(repaired.is_empty(), "{repaired:?}\n{}", ran.stderr);
        let ids: Vec<String> = host.containers().unwrap().iter().map(|one| one.id().to_string()).collect();
        assert!(ids.is_empty(), "{ids:?}\n{}", ran.stderr);
        for directory in [r"state\data\containers", r"state\data\names"] {
            let left = fs::read_dir(self.path(directory)).into_iter().flatten().count();
            assert_eq!(left, 0, "{directory}\n{}", ran.stderr);
        }
        // What others have in the service is not looked at.
        let state = Observer::connect().unwrap().state().unwrap();
        let mut marks = vec![self.0.file_name().unwrap().to_str().unwrap().to_lowercase()];
        for id in ran.containers() {
            // That of a system, and how the GUID of its namespace begins.
            marks.extend([id.to_owned(), format!("{}-{}", &id[..8], &id[8..])]);
        }
        for kind in ["systems", "layers", "networks"] {
            let text = state[kind].to_string().to_lowercase();
            let left = marks.iter().find(|mark| text.contains(*mark));
            assert_eq!(left, None, "{kind}: {text}\n{}", ran.stderr);
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// What a program has done.
struct Ran {
    /// `None` if it had to be killed.
    status: Option<ExitStatus>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The containers that the program told of, by the first twelve digits of their identifiers.
    fn containers(&self) -> impl Iterator<Item = &str> {
        self.stdout.lines().filter_map(|line| line.strip_prefix("container "))
    }

    /// Panics with everything that was written unless the program has succeeded.
    fn assert_success(&self, what: &str) {
        let good = self.status.is_some_and(|status| status.success());
        assert!(good, "{what}: {:?}\n{}\n{}", self.status, self.stdout, self.stderr);
    }
}
