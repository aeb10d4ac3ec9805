//! What was found out about a Windows machine, as plain data, and what follows from it.

use containerv_spec::hcs::machine::{KnownNetwork, Product, Rights, WindowsMachine};

/// A service as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Not installed.
    Missing,
    /// Installed, and kept from being started.
    Disabled,
    /// Not running; it starts when somebody needs it, so that this is as good as running.
    OnDemand,
    /// Not running although it starts with the system.
    Stopped,
    /// Running.
    Running,
    /// Installed, and the caller may not look at it.
    Hidden,
}

impl Service {
    /// Says whether it is installed.
    pub(crate) fn is_installed(self) -> bool {
        self != Self::Missing
    }
}

/// What tells of virtual machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HyperV {
    /// The service `vmms`, which the feature installs.
    pub(crate) management: Service,
    /// The driver `hvservice`, which every Windows has, and which runs where Windows has its own hypervisor.
    pub(crate) driver: Service,
    /// The processor says that this Windows has a hypervisor of its own, or that it has none; nothing
    /// if this kind of processor does not say it.
    pub(crate) processor: Option<bool>,
    /// The firmware allows a hypervisor.
    pub(crate) firmware: bool,
}

impl HyperV {
    /// Says whether a hypervisor of this Windows runs: either witness is enough.
    pub(crate) fn hypervisor_runs(&self) -> bool {
        self.driver == Service::Running || self.processor == Some(true)
    }

    /// Says whether the feature is there and virtual machines can be started.
    pub(crate) fn works(&self) -> bool {
        self.management.is_installed() && self.hypervisor_runs()
    }
}

/// A Windows machine and the caller, as far as containers are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Build of Windows: 20348 is Server 2022.
    pub(crate) build: u32,
    /// Its last number, which grows with each update.
    pub(crate) revision: u32,
    /// Server or client.
    pub(crate) product: Product,
    /// computecore.dll and vmcompute.dll could be loaded.
    pub(crate) libraries: bool,
    /// The service `vmcompute`.
    pub(crate) compute: Service,
    /// The service `hns`.
    pub(crate) network: Service,
    pub(crate) hyperv: HyperV,
    pub(crate) rights: Rights,
    /// Logical processors.
    pub(crate) processors: u32,
}

impl Facts {
    /// Says whether the feature `Containers` is there. Its DLLs are in some Windows without it; its
    /// services are not.
    pub(crate) fn has_containers(&self) -> bool {
        self.libraries && self.compute.is_installed()
    }

    /// What lowering sees.
    pub(crate) fn machine(&self, networks: Vec<KnownNetwork>) -> WindowsMachine {
        WindowsMachine {
            build: self.build,
            product: self.product,
            containers: self.has_containers(),
            hyperv: self.hyperv.works(),
            rights: self.rights,
            processors: self.processors,
            networks,
            assumed: false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Windows Server 2022 with both features and an administrator.
    pub(crate) fn server() -> Facts {
        Facts {
            build: 20348,
            revision: 2527,
            product: Product::Server,
            libraries: true,
            compute: Service::OnDemand,
            network: Service::OnDemand,
            hyperv: HyperV {
                management: Service::Running,
                driver: Service::Running,
                processor: Some(true),
                firmware: true,
            },
            rights: Rights::Elevated,
            processors: 4,
        }
    }

    #[test]
    fn a_whole_server_is_the_machine_that_is_assumed() {
        let assumed = WindowsMachine::assumed();
        let machine = server().machine(assumed.networks.clone());
        assert_eq!(machine, WindowsMachine { assumed: false, ..assumed });
    }

    #[test]
    fn a_hypervisor_has_two_witnesses_and_needs_the_feature() {
        let hyperv = |management, driver, processor| HyperV { management, driver, processor, firmware: true };
        use Service::{Hidden, Missing, OnDemand, Running, Stopped};
        for (found, works) in [
            (hyperv(Running, Running, Some(false)), true),
            (hyperv(Running, OnDemand, Some(true)), true),
            (hyperv(Hidden, Hidden, Some(true)), true),
            (hyperv(Running, OnDemand, Some(false)), false),
            (hyperv(Stopped, OnDemand, None), false),
            // The hypervisor serves the system itself, and the feature is not installed.
            (hyperv(Missing, Running, Some(true)), false),
        ] {
            assert_eq!(found.works(), works, "{found:?}");
        }
    }

    #[test]
    fn libraries_alone_are_no_feature() {
        let without = |change: fn(&mut Facts)| {
            let mut facts = server();
            change(&mut facts);
            facts.machine(Vec::new()).containers
        };
        assert!(without(|facts| facts.compute = Service::Running));
        assert!(without(|facts| facts.compute = Service::Disabled), "an error of its own tells of it");
        assert!(!without(|facts| facts.compute = Service::Missing));
        assert!(!without(|facts| facts.libraries = false));
    }
}
