//! Tests with real groups, below a parent that each test makes and removes.
//!
//! They run on the machine's own hierarchies, and again in mount namespaces that look like a
//! machine with version 1 or version 2 only.

mod life;
mod limits;
mod looks;

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use containerv_spec::cgroup::{CgroupPlan, CgroupStep, Controller, DeviceRule, GroupSet, GroupVersion};
use containerv_spec::facts::{CgroupFacts, CgroupMode, GroupAccess};
use containerv_spec::{Bound, ByteSize, Limits, OsText};

use super::*;
use crate::lower::cgroup::{Wanted, plan, plan_update};
use crate::{Error, ErrorKind};

/// Which look a test process was given; absent on the machine as it is.
const LOOK: &str = "CONTAINERV_TEST_CGROUP_LOOK";

/// Says why real groups cannot be made here, if they cannot.
fn impossible() -> Option<&'static str> {
    let facts = probe().unwrap();
    let below = |access: &GroupAccess| matches!(access, GroupAccess::Below(_));
    let any = facts.v1.iter().any(|it| below(&it.access)) || facts.v2.iter().any(|it| below(&it.access));
    (!any).then_some("this user may make no control group here")
}

macro_rules! need_groups {
    () => {
        if let Some(reason) = impossible() {
            println!("skipped: {reason}");
            return;
        }
    };
}

macro_rules! need_controller {
    ($controller:expr) => {{
        let facts = probe().unwrap();
        let v1 = facts.v1.iter().any(|it| it.controllers.contains(&$controller));
        if !v1 && !facts.v2.iter().any(|it| it.controllers.contains(&$controller)) {
            println!("skipped: no `{:?}` controller here", $controller);
            return;
        }
    }};
}

/// A container's groups and processes, which go with it however the test ends.
struct Fixture {
    facts: CgroupFacts,
    plan: CgroupPlan,
    children: Vec<Child>,
}

impl Fixture {
    fn new(limits: &Limits) -> Self {
        Self::with(limits, None).unwrap()
    }

    fn with(limits: &Limits, devices: Option<&[DeviceRule]>) -> Result<Self, Error> {
        let mut random = [0u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty()).unwrap();
        let parent = OsText::from(format!("/containerv-test-{:016x}", u64::from_ne_bytes(random)));
        let facts = probe_for(limits).unwrap();
        let wanted = Wanted { limits, devices, parent: Some(&parent), name: "box" };
        let plan = plan(&facts, &wanted).map_err(|errors| Error::problems("cannot plan", errors))?;
        let fixture = Self { facts, plan, children: Vec::new() };
        fixture.plan.steps.iter().try_for_each(execute)?;
        Ok(fixture)
    }

    fn groups(&self) -> &GroupSet {
        &self.plan.groups
    }

    /// Starts a shell that waits, joins it to the groups and lets it go on with `script`.
    fn start(&mut self, script: &str) -> u32 {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("read go; {script}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        let mut stdin = child.stdin.take().unwrap();
        self.children.push(child);
        for file in self.groups().join_files() {
            files::write(&file, &pid.to_string()).unwrap_or_else(|errno| panic!("{file}: {errno}"));
        }
        stdin.write_all(b"\n").unwrap();
        pid
    }

    fn wait(&mut self) -> Output {
        self.children.pop().unwrap().wait_with_output().unwrap()
    }

    fn value(&self, controller: Controller, file: &str) -> String {
        let content = files::read(&self.groups().with(controller).unwrap().file(file)).unwrap();
        String::from_utf8(content).unwrap().trim().to_owned()
    }

    fn update(&self, current: &Limits, change: &Limits) -> Result<(), Error> {
        let update = plan_update(&self.facts, self.groups(), current, change)
            .map_err(|errors| Error::problems("cannot update", errors))?;
        update.steps.iter().try_for_each(execute)
    }

    fn exists(&self) -> bool {
        self.groups().groups.iter().any(|group| std::path::Path::new(&group.path.to_string()).exists())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let killed = kill(self.groups());
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let removed = remove(self.groups());
        let parents = self.plan.steps.iter().filter_map(|step| match step {
            CgroupStep::MakeParent { path } => Some(path),
            _ => None,
        });
        let parents: Vec<_> = parents.map(remove_group).collect();
        if !std::thread::panicking() {
            killed.and(removed).unwrap();
            parents.into_iter().collect::<Result<(), Error>>().unwrap();
        }
    }
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn eventually(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

use {need_controller, need_groups};
