//! What lowering must know of a Windows machine and of the caller: gathered by probing, or assumed, then
//! plain data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::network::NetworkType;

/// A Windows machine as one caller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowsMachine {
    /// Build of Windows: 20348 is Server 2022.
    pub build: u32,
    /// Server or client.
    pub product: Product,
    /// The feature `Containers` is there.
    pub containers: bool,
    /// Hyper-V is there and its hypervisor runs.
    pub hyperv: bool,
    /// What the caller may do.
    pub rights: Rights,
    /// Logical processors.
    pub processors: u32,
    /// Networks of the host.
    pub networks: Vec<KnownNetwork>,
    /// Nobody looked: this is a machine to plan for.
    #[serde(default)]
    pub assumed: bool,
}

impl WindowsMachine {
    /// The machine that is planned for where none is at hand: Windows Server 2022 with both features, an
    /// elevated caller, four processors and the network `nat`.
    pub fn assumed() -> Self {
        Self {
            build: 20348,
            product: Product::Server,
            containers: true,
            hyperv: true,
            rights: Rights::Elevated,
            processors: 4,
            networks: vec![KnownNetwork { name: "nat".to_owned(), kind: NetworkType::Nat }],
            assumed: true,
        }
    }
}

impl fmt::Display for WindowsMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self.product {
            Product::Server => "Windows Server",
            Product::Client => "Windows",
        };
        write!(f, "{product}, build {}, {} processors", self.build, self.processors)?;
        for (there, feature) in [(self.containers, "containers"), (self.hyperv, "Hyper-V")] {
            write!(f, ", {}{feature}", if there { "" } else { "no " })?;
        }
        f.write_str(match self.rights {
            Rights::Elevated => ", elevated",
            Rights::HypervAdministrator => ", Hyper-V administrator",
            Rights::None => ", no administrator",
        })?;
        for network in &self.networks {
            write!(f, ", network `{}` ({})", network.name, network.kind.name())?;
        }
        f.write_str(if self.assumed { "; assumed" } else { "" })
    }
}

/// Which kind of Windows it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Windows Server.
    Server,
    /// Windows 10 and 11.
    Client,
}

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Administrator, elevated.
    Elevated,
    /// Member of `Hyper-V Administrators`.
    HypervAdministrator,
    /// Neither.
    None,
}

/// A network of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownNetwork {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: NetworkType,
}
