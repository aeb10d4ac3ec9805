//! The value of each option that changes a container: mounts, devices, limits, ranges and others.

use containerv_spec::OsText;
use containerv_spec::hcs::machine::WindowsMachine;
use containerv_spec::request::{MountSource, Process};
use cv::draft::Draft;
use cv::output::report;
use cv::output::style::Style;
use cv::syntax::{Action, Apply};

use crate::invariant::{harmless, written};

/// The first line names an option, the rest is its value: it is refused with a reason, or changes
/// the request to one that can be stored.
pub fn target(data: &[u8]) {
    let cut = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, value) = (&data[..cut], data.get(cut + 1..).unwrap_or(&[]));
    if value.contains(&0) {
        return;
    }
    let verb = cv::verbs::find("create").expect("there is `create`");
    let option = std::str::from_utf8(name).ok().and_then(|name| verb.long(name));
    let Some(option) = option.filter(|option| !opens_files(option.long, value)) else { return };
    if let Some(apply) = cv::flags::windows::option(option.long) {
        for_windows(apply, value);
    }
    let Action::Request(apply) = option.action else { return };
    let mut draft = Draft::default();
    match apply(&mut draft, &OsText::from_bytes(value)) {
        Ok(()) => check(&draft),
        Err(error) => harmless(&report::render(&error, Style::PLAIN)),
    }
}

/// What an option means for a container on Windows can be stored, and lowered or refused with reasons.
fn for_windows(apply: Apply, value: &[u8]) {
    let mut draft = Draft::default();
    if let Err(error) = apply(&mut draft, &OsText::from_bytes(value)) {
        return harmless(&report::render(&error, Style::PLAIN));
    }
    written(&draft.request);
    match containerv::plan_windows(&draft.request, &WindowsMachine::assumed()) {
        Ok(plan) => written(&plan),
        Err(error) => crate::invariant::error(&error),
    }
}

/// Options that open what they name are for other targets: a file that blocks is not theirs.
pub(crate) fn opens_files(long: &str, value: &[u8]) -> bool {
    long.ends_with("-file") || (long == "security-opt" && value.contains(&b'/'))
}

/// What was understood can be stored, and names no impossible place.
pub(crate) fn check(draft: &Draft) {
    written(&draft.request);
    written::<Process>(&draft.process);
    for mount in &draft.request.mounts {
        assert!(mount.target.is_absolute(), "{mount:?}");
        if let MountSource::Bind { path, .. } = &mount.source {
            assert!(path.is_absolute(), "{mount:?}");
        }
    }
    assert!(draft.request.devices.iter().all(|device| device.host_path.is_absolute()));
    assert!(draft.process.cwd.is_absolute());
    assert!(draft.process.rlimits.iter().all(|limit| limit.soft <= limit.hard));
    assert!(draft.process.umask.is_none_or(|mask| mask <= 0o777));
    assert!((1..=64).contains(&draft.request.stop.signal));
    for range in draft.uid_ranges.iter().chain(&draft.gid_ranges) {
        assert!(range.count > 0, "{range:?}");
    }
}
