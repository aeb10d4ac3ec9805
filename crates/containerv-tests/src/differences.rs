//! What is absent where: the one table of differences between the systems.
//!
//! Names are those of the capability document (`cv info`, [`Host::features`]). The conformance
//! suite checks that document against this table, and bodies ask here.

use std::fmt;

use containerv::spec::request::Isolation;
use containerv::{Feature, Host};

use crate::{skip, system};

/// A system with a kind of isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Linux, which has one kind.
    Linux,
    /// Windows, processes of the host's kernel.
    Process,
    /// Windows, virtual machines.
    HyperV,
}

impl Place {
    /// Where this run of the tests is.
    pub fn here() -> Self {
        match system::isolation() {
            Isolation::Process => Self::Process,
            Isolation::Vm => Self::HyperV,
            Isolation::Default => Self::Linux,
        }
    }

    /// The backend's name in the capability document.
    pub fn backend(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Process => "hcs",
            Self::HyperV => "hcs-hyperv",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Linux => "Linux",
            Self::Process => "Windows with process isolation",
            Self::HyperV => "Windows with Hyper-V isolation",
        })
    }
}

/// Something that a place has not.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The capability.
    pub capability: &'static str,
    /// Where it is absent.
    pub absent: &'static [Place],
    /// Why.
    pub reason: &'static str,
}

const fn absent(capability: &'static str, absent: &'static [Place], reason: &'static str) -> Difference {
    Difference { capability, absent, reason }
}

const WINDOWS: &[Place] = &[Place::Process, Place::HyperV];
const MACHINES: &[Place] = &[Place::HyperV];

/// Every difference that a body of the conformance suite takes note of.
pub const DIFFERENCES: &[Difference] = &[
    absent("network-veth", WINDOWS, "Windows has no veth pairs; `--network nat` takes their place"),
    absent("update-limits", MACHINES, "the limits of a virtual machine that runs stay as they are"),
];

/// Says whether this place has a capability. What the table says to be absent is passed over; what
/// a machine of this place lacks makes the test a skipped one.
///
/// # Panics
///
/// If the capability document has no such name.
pub fn has(host: &Host, capability: &str) -> bool {
    let here = Place::here();
    let of_table = DIFFERENCES
        .iter()
        .find(|difference| difference.capability == capability && difference.absent.contains(&here));
    if let Some(difference) = of_table {
        println!("not on {here}: {}", difference.reason);
        return false;
    }
    let feature = feature(host, capability);
    assert!(
        feature.available || here == Place::Linux,
        "`{capability}` is absent and not in the table of differences: {}",
        feature.reason
    );
    if !feature.available {
        skip(&feature.reason);
    }
    feature.available
}

/// Returns what the capability document says of one capability here.
///
/// # Panics
///
/// If it has no such name.
pub fn feature(host: &Host, capability: &str) -> Feature {
    let backend = Place::here().backend();
    let mut all = host.features().into_iter();
    all.find(|feature| feature.backend == backend && feature.name == capability)
        .unwrap_or_else(|| panic!("the capability document has no `{backend}` `{capability}`"))
}
