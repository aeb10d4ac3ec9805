//! Real containers: Wine on an installation of its own, in namespaces and a control group.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use serde_json::Value;
use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal};
use crate::group::{Group, Usage};
use crate::machine::Machine;
use crate::overlay;
use crate::server::locked;
use crate::wire;

mod commands;
mod mapping;

pub use mapping::parts;

/// What a container is made of.
pub struct Order {
    pub number: u64,
    /// The files of the layers, topmost first.
    pub layers: Vec<PathBuf>,
    pub scratch: PathBuf,
    /// Where the host sees both as one, if it does.
    pub merged: Option<PathBuf>,
    pub host_name: Option<String>,
    pub memory_mb: Option<u64>,
    pub processor: Value,
    pub mapped: Vec<Value>,
}

/// A network card of the container's.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its endpoint's id.
    pub endpoint: String,
    /// The bridge on our side.
    pub bridge: String,
    /// Our end's name.
    pub peer: String,
    pub mac: String,
    /// With the length of its prefix.
    pub address: String,
    pub gateway: Option<String>,
}

pub struct Container {
    order: Order,
    directory: PathBuf,
    group: Group,
    launcher: Option<PathBuf>,
    keeper: Mutex<Option<Keeper>>,
    cards: Mutex<Cards>,
    reports: AtomicU64,
    /// Whether Wine's server runs. Locked while a program of Wine's begins.
    served: Mutex<bool>,
}

/// What is plugged in.
#[derive(Default)]
struct Cards {
    plugged: Vec<Interface>,
    /// How many there have been, for their names.
    made: usize,
}

/// The first process of the container's namespaces.
struct Keeper {
    child: Child,
    inside: u32,
}

fn refuse<T>(code: u32, message: impl Into<String>) -> Answer<T> {
    Err(Refusal::new(code, message))
}

impl Container {
    pub fn new(machine: &Machine, order: Order) -> Container {
        Container {
            directory: machine.state.join(format!("container-{}", order.number)),
            group: Group::new(order.number),
            launcher: machine.launcher.clone().filter(|_| rustix::process::geteuid().is_root()),
            order,
            keeper: Mutex::new(None),
            cards: Mutex::default(),
            reports: AtomicU64::new(0),
            served: Mutex::new(false),
        }
    }

    /// Makes the namespaces, the installation and the group, with these network cards.
    pub fn start(&self, machine: &Machine, cards: &[Interface]) -> Answer<()> {
        if self.launcher.is_none() {
            return refuse(codes::NOT_SUPPORTED, "containers of the stand-ins need root and a launcher");
        }
        let begun = self.begin(machine, cards);
        if begun.is_err() {
            self.kill();
        }
        begun
    }

    fn begin(&self, machine: &Machine, cards: &[Interface]) -> Answer<()> {
        self.make_installation(machine)?;
        self.group.make().or_refuse("making the control group")?;
        self.group.limit_memory(self.order.memory_mb).or_refuse("limiting memory")?;
        self.group.limit_processor(&self.order.processor).or_refuse("limiting the processor")?;
        let script = self.directory.join("start.sh");
        fs::write(&script, self.script(machine)?).or_refuse("writing the container's script")?;
        let keeper = std::env::current_exe().or_refuse("finding this program")?;
        let mut command =
            self.in_group("exec unshare --mount --uts --ipc --net --pid --fork --kill-child sh \"$@\"");
        command.arg(&script).arg(keeper).stdin(Stdio::null()).stdout(Stdio::piped());
        let errors = self.directory.join("errors");
        command.stderr(File::create(&errors).or_refuse("making a file")?);
        let mut child = command.spawn().or_refuse("starting the container")?;
        let mut line = String::new();
        let stdout = child.stdout.take();
        let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let inside = first_child(child.id());
        *locked(&self.keeper) = Some(Keeper { child, inside: inside.unwrap_or_default() });
        if !matches!(read, Some(Ok(_))) || line.trim() != "ready" || inside.is_none() {
            let errors = fs::read_to_string(errors).unwrap_or_default();
            return refuse(
                codes::E_FAIL,
                format!("the container's first process did not come up: {}", errors.trim()),
            );
        }
        self.order.mapped.iter().try_for_each(|item| self.map(machine, item))?;
        cards.iter().try_for_each(|interface| self.plug(interface))
    }

    /// Gives the running container a further card.
    pub fn plug(&self, interface: &Interface) -> Answer<()> {
        let inside = self.first()?;
        let mut cards = locked(&self.cards);
        let at = cards.made;
        cards.made += 1;
        wire::plug(interface, at, inside)?;
        cards.plugged.push(interface.clone());
        Ok(())
    }

    /// Takes the endpoint's card away, if there is one.
    pub fn unplug(&self, endpoint: &str) {
        let mut cards = locked(&self.cards);
        let (gone, stay) = cards.plugged.drain(..).partition(|card| card.endpoint == endpoint);
        cards.plugged = stay;
        let gone: Vec<Interface> = gone;
        gone.iter().for_each(wire::unplug);
    }

    /// What went through the cards, as a property document has it.
    pub fn traffic(&self) -> Value {
        locked(&self.cards).plugged.iter().map(|card| wire::traffic(&card.endpoint, &card.peer)).collect()
    }

    fn prefix(&self) -> PathBuf {
        self.directory.join("prefix")
    }

    /// The installation: registry of its own, `C:` alone.
    fn make_installation(&self, machine: &Machine) -> Answer<()> {
        let prefix = self.prefix();
        fs::create_dir_all(prefix.join("dosdevices")).or_refuse("making the installation")?;
        fs::create_dir_all(prefix.join("drive_c")).or_refuse("making the installation")?;
        symlink("../drive_c", prefix.join("dosdevices/c:")).or_refuse("making the installation")?;
        for name in ["system.reg", "user.reg", "userdef.reg", ".update-timestamp"] {
            let text = fs::read(machine.template.join(name)).or_refuse("reading the template")?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let text = match &self.order.host_name {
                Some(host) if name == "system.reg" => named(&text, host),
                _ => text,
            };
            // By this programs know that they are in a container.
            let text = match name {
                "system.reg" => {
                    text + "\n[System\\\\CurrentControlSet\\\\Control]\n\"ContainerType\"=dword:00000001\n"
                }
                _ => text,
            };
            fs::write(prefix.join(name), text).or_refuse("writing the registry")?;
        }
        Ok(())
    }

    /// What the first process does before it becomes the keeper, whose path is the argument.
    fn script(&self, machine: &Machine) -> Answer<String> {
        let mut script = String::from("set -e\nmount --make-rprivate /\nmount -t proc proc /proc\n");
        let mut line = |words: &[&str]| {
            script.push_str(&words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "));
            script.push('\n');
        };
        let target = self.prefix().join("drive_c").display().to_string();
        match &self.order.merged {
            Some(merged) => line(&["mount", "--bind", &merged.display().to_string(), &target]),
            None => {
                let own = self.directory.join("layers");
                let options = overlay::options(machine, &self.order.layers, &self.order.scratch, &own)?;
                line(&["mount", "-t", "overlay", "overlay", "-o", &options, &target]);
            }
        }
        // The namespace began with a copy of all mounts, and would keep those of others busy.
        let others = format!(
            "umount --lazy {}/volume-*[!s] 2>/dev/null || :",
            quoted(&machine.state.display().to_string())
        );
        line(&["sh", "-c", &others]);
        line(&["mkdir", "-p", "/tmp/.wine-0"]);
        line(&["mount", "-t", "tmpfs", "-o", "mode=0700", "tmpfs", "/tmp/.wine-0"]);
        if let Some(name) = &self.order.host_name {
            line(&["hostname", name]);
        }
        line(&["ip", "link", "set", "lo", "up"]);
        script.push_str("exec \"$1\" keep\n");
        Ok(script)
    }

    /// Runs a shell script in the container's mount namespace, and in that of its processes: without a `/proc/self`,
    /// umount(8) finds no mounted files.
    fn inside(&self, script: &str, paths: &[&Path]) -> Answer<()> {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first()?.to_string(), "--mount", "--pid", "sh", "-c", script, "sh"])
            .args(paths);
        let output = command.stdin(Stdio::null()).output().or_refuse("entering the container")?;
        if output.status.success() {
            return Ok(());
        }
        refuse(codes::E_FAIL, String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn first(&self) -> Answer<u32> {
        match &*locked(&self.keeper) {
            Some(keeper) => Ok(keeper.inside),
            None => refuse(codes::INVALID_STATE, "the container does not run"),
        }
    }

    /// `sh -c SCRIPT sh ..` as a member of the group.
    fn in_group(&self, script: &str) -> Command {
        let doors = self.group.doors();
        let enter: String =
            doors.iter().map(|door| format!("echo 0 > {}; ", quoted(&door.display().to_string()))).collect();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{enter}{script}"), "sh"]);
        command
    }

    pub fn usage(&self) -> Usage {
        self.group.usage()
    }

    pub fn limit_memory(&self, megabytes: Option<u64>) -> std::io::Result<()> {
        self.group.limit_memory(megabytes)
    }

    pub fn limit_processor(&self, processor: &Value) -> std::io::Result<()> {
        self.group.limit_processor(processor)
    }

    pub fn freeze(&self, on: bool) -> std::io::Result<()> {
        self.group.freeze(on)
    }

    /// Ends every process, and removes what was made; returns when that is done.
    pub fn kill(&self) {
        let keeper = locked(&self.keeper).take();
        let Some(mut keeper) = keeper else {
            self.remove();
            return;
        };
        // What is frozen does not die.
        let _ = self.group.freeze(false);
        if let Some(first) = i32::try_from(keeper.inside).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(first, rustix::process::Signal::KILL);
        }
        let _ = keeper.child.kill();
        let _ = keeper.child.wait();
        self.remove();
    }

    fn remove(&self) {
        self.group.remove();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The registry with the computer's name.
fn named(registry: &str, host: &str) -> String {
    let upper = host.to_ascii_uppercase();
    let mut text = String::with_capacity(registry.len());
    for line in registry.lines() {
        let value = match line.split_once('=').map(|(key, _)| key) {
            Some("\"ComputerName\"") => Some(format!("\"ComputerName\"=\"{upper}\"")),
            Some("\"Hostname\"") => Some(format!("\"Hostname\"=\"{host}\"")),
            Some("\"NV Hostname\"") => Some(format!("\"NV Hostname\"=\"{host}\"")),
            _ => None,
        };
        text.push_str(value.as_deref().unwrap_or(line));
        text.push('\n');
    }
    // What the disabled services would make at the start.
    let active = r"[System\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName]";
    text + &format!("\n{active}\n\"ComputerName\"=\"{upper}\"\n")
}

/// The word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn first_child(parent: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The first process of a container: says that it is ready, and buries the dead for ever.
pub fn keep() -> ! {
    println!("ready");
    loop {
        if rustix::process::wait(rustix::process::WaitOptions::empty()).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_gets_the_name() {
        let text = "[System\\\\X]\n\"ComputerName\"=\"old\"\n\"Hostname\"=\"old\"\n\"Other\"=\"old\"\n";
        assert_eq!(
            named(text, "web01"),
            "[System\\\\X]\n\"ComputerName\"=\"WEB01\"\n\"Hostname\"=\"web01\"\n\"Other\"=\"old\"\n\n\
             [System\\\\CurrentControlSet\\\\Control\\\\ComputerName\\\\ActiveComputerName]\n\"ComputerName\"=\"WEB01\"\n"
        );
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quoted("a b'c"), r"'a b'\''c'");
    }
}
