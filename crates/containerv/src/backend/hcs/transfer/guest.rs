//! Copies with a container whose disk belongs to a running virtual machine.
//!
//! Our own program is mapped into the container and runs in it, so that no tool of the image is needed.
//! It copies as the host does for other containers, confined to the container's `C:`, and archives go
//! through its standard streams. What it says is the container's word: names that come out of it are
//! checked again, and what they are copied as is decided here.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, ChildStdout};
use std::thread;
use std::time::Duration;

use containerv_spec::OsText;
use containerv_spec::hcs::command_line;
use containerv_spec::hcs::process::ProcessParameters;
use containerv_spec::hcs::request::{ModifyV1, RequestType};
use containerv_spec::hcs::signal::WindowsSignal;
use containerv_spec::hcs::v1::MappedDirectory;
use containerv_sys::windows::registry;
use serde::{Deserialize, Serialize};

use super::files::{self, Arrival, Departure, Mapping, Root};
use super::{failure, path};
use crate::backend::hcs::compute;
use crate::backend::hcs::explain::Failure;
use crate::backend::hcs::store::Directory;
use crate::backend::hcs::told;
use crate::copy::{CopyOptions, CopySummary};
use crate::{Error, ErrorKind, Result};

/// Where the program is mapped. A copy has the container to itself, so that what is found there was left
/// by one that crashed.
const PLACE: &str = r"C:\.containerv-copy";
const PROGRAM: &str = "cv.exe";
/// May read and write every file.
const USER: &str = r"NT AUTHORITY\SYSTEM";
/// The most that the program may say of how it went.
const MOST_SAID: u64 = 8 << 20;
/// The longest line before an archive.
const MOST_HEAD: u64 = 256;
/// How long the program may take to end when everything was said.
const ENDING: Duration = Duration::from_secs(30);
/// What lines begin with that tell how it went.
const DONE: &str = "containerv-done ";
const FAILED: &str = "containerv-failed ";

/// What the program in the container is to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Job {
    /// Copy what the archive on standard input has.
    Receive { to: OsText, arrival: Arrival, options: Wanted },
    /// Unpack that archive.
    Unpack { to: OsText, options: Wanted },
    /// Write something to standard output: whether it is a directory, and an archive of it.
    Send { from: OsText, options: Wanted },
    /// Write an archive that others read.
    Pack { from: OsText, options: Wanted },
}

/// [`CopyOptions`] that matter there.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    follow_links: bool,
    keep_owner: bool,
    devices: bool,
    plain: bool,
}

impl Wanted {
    fn of(options: &CopyOptions) -> Self {
        let CopyOptions { follow_links, keep_owner, devices, plain, .. } = *options;
        Self { follow_links, keep_owner, devices, plain }
    }

    fn options(&self) -> CopyOptions {
        let Self { follow_links, keep_owner, devices, plain } = *self;
        CopyOptions { follow_links, keep_owner, devices, plain, progress: None }
    }
}

/// A running container with the program in it.
pub(super) struct Guest {
    system: compute::System,
    mapping: MappedDirectory,
}

impl Guest {
    /// Maps the program into a container, which the caller holds.
    pub(super) fn enter(system: compute::System, directory: &Directory, program: &Path) -> Result<Self> {
        let folder = directory.path.join("guest");
        let failed = |error, what: String| failure::explain(error, what);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed(error, format!("make `{}`", folder.display())));
            }
            _ => {}
        }
        // A folder of its own: what else lies beside the program is not the container's business.
        let copy = folder.join(PROGRAM);
        if let Err(error) = fs::copy(program, &copy) {
            return Err(failed(error, format!("copy `{}` to `{}`", program.display(), copy.display())));
        }
        let mapping = MappedDirectory {
            host_path: folder.to_string_lossy().into_owned().into(),
            container_path: PLACE.to_owned(),
            read_only: true,
            bandwidth_maximum: 0,
            iops_maximum: 0,
            create_in_utility_vm: false,
        };
        let guest = Self { system, mapping };
        // What a crash has left; usually there is nothing.
        let _ = guest.modify(RequestType::Remove);
        guest.modify(RequestType::Add).map_err(|failure| {
            failure
                .explain("map the program that copies into the container")
                .with_hint("stop the container, copy, and start it again")
        })?;
        Ok(guest)
    }

    fn modify(&self, request: RequestType) -> Result<(), Failure> {
        self.system.modify(&ModifyV1::directory(request, self.mapping.clone()))
    }

    /// Takes the program out again.
    pub(super) fn leave(self, directory: &Directory) -> Result<()> {
        let removed = self.modify(RequestType::Remove);
        // Whoever has the program open for a moment longer does not matter: the next copy, or the removal of
        // the container, finds the folder.
        let _ = fs::remove_dir_all(directory.path.join("guest"));
        match removed {
            Err(failure) if !failure.is_no_system() => {
                Err(failure.explain("take the program that copies out of the container"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn upload(&self, from: &Path, to: &OsText, options: &CopyOptions) -> Result<CopySummary> {
        let departure = Departure::of_host(from, options)?;
        let arrival = departure.arrival();
        let job = Job::Receive { to: to.clone(), arrival, options: Wanted::of(options) };
        let (mut packed, received) = self.run(&job, |stdin, _| departure.pack_content(stdin, options))?;
        received.skipped.into_iter().for_each(|skipped| {
            packed.skip(skipped.path.as_bytes(), skipped.reason);
        });
        Ok(packed)
    }

    pub(super) fn download(&self, from: &OsText, to: &Path, options: &CopyOptions) -> Result<CopySummary> {
        // The name of the copy is that of the path; the container has no say in it.
        let name =
            path::parse(from).ok().filter(|path| !path.content).and_then(|path| path.names.last().cloned());
        let name = String::from_utf16_lossy(&name.unwrap_or_default());
        let job = Job::Send { from: from.clone(), options: Wanted::of(options) };
        let receive = |_: ChildStdin, stdout| {
            let mut stdout = BufReader::new(stdout);
            let Some(is_directory) = head(&mut stdout)? else { return Ok(()) };
            files::receive_on_host(stdout, &Arrival { name, is_directory }, to, options).map(drop)
        };
        self.run(&job, receive).map(|((), sent)| sent)
    }

    pub(super) fn upload_tar(
        &self,
        archive: impl Read,
        to: &OsText,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let job = Job::Unpack { to: to.clone(), options: Wanted::of(options) };
        let pass = |stdin, _: ChildStdout| files::relay(archive, stdin, false, options);
        self.run(&job, pass).map(|(_, unpacked)| unpacked)
    }

    pub(super) fn download_tar(
        &self,
        from: &OsText,
        archive: impl Write,
        options: &CopyOptions,
    ) -> Result<CopySummary> {
        let job = Job::Pack { from: from.clone(), options: Wanted::of(options) };
        let pass = |_: ChildStdin, stdout| files::relay(stdout, archive, true, options);
        self.run(&job, pass).map(|(_, packed)| packed)
    }

    /// Runs the program, and this side's part of the job with its input and output.
    fn run<T>(
        &self,
        job: &Job,
        part: impl FnOnce(ChildStdin, ChildStdout) -> Result<T>,
    ) -> Result<(T, CopySummary)> {
        let failed = |failure: Failure| failure.explain("start the program that copies in the container");
        let (process, info) = self.system.create_process(&parameters(job)?).map_err(failed)?;
        let missing = || Error::new(ErrorKind::Other, "the program that copies has no streams");
        let (Some(stdin), Some(stdout), Some(stderr)) = (info.stdin, info.stdout, info.stderr) else {
            return Err(missing());
        };
        let (done, said) = thread::scope(|scope| {
            let said = scope.spawn(|| hear(stderr.into()));
            let done = part(stdin.into(), stdout.into());
            // That our end is closed is not always an end to the program.
            let _ = process.close_stdin();
            (done, said.join().unwrap_or_default())
        });
        let ended = process.wait(Some(ENDING));
        if !matches!(ended, Ok(Some(_))) {
            let _ = process.signal(WindowsSignal::Terminate);
        }
        match (done, understand(&said)) {
            (Ok(done), Ok(summary)) => Ok((done, summary)),
            (Err(error), Err(cause)) if is_consequence(&error) => Err(cause),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
        }
    }
}

/// Says whether a failure may have its cause on the other side: an archive that ends too early, or a pipe
/// that nobody reads.
fn is_consequence(error: &Error) -> bool {
    const BROKEN: [i32; 3] = [109, 232, 233];
    error.kind() == ErrorKind::Corrupt || error.raw_os_error().is_some_and(|number| BROKEN.contains(&number))
}

fn parameters(job: &Job) -> Result<ProcessParameters> {
    let program = format!("{PLACE}\\{PROGRAM}");
    let job = serde_json::to_string(job).unwrap_or_default();
    let line = command_line::join(&[&program, "system", "guest-copy", &job]).map_err(|problem| {
        Error::new(ErrorKind::InvalidArgument, format!("the paths cannot be passed on: {problem}"))
            .with_hint("use shorter paths, or stop the container first")
    })?;
    Ok(ProcessParameters {
        command_line: line,
        user: Some(USER.to_owned()),
        working_directory: Some("C:\\".to_owned()),
        environment: std::collections::BTreeMap::default(),
        emulate_console: false,
        create_std_in_pipe: true,
        create_std_out_pipe: true,
        create_std_err_pipe: true,
        console_size: None,
    })
}

/// Reads what the program says, and throws away what is too much.
fn hear(stderr: ChildStderr) -> Vec<u8> {
    let mut said = Vec::new();
    let mut stderr = stderr.take(MOST_SAID);
    let _ = stderr.read_to_end(&mut said);
    let _ = io::copy(&mut stderr.into_inner(), &mut io::sink());
    said
}

fn understand(said: &[u8]) -> Result<CopySummary> {
    let text = String::from_utf8_lossy(said);
    for line in text.lines().rev() {
        if let Some(done) = line.strip_prefix(DONE) {
            return serde_json::from_str(done).map_err(|error| {
                Error::new(ErrorKind::Corrupt, "what the program that copies said").with_source(error)
            });
        }
        if let Some(failed) = line.strip_prefix(FAILED) {
            return Err(told::hear(failed.as_bytes()).0.context("in the container"));
        }
    }
    let last: String = text.chars().filter(|character| !character.is_control()).take(500).collect();
    Err(Error::new(ErrorKind::Other, format!("the program that copies ended without a word: {last}"))
        .with_hint("is its `cv.exe` of this version, and made for the container's Windows?"))
}

/// Reads whether what comes is a directory; none if nothing comes.
fn head(stdout: &mut impl BufRead) -> Result<Option<bool>> {
    let mut line = String::new();
    let read = stdout.take(MOST_HEAD).read_line(&mut line);
    read.map_err(|error| Error::io(error, "hear from the program that copies"))?;
    match line.trim_end() {
        "" => Ok(None),
        "directory" => Ok(Some(true)),
        "entry" => Ok(Some(false)),
        _ => Err(Error::new(ErrorKind::Corrupt, "what the program that copies said is not understood")),
    }
}

/// What the program does in a container.
///
/// # Errors
///
/// This is no container, or the job is none; how the job goes is told on standard error.
pub(crate) fn serve(job: &str) -> Result<()> {
    const KEY: &str = r"SYSTEM\CurrentControlSet\Control";
    if !matches!(registry::number(KEY, "ContainerType"), Ok(Some(_))) {
        let message = "`system guest-copy` works in a Windows container only, where `cv cp` starts it";
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let job: Job = serde_json::from_str(job)
        .map_err(|error| Error::new(ErrorKind::InvalidArgument, "the job is malformed").with_source(error))?;
    let line = match perform(&job) {
        Ok(summary) => format!("{DONE}{}", serde_json::to_string(&summary).unwrap_or_default()),
        Err(error) => format!("{FAILED}{}", String::from_utf8_lossy(&told::tell(&error))),
    };
    let told = writeln!(io::stderr(), "\n{line}");
    told.map_err(|error| Error::io(error, "tell how it went"))
}

fn perform(job: &Job) -> Result<CopySummary> {
    let own =
        path::parse(&PLACE.into()).map_err(|refusal| Error::new(ErrorKind::Other, refusal.to_string()))?;
    let root =
        Root::open_at(Path::new("C:\\"), vec![Mapping { names: own.names, host: None, read_only: true }])
            .map_err(|error| failure::explain(error, "open `C:\\`"))?;
    let (stdin, stdout) = (io::stdin().lock(), || output());
    match job {
        Job::Receive { to, arrival, options } => {
            files::receive_in_container(&root, stdin, arrival, to, &options.options())
        }
        Job::Unpack { to, options } => files::upload_tar(&root, stdin, to, &options.options()),
        Job::Send { from, options } => {
            let told = |to: &mut fs::File, is_directory| {
                writeln!(to, "{}", if is_directory { "directory" } else { "entry" })
            };
            files::send_from_container(&root, from, stdout()?, told, &options.options())
        }
        Job::Pack { from, options } => files::download_tar(&root, from, stdout()?, &options.options()),
    }
}

/// Standard output as it is: the standard library's looks for ends of lines.
fn output() -> Result<fs::File> {
    use std::os::windows::io::AsHandle;
    let output = io::stdout().as_handle().try_clone_to_owned();
    output.map(fs::File::from).map_err(|error| Error::io(error, "open standard output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_a_container_nothing_is_copied() {
        let error = serve("{}").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }

    #[test]
    fn what_is_said_is_understood_or_told_as_it_is() {
        let summary = CopySummary { files: 3, ..CopySummary::default() };
        let json = serde_json::to_string(&summary).unwrap();
        let said = format!("noise\n{DONE}{json}\r\n");
        assert_eq!(understand(said.as_bytes()).unwrap(), summary);
        let error = Error::new(ErrorKind::NotFound, "find `x`").with_hint("look");
        let told = [FAILED.as_bytes(), &told::tell(&error)].concat();
        let heard = understand(&told).unwrap_err();
        assert_eq!((heard.kind(), heard.hint()), (ErrorKind::NotFound, Some("look")));
        assert_eq!(heard.to_string(), "in the container: find `x`");
        let error = understand(b"panicked\x1b[31m at x").unwrap_err();
        assert!(error.to_string().ends_with("without a word: panicked[31m at x"), "{error}");
        assert_eq!(understand(format!("{DONE}x").as_bytes()).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn the_line_before_an_archive_is_short() {
        let head = |text: &[u8]| head(&mut BufReader::new(text));
        assert_eq!(head(b"directory\nrest").unwrap(), Some(true));
        assert_eq!(head(b"entry\r\n").unwrap(), Some(false));
        assert_eq!(head(b"").unwrap(), None);
        head(&[b'x'; 1000]).unwrap_err();
        head(&[0xff; 10]).unwrap_err();
    }

    #[test]
    fn a_job_is_one_argument_that_fits() {
        let options = || Wanted::of(&CopyOptions { keep_owner: true, ..CopyOptions::default() });
        let job = Job::Unpack { to: r"C:\with a blank".into(), options: options() };
        let line = parameters(&job).unwrap().command_line;
        assert!(line.starts_with(&format!("{PLACE}\\{PROGRAM} system guest-copy \"{{\\\"unpack")), "{line}");
        let read = serde_json::from_str(&serde_json::to_string(&job).unwrap()).unwrap();
        assert!(matches!(read, Job::Unpack { options: Wanted { keep_owner: true, .. }, .. }));
        let long = Job::Unpack { to: "x".repeat(40_000).into(), options: options() };
        assert_eq!(parameters(&long).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}
