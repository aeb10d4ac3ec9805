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
    pub memory: u64,
    pub memory_peak: u64,
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

    pub fn limit_memory(&self, megabytes: Option<u64>) -> io::Result<()> {
        let Some(megabytes) = megabytes else { return Ok(()) };
        let file = if self.unified { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(self.file("memory", file), (megabytes << 20).to_string())
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

    pub fn freeze(&self, on: bool) -> io::Result<()> {
        if self.unified {
            return fs::write(self.file("", "cgroup.freeze"), if on { "1" } else { "0" });
        }
        fs::write(self.file("freezer", "freezer.state"), if on { "FROZEN" } else { "THAWED" })
    }

    pub fn usage(&self) -> Usage {
        let number = |controller: &str, file: &str| {
            fs::read_to_string(self.file(controller, file))
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0)
        };
        let mut usage = Usage::default();
        if self.unified {
            let text = fs::read_to_string(self.file("cpu", "cpu.stat")).unwrap_or_default();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
                line.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0) * 10
            };
            (usage.total_100ns, usage.user_100ns, usage.kernel_100ns) =
                (field("usage_usec"), field("user_usec"), field("system_usec"));
            usage.memory = number("memory", "memory.current");
            usage.memory_peak = number("memory", "memory.peak").max(usage.memory);
        } else {
            usage.total_100ns = number("cpuacct", "cpuacct.usage") / 100;
            usage.user_100ns = number("cpuacct", "cpuacct.usage_user") / 100;
            usage.kernel_100ns = number("cpuacct", "cpuacct.usage_sys") / 100;
            usage.memory = number("memory", "memory.usage_in_bytes");
            usage.memory_peak = number("memory", "memory.max_usage_in_bytes");
        }
        usage
    }

    /// How many processes the kernel has ended for want of memory.
    pub fn killed_for_memory(&self) -> u64 {
        let file = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.file("memory", file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
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
