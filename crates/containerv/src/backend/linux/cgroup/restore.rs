//! Changes of running containers, which come about as a whole or not at all.

use containerv_spec::cgroup::{CgroupStep, Setting};
use containerv_spec::{Bound, ByteSize, OsText};

use super::change::execute;
use super::files;
use crate::Result;

/// Executes the steps of a change, and calls `after` with the number of each, from 1 on. If one fails, values that
/// were written are taken back; groups that were made are left to the caller.
///
/// # Errors
///
/// That of the step which failed.
pub(crate) fn execute_all(steps: &[CgroupStep], after: impl Fn(u32)) -> Result<()> {
    let mut before = Vec::new();
    for (number, step) in (1..).zip(steps) {
        // The step that fails may have done a part of its work.
        before.extend(present(step));
        if let Err(error) = execute(step) {
            // What the kernel does not take back either stays; the error to tell is the first one.
            before.iter().rev().for_each(|step| drop(execute(step)));
            return Err(error);
        }
        after(number);
    }
    Ok(())
}

/// Returns the steps that bring back, from the last to the first, what this one is about to replace; none for what
/// may stay.
fn present(step: &CgroupStep) -> Vec<CgroupStep> {
    let single = match step {
        CgroupStep::Set(setting) => {
            let steps = [present_setting(setting), effective_cpuset(setting)];
            return steps.into_iter().flatten().map(CgroupStep::Set).collect();
        }
        CgroupStep::SetFirst { choices } => choices.iter().find_map(present_setting).map(CgroupStep::Set),
        CgroupStep::SetMemoryV1 { path, memory, memory_and_swap } => {
            let size = |file: &str| bound(&path.join(file));
            Some(CgroupStep::SetMemoryV1 {
                path: path.clone(),
                memory: memory.and_then(|_| size("memory.limit_in_bytes")),
                memory_and_swap: memory_and_swap.and_then(|_| size("memory.memsw.limit_in_bytes")),
            })
        }
        CgroupStep::SetMemoryV2 { path, .. } => bound(&path.join("memory.max"))
            .map(|memory| CgroupStep::SetMemoryV2 { path: path.clone(), memory }),
        _ => None,
    };
    single.into_iter().collect()
}

/// What is no number is `max`.
fn bound(file: &OsText) -> Option<Bound<ByteSize>> {
    let content = files::read(file).ok()?;
    Some(files::number(&content).map_or(Bound::Unlimited, |bytes| Bound::At(ByteSize::bytes(bytes))))
}

fn present_setting(setting: &Setting) -> Option<Setting> {
    let content = files::read(&setting.path.join(&setting.file)).ok()?;
    let content = String::from_utf8(content).ok()?;
    let value = match rate_file(&setting.file) {
        Some(none) => present_rate(&content, setting.value.split(' ').next()?, none),
        // The end of the line belongs to it: an empty value is written as one. A weight has further
        // lines for single devices.
        None => content.split_inclusive('\n').next().unwrap_or("\n").to_owned(),
    };
    Some(Setting { value, ..setting.clone() })
}

/// A group with processes cannot lose its choice of CPUs or memory nodes again on some kernels, 6.1 among them:
/// it gets the ones that it inherited before.
fn effective_cpuset(setting: &Setting) -> Option<Setting> {
    if !setting.file.starts_with("cpuset.") {
        return None;
    }
    let content = files::read(&setting.path.join(format!("{}.effective", setting.file))).ok()?;
    Some(Setting { value: String::from_utf8(content).ok()?, ..setting.clone() })
}

/// Returns what stands for no rate, if the file has a line for each device that is limited.
fn rate_file(file: &str) -> Option<&'static str> {
    match file {
        "io.max" => Some("rbps=max wbps=max riops=max wiops=max"),
        _ => file.starts_with("blkio.throttle.").then_some("0"),
    }
}

fn present_rate(content: &str, device: &str, none: &str) -> String {
    let is_of = |line: &&str| line.split(' ').next() == Some(device);
    content.lines().find(is_of).map_or_else(|| format!("{device} {none}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_brought_back_for_one_device() {
        let content = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max\n";
        let none = rate_file("io.max").unwrap();
        assert_eq!(present_rate(content, "8:16", none), content.lines().nth(1).unwrap());
        assert_eq!(present_rate(content, "8:1", none), format!("8:1 {none}"));
        let none = rate_file("blkio.throttle.read_bps_device").unwrap();
        assert_eq!(present_rate("8:0 5\n", "8:0", none), "8:0 5");
        assert_eq!(present_rate("", "8:0", none), "8:0 0");
        assert_eq!(rate_file("io.weight"), None);
    }
}
