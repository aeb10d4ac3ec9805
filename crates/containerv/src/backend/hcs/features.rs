//! Which features this machine has for the caller.

use containerv_spec::ContainerId;
use containerv_spec::hcs::machine::{KnownNetwork, WindowsMachine};
use containerv_spec::request::Isolation;
use serde_json::{Value, json};

use super::facts::{Facts, Service};
use crate::ErrorKind;
use crate::features::sample::{self, reason};
use crate::features::windows::{Ask, Known, Need, WINDOWS};
use crate::features::{Feature, Offer};
use crate::lower::hcs::{Places, lower};

/// What is asked for once for all features.
pub(super) struct Here {
    machine: WindowsMachine,
    network: Service,
    /// Why no command can outlive its caller.
    monitor: Result<(), String>,
}

impl Here {
    pub(super) fn new(facts: &Facts, networks: Vec<KnownNetwork>, monitor: Result<(), String>) -> Self {
        Self { machine: facts.machine(networks), network: facts.network, monitor }
    }

    /// Every feature with both kinds of isolation.
    pub(super) fn features(&self) -> Vec<Feature> {
        let of = |backend, isolation| {
            WINDOWS.iter().map(move |known| self.offer(known, isolation).feature(backend, known.name))
        };
        of("hcs", Isolation::Process).chain(of("hcs-hyperv", Isolation::Vm)).collect()
    }

    fn offer(&self, known: &Known, isolation: Isolation) -> Offer {
        if let (Isolation::Vm, Some(reason)) = (isolation, known.not_in_machines) {
            return Offer::Never(reason.to_owned());
        }
        let text = match known.ask {
            Ask::Never(reason) => return Offer::Never(reason.to_owned()),
            Ask::Sample(text) => text,
        };
        if let Err(refused) = self.lower(text, isolation) {
            return refused;
        }
        let met = known.needs.iter().try_for_each(|need| self.meets(*need));
        Offer::of(met, known.label)
    }

    /// Lowers a request with the feature.
    fn lower(&self, text: &str, isolation: Isolation) -> Result<(), Offer> {
        let damaged = |error: String| Offer::Lacks(format!("a sample is damaged: {error}"));
        let text: Value = serde_json::from_str(text).map_err(|error| damaged(error.to_string()))?;
        let mut plain = json!({
            "id": ContainerId::from_random([0; 32]), "isolation": isolation,
            "root": { "layers": { "folders": [r"C:\layers\base"] } },
            "process": { "args": ["cmd"], "search_path": true, "env": [], "set_home": false, "cwd": "/" },
        });
        // A root is of one kind.
        if text["root"].is_object() {
            plain["root"] = Value::Null;
        }
        let request = sample::request(plain, &text).map_err(|error| damaged(error.to_string()))?;
        let places = Places::below(r"C:\ProgramData\containerv", &request.id);
        lower(&request, &self.machine, &places).map(drop).map_err(|error| {
            let reason = reason(&error);
            // What this machine lacks is said first.
            if error.kind() == ErrorKind::Unsupported { Offer::Never(reason) } else { Offer::Lacks(reason) }
        })
    }

    fn meets(&self, need: Need) -> Result<(), String> {
        match (need, self.network) {
            (Need::Networks, Service::Missing) => Err("the network service `hns` is missing".to_owned()),
            (Need::Networks, Service::Disabled) => Err("the network service `hns` is disabled".to_owned()),
            (Need::Networks, _) => Ok(()),
            (Need::Monitor, _) => self.monitor.clone(),
        }
    }
}

/// Every feature, where the machine could not be looked at.
pub(super) fn unknown(why: &str) -> Vec<Feature> {
    let of =
        |backend| WINDOWS.iter().map(move |known| Offer::Lacks(why.to_owned()).feature(backend, known.name));
    of("hcs").chain(of("hcs-hyperv")).collect()
}

#[cfg(windows)]
impl super::system::System {
    /// Asks this machine for every feature.
    pub(crate) fn features(&self) -> Vec<Feature> {
        let windows = self.windows();
        let own = match super::probe::facts(windows) {
            Err(error) => unknown(&error.to_string()),
            Ok(facts) => {
                let networks = super::probe::networks(windows).unwrap_or_default();
                let monitor = super::monitor::program(self).map(drop).map_err(|error| error.to_string());
                Here::new(&facts, networks, monitor).features()
            }
        };
        crate::features::document(own)
    }
}

#[cfg(test)]
mod tests {
    use containerv_spec::hcs::machine::Rights;

    use super::*;
    use crate::backend::hcs::facts::tests::server;
    use crate::features::FeatureLabel;

    fn features(change: impl FnOnce(&mut Facts)) -> Vec<Feature> {
        let mut facts = server();
        change(&mut facts);
        let networks = WindowsMachine::assumed().networks;
        Here::new(&facts, networks, Err("there is no `cv.exe` to supervise commands".to_owned())).features()
    }

    fn find<'a>(features: &'a [Feature], backend: &str, name: &str) -> &'a Feature {
        features.iter().find(|it| it.backend == backend && it.name == name).unwrap()
    }

    #[test]
    fn a_whole_server_has_what_the_table_says() {
        let line = |feature: &Feature| {
            let label = serde_json::to_value(feature.label).unwrap();
            let label = label.as_str().unwrap();
            format!(
                "{} {}: {label}{}{}",
                feature.backend,
                feature.name,
                if feature.available { "" } else { ": " },
                feature.reason
            )
        };
        let lines: Vec<String> = features(|_| ()).iter().map(line).collect();
        insta::assert_snapshot!("features_of_a_server", lines.join("\n"));
    }

    #[test]
    fn nothing_is_claimed_to_be_seen_on_windows() {
        for feature in features(|_| ()) {
            assert_ne!(feature.label, FeatureLabel::SeenOnWindows, "{}", feature.name);
            assert_ne!(feature.label, FeatureLabel::ProvedOnLinux, "{}", feature.name);
            assert_eq!(feature.reason.is_empty(), feature.available, "{feature:?}");
            assert!(!feature.reason.contains("a sample is damaged"), "{feature:?}");
        }
    }

    #[test]
    fn another_machine_has_other_features() {
        let without = features(|facts| facts.hyperv.driver = Service::OnDemand);
        assert!(find(&without, "hcs-hyperv", "keeper").available, "the processor is a witness, too");
        let without = features(|facts| facts.hyperv.management = Service::Missing);
        assert_eq!(find(&without, "hcs-hyperv", "keeper").label, FeatureLabel::NotAvailableHere);
        assert!(find(&without, "hcs", "keeper").available);
        let guest = features(|facts| facts.rights = Rights::HypervAdministrator);
        assert!(find(&guest, "hcs", "exec").reason.contains("elevated"));
        assert!(find(&guest, "hcs-hyperv", "exec").available);
        let offline = features(|facts| facts.network = Service::Missing);
        assert!(find(&offline, "hcs", "network-nat").reason.contains("`hns`"));
        assert!(find(&offline, "hcs", "network-none").available);
        let old = features(|facts| facts.build = 14393);
        assert!(old.iter().all(|feature| !feature.available));
        assert_eq!(unknown("x").len(), old.len());
    }

    #[cfg(windows)]
    #[test]
    fn this_machine_is_asked_for_everything() {
        let host = crate::Host::open_at(std::env::temp_dir().join("containerv-features")).unwrap();
        let features = host.features();
        assert!(features.len() > 2 * WINDOWS.len());
        assert!(find(&features, "hcs", "keeper").available, "{features:?}");
        assert_eq!(find(&features, "linux", "containers").label, FeatureLabel::NotAvailableHere);
        // The installation for tests has both features.
        if std::env::var_os("WINEPREFIX").is_some() {
            assert!(find(&features, "hcs-hyperv", "network-nat").available, "{features:?}");
        }
    }
}
