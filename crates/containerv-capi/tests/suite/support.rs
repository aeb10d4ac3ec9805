//! A place to compile and run C programs in.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Under {
    /// Nothing but the kernel.
    Nothing,
    /// AddressSanitizer and UndefinedBehaviorSanitizer, with leaks.
    Sanitizers,
    /// Valgrind's memcheck, with leaks.
    Valgrind,
}

/// Says why programs that make containers cannot run here.
pub(crate) fn obstacle() -> Option<String> {
    (!rustix::process::geteuid().is_root()).then(|| "containers of the C interface need root".to_owned())
}

/// The directory of C sources.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c")
}

/// The directory that holds `chef/`.
pub(crate) fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Where cargo has put the libraries of this build.
pub(crate) fn built() -> PathBuf {
    let executable = std::env::current_exe().unwrap();
    executable.parent().unwrap().to_owned()
}

/// A directory with the libraries under their C names, as they are installed.
pub(crate) fn library() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| put_libraries("plain", &built()))
}

/// The same, built so that system calls go through the C library: there a preloaded library can
/// make the calls that Valgrind does not know.
pub(crate) fn library_for_valgrind() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("valgrind-build");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "containerv-capi", "--target-dir"]).arg(&target);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("RUSTFLAGS", "--cfg rustix_use_libc");
        // What the outer cargo has set for this package is not meant for others.
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
        assert!(cargo.status().unwrap().success(), "cannot build the library for Valgrind");
        put_libraries("valgrind", &target.join("debug"))
    })
}

fn put_libraries(name: &str, from: &Path) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lib-{name}"));
    fs::create_dir_all(&place).unwrap();
    for (target, name) in [
        (from.join("libcontainerv_capi.so"), "libcontainerv.so.0"),
        (from.join("libcontainerv_capi.a"), "libcontainerv.a"),
        (PathBuf::from("libcontainerv.so.0"), "libcontainerv.so"),
    ] {
        // A target directory that was moved holds links to where it was.
        let link = place.join(name);
        if fs::read_link(&link).is_ok_and(|found| found != target) {
            fs::remove_file(&link).unwrap();
        }
        // Another test program may have made it: both lead to the same file.
        let made = symlink(target, link);
        assert!(made.is_ok() || place.join(name).exists(), "{name}: {made:?}");
    }
    place
}

/// Runs a tool that must be there and succeed; returns what it wrote.
pub(crate) fn tool(program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; install it"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program}: {}\n{}", output.status, text(&output.stderr));
    text(&output.stdout)
}

/// Directories for one program: where it is compiled, the root of its containers, its own files.
#[derive(Debug)]
pub(crate) struct Bed {
    top: PathBuf,
}

impl Bed {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let top =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&top);
        fs::create_dir_all(top.join("scratch")).unwrap();
        Self { top }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top.join(name)
    }

    /// Makes a root file system of busybox and the programs that are for containers.
    pub(crate) fn make_root(&self) {
        let bin = self.path("root/bin");
        fs::create_dir_all(&bin).unwrap();
        // Not written by this process, whose other threads start children (ETXTBSY).
        tool("cp", ["/bin/busybox".as_ref(), bin.join("busybox").as_os_str()]);
        for applet in tool("/bin/busybox", ["--list"]).lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        fs::create_dir(self.path("root/shared")).unwrap();
        for name in ["arguments", "inside"] {
            let source = sources().join(name).with_extension("c");
            let program = bin.join(name);
            tool("gcc", [OsStr::new("-static"), "-o".as_ref(), program.as_ref(), source.as_ref()]);
        }
    }

    /// Compiles a source and links it to the shared library in `library`.
    pub(crate) fn compile(&self, source: &Path, library: &Path, flags: &[&str]) -> PathBuf {
        let program = self.path("program");
        let compiler = if source.extension() == Some(OsStr::new("cpp")) { "g++" } else { "gcc" };
        let mut arguments: Vec<&OsStr> =
            ["-Wall", "-Wextra", "-Werror", "-g", "-O1", "-pthread"].map(OsStr::new).into();
        let (include, link) = (include(), library.join("libcontainerv.so"));
        arguments.extend(flags.iter().map(OsStr::new));
        let rpath = format!("-Wl,-rpath,{}", library.display());
        arguments.extend([
            OsStr::new("-I"),
            include.as_ref(),
            source.as_ref(),
            link.as_ref(),
            rpath.as_ref(),
        ]);
        arguments.extend([OsStr::new("-o"), program.as_ref()]);
        tool(compiler, arguments);
        program
    }

    /// Runs a command with its output in files, which no process of a container can keep open.
    pub(crate) fn run(&self, command: &mut Command, limit: Duration) -> Ran {
        let file = |name: &str| fs::File::create(self.path(name)).unwrap();
        let mut child = command
            .env("CONTAINERV_ROOT", self.path("state"))
            .env("CONTAINERV_DEBUG", "1")
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        let deadline = Instant::now() + limit;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
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

    /// Says what of these containers is left on the machine.
    pub(crate) fn leftovers(&self, ids: &BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        for directory in ["run/containers", "data/containers", "data/names"] {
            found
                .extend(names(&self.path("state").join(directory)).map(|name| format!("{directory}/{name}")));
        }
        let ours = |name: &str| ids.iter().any(|id| name.contains(id.as_str()) || name.contains(&id[..11]));
        found.extend(names(Path::new("/sys/class/net")).filter(|name| ours(name)));
        for hierarchy in names(Path::new("/sys/fs/cgroup")).chain([String::new()]) {
            let groups = Path::new("/sys/fs/cgroup").join(hierarchy).join("containerv");
            found.extend(
                names(&groups).filter(|name| ours(name)).map(|name| groups.join(name).display().to_string()),
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let below = self.top.display().to_string();
        found.extend(mounts.lines().filter(|line| line.contains(&below)).map(str::to_owned));
        found
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.top).unwrap();
        }
    }
}

fn names(directory: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// What a program has done.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if it had to be killed.
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Panics with everything that was written unless the program has succeeded.
    pub(crate) fn assert_success(&self, what: &str) {
        let good = self.status.is_some_and(|status| status.success());
        assert!(good, "{what}: {:?}\n{}\n{}", self.status, self.stdout, self.stderr);
    }

    /// The containers that the program told of.
    pub(crate) fn containers(&self) -> BTreeSet<String> {
        self.stdout.lines().filter_map(|line| line.strip_prefix("container ")).map(str::to_owned).collect()
    }
}
