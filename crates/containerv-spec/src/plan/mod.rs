//! Plans: ordered, typed steps that a backend executes.
//!
//! A plan is data: it can be printed, compared with a golden file and read by a person before
//! anything runs. Steps are numbered from 1; errors name the step. What a step is differs from one backend
//! to the other, so each has its own kind of plan.

mod action;
mod display;
pub mod hcs;
mod shift;

pub use action::{
    Action, CallFilter, Clocks, Entry, Execution, IdMaps, MountAttributes, Namespace, NamespaceSource,
    Privileges, Resolve, Slot, Supervisor, TargetKind,
};
pub use shift::Shift;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ContainerId;
use crate::cgroup::GroupSet;

/// What a backend will do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "lowercase")]
pub enum Plan {
    /// Calls of the Linux kernel.
    Linux(LinuxPlan),
    /// Calls of the compute, network and storage services of Windows.
    Hcs(hcs::HcsPlan),
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linux(plan) => plan.fmt(f),
            Self::Hcs(plan) => plan.fmt(f),
        }
    }
}

/// What the Linux backend will do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinuxPlan {
    /// The container that it is about.
    pub container: ContainerId,
    /// Choices that the request left open, and why they were made so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The steps.
    pub steps: Vec<Step>,
    /// The control groups that exist once the plan is executed.
    #[serde(default)]
    pub groups: GroupSet,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Where it is executed.
    pub phase: Phase,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// Where a step is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// By the calling process, first.
    Host,
    /// By a new process, still in the caller's namespaces.
    Outer,
    /// By the calling process, while the container's process waits.
    Beside,
    /// By the container's process.
    Inside,
}

impl Phase {
    /// Returns the word for a listing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Outer => "outer",
            Self::Beside => "beside",
            Self::Inside => "inside",
        }
    }
}

impl LinuxPlan {
    /// Returns the step of a number from 1.
    pub fn step(&self, number: u32) -> Option<&Step> {
        self.steps.get((number as usize).checked_sub(1)?)
    }

    /// Returns the steps of a phase with their numbers.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = (u32, &Action)> {
        let numbered = (1..).zip(&self.steps);
        numbered.filter(move |(_, step)| step.phase == phase).map(|(number, step)| (number, &step.action))
    }
}

impl fmt::Display for LinuxPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (container, count) = (self.container.short(), self.steps.len());
        writeln!(f, "plan for container {container} (linux backend, {count} steps)")?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:4}  {:6}  {}", step.phase.name(), step.action)?;
        }
        Ok(())
    }
}
