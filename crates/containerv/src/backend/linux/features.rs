//! Which features this machine has for the caller.

use std::cell::OnceCell;
use std::path::Path;

use containerv_spec::ContainerId;
use containerv_spec::cgroup::Controller;
use containerv_spec::facts::{CgroupFacts, GroupAccess};
use containerv_spec::machine::Machine;
use containerv_spec::request::Request;
use serde_json::{Value, json};

use super::System;
use super::doctor::{self, Caller, Files};
use super::probe;
use crate::Error;
use crate::features::linux::{Known, LINUX, Need};
use crate::features::sample::{self, reason};
use crate::features::{Feature, FeatureLabel, Offer, document};
use crate::lower::linux::{Launch, Places, lower};

/// What is asked for once for all features.
struct Here<'a> {
    files: Files,
    machine: Machine,
    caller: Caller,
    data: &'a Path,
    /// Whether overlays work in the state root, once that was tried.
    overlays: OnceCell<Result<(), String>>,
}

impl System {
    /// Asks this machine for every feature.
    pub(crate) fn features(&self) -> Vec<Feature> {
        let here = self.look_around().map_err(|error| error.to_string());
        let offer = |known: &Known| {
            let asked = here.as_ref().map_err(Clone::clone).and_then(|here| here.has(known));
            Offer::of(asked, FeatureLabel::ProvedOnLinux).feature("linux", known.name)
        };
        document(LINUX.iter().map(offer).collect())
    }

    fn look_around(&self) -> Result<Here<'_>, Error> {
        let widest = json!({ "root": "host", "limits": { "cpuset_cpus": "0", "cpuset_mems": "0" } });
        let machine = probe::for_request(&request(&widest, None)?)?;
        let caller = Caller { uid: machine.uid, privileged: machine.is_privileged() };
        let (files, data, overlays) = (Files::here(), self.store.data.as_path(), OnceCell::new());
        Ok(Here { files, machine, caller, data, overlays })
    }
}

impl Here<'_> {
    fn has(&self, known: &Known) -> Result<(), String> {
        if !self.caller.privileged
            && let Some([found, cause, _]) = doctor::user_namespaces_refused(&self.files)
        {
            return Err(format!("user namespaces: {found}: {cause}"));
        }
        let sample: Value = serde_json::from_str(known.sample).map_err(|error| error.to_string())?;
        let request = request(&sample, self.machine.cgroups.cpus.as_deref()).map_err(|it| it.to_string())?;
        let launch = if request.process.is_none() { Launch::Keeper } else { Launch::Detached };
        let places =
            Places { directory: "/run/containerv/sample".into(), names: "/run/containerv/names".into() };
        lower(&request, &self.machine, &places, launch).map_err(|error| reason(&error))?;
        known.needs.iter().try_for_each(|need| self.meets(*need))
    }

    fn meets(&self, need: Need) -> Result<(), String> {
        let check = |well: bool, why: &str| if well { Ok(()) } else { Err(why.to_owned()) };
        let groups = &self.machine.cgroups;
        match need {
            Need::Namespace(name) => doctor::has_namespace(&self.files, name),
            Need::Overlay => self.overlays.get_or_init(|| self.try_overlays()).clone(),
            Need::OverlayInMemory => self.has_overlays(),
            Need::SystemCallFilter => {
                check(containerv_sys::linux::filter::is_available(), "this kernel has no system call filters")
            }
            Need::Terminals => check(
                doctor::has_file_system(&self.files, "devpts"),
                "this kernel has no `devpts` file system",
            ),
            Need::Group => check(has_group(groups), "no control group can be made; see `cv doctor`"),
            Need::Freezer => check(can_freeze(groups), "no control group can stop processes here"),
            Need::SwapAccounting => {
                let files = ["memory.memsw.limit_in_bytes", "memory.swap.max"];
                check(has_file(groups, Controller::Memory, &files), "this kernel does not count swap")
            }
            Need::IoWeight => {
                let files = ["blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"];
                check(
                    has_file(groups, Controller::Io, &files),
                    "no disk has a scheduler with weights (`bfq`)",
                )
            }
            Need::IdRanges => match &self.machine.subordinate.missing {
                Some(missing) if !self.caller.privileged => Err(missing.clone()),
                _ => Ok(()),
            },
        }
    }

    fn try_overlays(&self) -> Result<(), String> {
        self.has_overlays()?;
        let place = self.data.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        doctor::try_overlay(place, self.caller.privileged)
    }

    fn has_overlays(&self) -> Result<(), String> {
        match doctor::has_file_system(&self.files, "overlay") {
            true => Ok(()),
            false => {
                Err("this kernel has no `overlay` file system; `modprobe overlay` may load it".to_owned())
            }
        }
    }
}

/// A plain request with a sample merged into it. CPUs are taken from those that there are.
fn request(sample: &Value, cpus: Option<&str>) -> Result<Request, Error> {
    let value = json!({
        "id": ContainerId::from_random([0; 32]),
        "root": { "directory": "/srv/rootfs" },
        "process": { "args": ["/bin/true"], "search_path": false, "env": [], "set_home": false, "cwd": "/" },
    });
    let mut request = sample::request(value, sample)?;
    if let (Some(wanted), Some(cpus)) = (&mut request.limits.cpuset_cpus, cpus) {
        *wanted = cpus.split([',', '-']).next().unwrap_or("0").to_owned();
    }
    Ok(request)
}

fn usable(access: &GroupAccess) -> bool {
    matches!(access, GroupAccess::Below(_))
}

fn has_group(facts: &CgroupFacts) -> bool {
    facts.v1.iter().any(|it| usable(&it.access)) || facts.v2.iter().any(|it| usable(&it.access))
}

/// Version 2 has it since Linux 5.2 in every group; version 1 has a controller for it.
fn can_freeze(facts: &CgroupFacts) -> bool {
    let v1 = facts.v1.iter().any(|it| usable(&it.access) && it.controllers.contains(&Controller::Freezer));
    v1 || facts.v2.iter().any(|it| usable(&it.access))
}

/// Looks for a file in any group of a controller: the root of a hierarchy lacks some.
fn has_file(facts: &CgroupFacts, controller: Controller, names: &[&str]) -> bool {
    let v1 = facts.v1.iter().map(|it| (&it.mount, &it.own, &it.controllers, &it.access));
    let v2 = facts.v2.iter().map(|it| (&it.mount, &it.own, &it.controllers, &it.access));
    v1.chain(v2).any(|(mount, own, controllers, access)| {
        let GroupAccess::Below(base) = access else { return false };
        if !controllers.contains(&controller) {
            return false;
        }
        let below = super::store::path(&mount.join(base)).to_owned();
        let children = std::fs::read_dir(&below).into_iter().flatten().flatten().map(|entry| entry.path());
        let own = super::store::path(&mount.join(own)).to_owned();
        let mut groups = [below.clone(), own].into_iter().chain(children.filter(|path| path.is_dir()));
        groups.any(|group| names.iter().any(|name| group.join(name).exists()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> System {
        let root = std::env::temp_dir().join(format!("containerv-features-{}", std::process::id()));
        System::new(root.join("run"), root.join("data"), None)
    }

    #[test]
    fn every_sample_is_a_request() {
        for known in LINUX {
            let sample: Value = serde_json::from_str(known.sample).unwrap();
            let plain = request(&json!({}), None).unwrap();
            let request = request(&sample, Some("3-7")).unwrap();
            assert_eq!(request == plain, known.sample == "{}", "{}", known.name);
            if known.name == "limit-cpuset" {
                assert_eq!(request.limits.cpuset_cpus.as_deref(), Some("3"));
            }
        }
    }

    #[test]
    fn another_machine_has_other_features() {
        let system = system();
        let mut here = system.look_around().unwrap();
        let known = |name: &str| LINUX.iter().find(|known| known.name == name).unwrap();
        here.machine.cgroups = CgroupFacts::default();
        let reason = here.has(known("limit-memory")).unwrap_err();
        assert!(reason.contains("`--memory`"), "{reason}");
        assert!(here.has(known("pause")).unwrap_err().contains("control group"));
        (here.machine.uid, here.machine.capabilities) = (1000, containerv_spec::CapabilitySet::from_bits(0));
        assert!(here.has(known("namespace-time")).unwrap_err().contains("only root"));
        assert_eq!(here.has(known("rootfs-directory")), Ok(()));
    }

    #[test]
    fn this_machine_is_asked_for_everything() {
        let features = system().features();
        let linux = features.iter().filter(|feature| feature.backend == "linux");
        assert!(linux.clone().count() > LINUX.len());
        for feature in linux {
            assert!(feature.available != feature.reason.contains(' '), "{feature:?}");
            assert!(!feature.reason.contains("a sample is damaged"), "{feature:?}");
        }
        let find = |name: &str| features.iter().find(|feature| feature.name == name).unwrap();
        assert_eq!(find("micro-vm").label, FeatureLabel::NotOffered);
        let windows = features.iter().find(|it| it.backend == "hcs" && it.name == "containers").unwrap();
        assert_eq!(windows.label, FeatureLabel::NotAvailableHere);
        if rustix::process::geteuid().is_root() {
            assert!(find("rootfs-directory").available && find("namespace-pid").available, "{features:?}");
        }
    }
}
