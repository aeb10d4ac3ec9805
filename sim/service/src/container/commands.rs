//! Commands in a container, by the launcher: a Windows program does what only one can.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use rustix::fs::{CWD, FileType, mknodat};
use serde_json::{Value, json};
use sim_protocol::codes;

use super::{Container, refuse};
use crate::answer::{Answer, OrRefuse};
use crate::properties::{moment, timestamp};
use crate::server::locked;

/// STATUS_NO_MEMORY.
const NO_MEMORY: u32 = 0xC000_0017;

const WINE: &str = "/usr/lib/wine/wine64";
const SERVER: &str = "/usr/lib/wine/wineserver64";

/// What waits for a process and returns its exit code.
pub type Ending = Box<dyn FnOnce() -> u32 + Send>;

impl Container {
    /// The command that runs the launcher in the container, and the turn to do so. Of two programs that
    /// begin at once, Wine lets one wait for ever for the start-up program, which there is not here.
    fn launch(&self, words: &[&str]) -> Answer<(Command, MutexGuard<'_, bool>)> {
        let mut served = locked(&self.served);
        if !*served {
            // One that ends with its last program may not hear of the next one.
            let mut server = self.command(SERVER, &["-p"])?;
            server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            server.status().or_refuse("starting Wine's server in the container")?;
            *served = true;
        }
        let launcher = self.launcher.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        Ok((self.command(WINE, &[&[launcher.as_str()], words].concat())?, served))
    }

    /// A program of Wine's in the container.
    fn command(&self, program: &str, words: &[&str]) -> Answer<Command> {
        let script = "first=$1 prefix=$2; shift 2; exec nsenter --target \"$first\" \
                      --mount --uts --ipc --net --pid env -i \
                      WINEPREFIX=\"$prefix\" WINEDEBUG=-all LC_ALL=C.UTF-8 HOME=/root PATH=/usr/bin:/bin \
                      WINEDLLOVERRIDES='wineboot.exe=d;services.exe=d;explorer.exe=d;winemenubuilder.exe=d' \"$@\"";
        let mut command = self.in_group(script);
        command.args([&self.first()?.to_string(), &self.prefix().display().to_string(), program]);
        command.args(words);
        Ok(command)
    }

    /// Starts a command; returns its number inside, and what waits for it.
    pub fn spawn(&self, parameters: &Value, stdio: [Stdio; 3]) -> Answer<(u32, Ending)> {
        let turn = self.reports.fetch_add(1, Ordering::Relaxed);
        let base = self.directory.join(format!("process-{turn}"));
        let (order, report) = (base.with_extension("json"), base.with_extension("report"));
        fs::write(&order, parameters.to_string()).or_refuse("writing the command")?;
        mknodat(CWD, &report, FileType::Fifo, 0o600.into(), 0).or_refuse("making a pipe")?;
        // Open for both, so that opening does not wait and reading does not end.
        let mut reports = File::options().read(true).write(true).open(&report).or_refuse("opening a pipe")?;
        let reader = reports.try_clone().or_refuse("opening a pipe")?;
        let (mut command, gate) =
            self.launch(&["run", &order.display().to_string(), &report.display().to_string()])?;
        let [input, output, errors] = stdio;
        let child = command.stdin(input).stdout(output).stderr(errors).spawn();
        let mut child = child.or_refuse("starting the launcher")?;
        drop(command);
        std::thread::spawn(move || {
            let _ = child.wait();
            let _ = reports.write_all(b"gone\n");
        });
        let mut lines = BufReader::new(reader).lines();
        let mut next = move || lines.next().and_then(Result::ok).unwrap_or_else(|| "gone".to_owned());
        let first = next();
        drop(gate);
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
        let mut words = first.split(' ');
        match words.next() {
            Some("started") => {
                let process = number(words.next()).unwrap_or_default();
                let (group, before) = (self.group.clone(), self.group.killed_for_memory());
                let ending = move || {
                    let line = next();
                    let _ = fs::remove_file(&report);
                    let _ = fs::remove_file(&order);
                    match number(line.strip_prefix("exited ")) {
                        // To Wine, a process that the kernel ended has ended well.
                        Some(0) if group.killed_for_memory() > before => NO_MEMORY,
                        code => code.unwrap_or(1067),
                    }
                };
                Ok((process, Box::new(ending)))
            }
            Some("failed") => {
                let code = number(words.next()).unwrap_or_default();
                let line = parameters["CommandLine"].as_str().unwrap_or_default();
                refuse(0x8007_0000 | code, format!("the command '{line}' cannot be started"))
            }
            _ => refuse(codes::TERMINATED, "the container ended while the process started"),
        }
    }

    /// Has the launcher do something that ends at once, and returns what it prints.
    fn order(&self, words: &[&str]) -> Answer<String> {
        let (mut command, _turn) = self.launch(words)?;
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().or_refuse("starting the launcher")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            refuse(codes::ELEMENT_NOT_FOUND, format!("{words:?}: {text}"))
        }
    }

    pub fn terminate(&self, process: u32, code: u32) -> Answer<()> {
        self.order(&["terminate", &process.to_string(), &code.to_string()]).map(drop)
    }

    pub fn signal(&self, process: u32, name: &str) -> Answer<()> {
        self.order(&["signal", &process.to_string(), name]).map(drop)
    }

    /// Gives the process's console a new size.
    pub fn resize(&self, process: u32, size: &Value) -> Answer<()> {
        let size = format!("{}x{}", size["Width"], size["Height"]);
        self.order(&["resize", &process.to_string(), &size]).map(drop)
    }

    /// The processes inside, as a property document has them.
    pub fn list(&self) -> Answer<Value> {
        let text = self.order(&["list"])?;
        let entry = |line: &str| {
            let found: Value = serde_json::from_str(line).ok()?;
            let number = |key: &str| found[key].as_u64().unwrap_or_default();
            Some(json!({"ProcessId": number("id"), "ImageName": found["name"],
                "CreateTimestamp": timestamp(moment(number("created"))),
                "UserTime100ns": number("user"), "KernelTime100ns": number("kernel"),
                "MemoryCommitBytes": number("commit"),
                "MemoryWorkingSetPrivateBytes": number("working_set"), "MemoryWorkingSetSharedBytes": 0}))
        };
        Ok(text.lines().filter_map(entry).collect())
    }
}
