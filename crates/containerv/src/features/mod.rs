//! What is offered, and what of it works on this machine: the capability document.

#[cfg(target_os = "linux")]
pub(crate) mod linux;
pub(crate) mod sample;
#[cfg(any(windows, test))]
pub(crate) mod windows;

use serde::Serialize;

use crate::Host;

/// How far a feature's claim goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub enum FeatureLabel {
    /// It works here, and the tests run it on Linux.
    #[serde(rename = "proved on Linux")]
    ProvedOnLinux,
    /// It should work here: the tests see its effect with stand-ins of Windows' own libraries, and no
    /// Windows was there.
    #[serde(rename = "proved on the stand-ins under Wine")]
    ProvedOnStandIns,
    /// It should work here: what Windows is sent for it is checked against the published documents, and
    /// no test has seen an effect.
    #[serde(rename = "documents checked")]
    DocumentsChecked,
    /// It works here, and somebody has seen the tests pass on a Windows machine.
    #[serde(rename = "seen on Windows")]
    SeenOnWindows,
    /// The backend offers it, and this machine or its caller lacks what it needs.
    #[serde(rename = "not available here")]
    NotAvailableHere,
    /// No machine has it with this version.
    #[serde(rename = "not offered yet")]
    NotOffered,
}

/// One feature of one backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Feature {
    /// The backend: `linux`, `hcs` (Windows, process isolation), `hcs-hyperv` (Windows, Hyper-V
    /// isolation), `vm` or `wsl`.
    pub backend: &'static str,
    /// The feature's name, which stays. Where two backends have the same name, it is the same feature.
    pub name: &'static str,
    /// The caller can use it on this machine.
    pub available: bool,
    /// Why not; empty if it can be used.
    pub reason: String,
    /// How far the claim goes.
    pub label: FeatureLabel,
}

/// What a backend says of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It can be used here, and this is known of it.
    Works(FeatureLabel),
    /// This machine or its caller lacks something.
    Lacks(String),
    /// No machine has it.
    Never(String),
}

impl Offer {
    /// Of a feature that has a label where it is not missing.
    pub(crate) fn of(asked: Result<(), String>, label: FeatureLabel) -> Self {
        asked.map_or_else(Self::Lacks, |()| Self::Works(label))
    }

    pub(crate) fn feature(self, backend: &'static str, name: &'static str) -> Feature {
        let (available, reason, label) = match self {
            Self::Works(label) => (true, String::new(), label),
            Self::Lacks(reason) => (false, reason, FeatureLabel::NotAvailableHere),
            Self::Never(reason) => (false, reason, FeatureLabel::NotOffered),
        };
        Feature { backend, name, available, reason, label }
    }
}

/// What no machine has with this version, by backend.
const NOT_OFFERED: [(&str, &str); 14] = [
    ("linux", "network-bridge"),
    ("linux", "published-ports"),
    ("linux", "image-registry"),
    ("linux", "image-build"),
    ("linux", "image-import"),
    ("linux", "checkpoint"),
    ("linux", "landlock"),
    ("hcs", "image-registry"),
    ("hcs", "image-build"),
    ("hcs", "image-import"),
    ("hcs-hyperv", "linux-utility-vm"),
    ("vm", "micro-vm"),
    ("wsl", "linux-container"),
    ("wsl", "host-directory"),
];

/// The whole document: features of this system's own backends, what others need, and what nobody has.
pub(crate) fn document(own: Vec<Feature>) -> Vec<Feature> {
    let plans = Offer::Works(FeatureLabel::ProvedOnLinux);
    let mut features = own;
    features.push(plans.feature("hcs", "plans"));
    let elsewhere: &[(&str, &str)] = if cfg!(windows) {
        &[("linux", "a Linux")]
    } else {
        &[("hcs", "a Windows"), ("hcs-hyperv", "a Windows")]
    };
    for (backend, host) in elsewhere {
        features.push(Offer::Lacks(format!("it needs {host} host")).feature(backend, "containers"));
    }
    let never = || Offer::Never("this version does not have it".to_owned());
    features.extend(NOT_OFFERED.iter().map(|(backend, name)| never().feature(backend, name)));
    features
}

impl Host {
    /// Returns every feature of the backends of this system, whether the caller can use it here, and the
    /// other backends in short.
    ///
    /// A feature is available if a request with it can be lowered for this machine and the machine has
    /// what the request needs. Nothing is made or changed.
    pub fn features(&self) -> Vec<Feature> {
        self.system.features()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_feature_is_named_once_and_has_a_reason_if_it_is_missing() {
        let own = vec![
            Offer::of(Ok(()), FeatureLabel::ProvedOnLinux).feature("linux", "keeper"),
            Offer::of(Err("no".to_owned()), FeatureLabel::ProvedOnLinux).feature("linux", "init"),
        ];
        let features = document(own);
        let names: HashSet<_> = features.iter().map(|feature| (feature.backend, feature.name)).collect();
        assert_eq!(names.len(), features.len());
        for feature in &features {
            assert_eq!(feature.reason.is_empty(), feature.available, "{feature:?}");
            assert_eq!(feature.label == FeatureLabel::ProvedOnLinux, feature.available, "{feature:?}");
        }
        let json = serde_json::to_value(&features).unwrap_or_default();
        assert!(json.as_array().is_some_and(|all| {
            all.iter().any(|it| it["name"] == "init" && it["label"] == "not available here")
        }));
    }
}
