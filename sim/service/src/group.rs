//! Control groups of containers, of either version. Only groups of our own are made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What a group has used.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub total_100ns: u64,
    pub user_100ns: u64,
    pub kernel_100ns: u64,
    /// All that is charged, with files that are cached.
    pub memory: u64,
    pub memory_peak: u64,
    /// Of it, what no file is behind.
    pub private: u64,
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
}

#[derive(Clone)]
pub struct Group {
    name: String,
    unified: bool,
}

const ROOT: &str = "/sys/fs/cgroup";
const CONTROLLERS: &[&str] = &["memory", "cpu", "cpuacct", "freezer", "blkio", "pids"];
const PERIOD: u64 = 100_000;

impl Group {
    pub fn new(number: u64) -> Group {
        let unified = Path::new(ROOT).join("cgroup.controllers").exists();
        Group { name: format!("containerv-sim-{}-{number}", std::process::id()), unified }
    }

    /// The directories of the group: one, or one for each controller that is mounted.
    fn directories(&self) -> Vec<PathBuf> {
        let root = Path::new(ROOT);
        if self.unified {
            return vec![root.join(&self.name)];
        }
        let mounted = CONTROLLERS.iter().map(|controller| root.join(controller)).filter(|path| path.is_dir());
        mounted.map(|path| path.join(&self.name)).collect()
    }

    fn file(&self, controller: &str, name: &str) -> PathBuf {
        let root = Path::new(ROOT);
        if self.unified {
            root.join(&self.name).join(name)
        } else {
            root.join(controller).join(&self.name).join(name)
        }
    }

    pub fn make(&self) -> io::Result<()> {
        if self.unified {
            // Root's own children have the controllers that it hands on; an automatic runner's does.
            let _ = fs::write(Path::new(ROOT).join("cgroup.subtree_control"), "+memory +cpu +io +pids");
        }
        self.directories().iter().try_for_each(fs::create_dir_all)
    }

    /// The files into which a process writes 0 or its number to join.
    pub fn doors(&self) -> Vec<PathBuf> {
        self.directories().iter().map(|path| path.join("cgroup.procs")).collect()
    }

    /// Limits memory. What is in use is never taken away: a limit below it is refused.
    pub fn limit_memory(&self, megabytes: Option<u64>) -> io::Result<()> {
        let Some(megabytes) = megabytes else { return Ok(()) };
        let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        let bytes = megabytes << 20;
        if self.private_memory() > bytes {
            return Err(io::Error::from(io::ErrorKind::ResourceBusy));
        }
        fs::write(self.file("memory", file), bytes.to_string())
    }

    fn private_memory(&self) -> u64 {
        let names: &[&str] = if self.unified { &["anon", "shmem"] } else { &["total_rss", "total_shmem"] };
        let text = self.read("memory", "memory.stat");
        names.iter().map(|name| field(&text, name)).sum()
    }

    fn read(&self, controller: &str, file: &str) -> String {
        // Groups of a kernel without the controller have none of its numbers.
        fs::read_to_string(self.file(controller, file)).unwrap_or_default()
    }

    /// `Count` and `Maximum` are a quota, `Weight` a share.
    pub fn limit_processor(&self, processor: &Value) -> io::Result<()> {
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
        let quota = processor["Count"].as_u64().map(|count| count * PERIOD).or_else(|| {
            processor["Maximum"].as_u64().map(|maximum| (processors * PERIOD * maximum / 10_000).max(1000))
        });
        if let Some(quota) = quota {
            if self.unified {
                fs::write(self.file("cpu", "cpu.max"), format!("{quota} {PERIOD}"))?;
            } else {
                fs::write(self.file("cpu", "cpu.cfs_quota_us"), quota.to_string())?;
            }
        }
        if let Some(weight) = processor["Weight"].as_u64() {
            let (file, value) = if self.unified {
                ("cpu.weight", weight.clamp(1, 10_000))
            } else {
                ("cpu.shares", (weight * 10).max(2))
            };
            fs::write(self.file("cpu", file), value.to_string())?;
        }
        Ok(())
    }

    /// Stops all processes of the group, and returns when none runs; or lets them go on.
    pub fn freeze(&self, on: bool) -> io::Result<()> {
        let (controller, order, words, state, done) = match (self.unified, on) {
            (true, true) => ("", "cgroup.freeze", "1", "cgroup.events", "frozen 1"),
            (true, false) => ("", "cgroup.freeze", "0", "cgroup.events", "frozen 0"),
            (false, true) => ("freezer", "freezer.state", "FROZEN", "freezer.state", "FROZEN"),
            (false, false) => ("freezer", "freezer.state", "THAWED", "freezer.state", "THAWED"),
        };
        for _ in 0..1000 {
            // The first version has to be asked again when it met a process that was being made.
            fs::write(self.file(controller, order), words)?;
            if self.read(controller, state).lines().any(|line| line == done) {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        if on {
            // Half a pause is none.
            let _ = fs::write(self.file(controller, order), if self.unified { "0" } else { "THAWED" });
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }

    pub fn usage(&self) -> Usage {
        let number = |controller: &str, file: &str| self.read(controller, file).trim().parse().unwrap_or(0);
        let mut usage = Usage { private: self.private_memory(), ..Usage::default() };
        if self.unified {
            let text = self.read("cpu", "cpu.stat");
            let time = |name: &str| field(&text, name) * 10;
            (usage.total_100ns, usage.user_100ns, usage.kernel_100ns) =
                (time("usage_usec"), time("user_usec"), time("system_usec"));
            usage.memory = number("memory", "memory.current");
            usage.memory_peak = number("memory", "memory.peak").max(usage.memory);
            let text = self.read("io", "io.stat");
            (usage.reads, usage.read_bytes) = (pairs(&text, "rios"), pairs(&text, "rbytes"));
            (usage.writes, usage.written_bytes) = (pairs(&text, "wios"), pairs(&text, "wbytes"));
        } else {
            usage.total_100ns = number("cpuacct", "cpuacct.usage") / 100;
            usage.user_100ns = number("cpuacct", "cpuacct.usage_user") / 100;
            usage.kernel_100ns = number("cpuacct", "cpuacct.usage_sys") / 100;
            usage.memory = number("memory", "memory.usage_in_bytes");
            usage.memory_peak = number("memory", "memory.max_usage_in_bytes");
            let operations = self.read("blkio", "blkio.throttle.io_serviced");
            let bytes = self.read("blkio", "blkio.throttle.io_service_bytes");
            (usage.reads, usage.read_bytes) = (of_devices(&operations, "Read"), of_devices(&bytes, "Read"));
            (usage.writes, usage.written_bytes) =
                (of_devices(&operations, "Write"), of_devices(&bytes, "Write"));
        }
        usage
    }

    /// How many processes the kernel has ended for want of memory.
    pub fn killed_for_memory(&self) -> u64 {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        field(&self.read("memory", file), "oom_kill")
    }

    /// Removes the group when its last process is gone.
    pub fn remove(&self) {
        for directory in self.directories() {
            for _ in 0..200 {
                match fs::remove_dir(&directory) {
                    Err(error) if error.raw_os_error() == Some(16) => {
                        std::thread::sleep(std::time::Duration::from_millis(10))
                    }
                    _ => break,
                }
            }
        }
    }
}

/// The number on the line that begins with the name.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// The sum of `NAME=NUMBER` over all lines.
fn pairs(text: &str, name: &str) -> u64 {
    let values = text.split_whitespace().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    values.filter_map(|value| value.parse::<u64>().ok()).sum()
}

/// The sum of `DEVICE NAME NUMBER` over all lines.
fn of_devices(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|line| line.split_once(' ')?.1.strip_prefix(name));
    values.filter_map(|value| value.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_the_kernels_files() {
        assert_eq!(field("anon 4096\nanon_thp 7\n", "anon"), 4096);
        assert_eq!(field("cache 1\n", "rss"), 0);
        assert_eq!(pairs("8:0 rbytes=10 wbytes=3\n8:16 rbytes=5 wbytes=1\n", "rbytes"), 15);
        assert_eq!(of_devices("8:0 Read 10\n8:0 Write 3\n8:16 Read 1\nTotal 14\n", "Read"), 11);
    }
}
