//! Whether an image fits this machine, told before a byte of a layer is downloaded.

use containerv_spec::hcs::build;
use containerv_spec::image::{Digest, Platform, Reference};

/// How containers of an image run on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fit {
    /// Not at all.
    No,
    /// In a virtual machine only: Hyper-V isolation.
    Vm,
    /// As processes of this machine.
    Process,
}

/// What is known of an image before it is downloaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The image.
    pub reference: Reference,
    /// What the registry has under it.
    pub digest: Digest,
    /// The image that was chosen for the platform; none if there is none for it.
    pub platform: Option<Platform>,
    /// How its containers run here.
    pub fit: Fit,
    /// Why.
    pub reason: String,
    /// What would run here instead, or what to do.
    pub hint: Option<String>,
    /// All that the reference offers.
    pub offered: Vec<Platform>,
    /// Bytes of its layers.
    pub size: u64,
    /// How many of them are not here yet.
    pub missing: u64,
}

/// A judgement of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) fit: Fit,
    pub(super) reason: String,
}

/// Judges an image for this platform; `build` is that of the Windows that this machine has.
pub(super) fn judge(image: &Platform, host: &Platform, host_build: Option<u32>) -> Judgement {
    let no = |reason: String| Judgement { fit: Fit::No, reason };
    if image.os != host.os {
        return no(format!("images for {} do not run on {}", image.os, host.os));
    }
    if !runs_on(&image.architecture, &host.architecture) {
        return no(format!(
            "it is for {} processors, and this machine has {}",
            image.architecture, host.architecture
        ));
    }
    let build = image.os_version.as_deref().and_then(build::of_version);
    let (Some(image), Some(host)) = (build, host_build) else {
        return Judgement { fit: Fit::Process, reason: format!("it is for {image}") };
    };
    match build::fit(host, image) {
        build::Fit::Process => {
            let reason = format!("its build {image} shares the kernel of this machine's {host}");
            Judgement { fit: Fit::Process, reason }
        }
        build::Fit::HypervOnly => {
            let reason = format!(
                "its build {image} runs in Hyper-V isolation only: this machine's {host} shares its kernel with builds from {} on",
                build::lowest_sharing(host)
            );
            Judgement { fit: Fit::Vm, reason }
        }
        build::Fit::TooNew => no(format!("its build {image} is newer than this machine's {host}")),
    }
}

/// Which of the offered images fits best, if any does.
pub(super) fn best<'a>(
    offered: &'a [Platform],
    host: &Platform,
    host_build: Option<u32>,
) -> Option<&'a Platform> {
    let judged = offered.iter().map(|platform| (judge(platform, host, host_build).fit, platform));
    let fitting = judged.filter(|(fit, _)| *fit != Fit::No);
    fitting
        .max_by_key(|(fit, platform)| (*fit, platform.os_version.as_deref().and_then(build::parts)))
        .map(|found| found.1)
}

/// Says whether processors of one kind run programs for another.
fn runs_on(image: &str, host: &str) -> bool {
    image == host || matches!((image, host), ("386", "amd64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(version: &str) -> Platform {
        Platform { os_version: Some(version.to_owned()), ..Platform::new("windows", "amd64") }
    }

    #[test]
    fn images_fit_by_system_processor_and_build() {
        let (linux, server) = (Platform::new("linux", "amd64"), Platform::new("windows", "amd64"));
        for (image, host, build, fit) in [
            (Platform::new("linux", "amd64"), &linux, None, Fit::Process),
            (Platform::new("linux", "386"), &linux, None, Fit::Process),
            (Platform::new("linux", "arm64"), &linux, None, Fit::No),
            (windows("10.0.20348.2527"), &linux, None, Fit::No),
            (Platform::new("linux", "amd64"), &server, Some(20348), Fit::No),
            (windows("10.0.20348.2527"), &server, Some(20348), Fit::Process),
            (windows("10.0.20348.2527"), &server, Some(26100), Fit::Process),
            (windows("10.0.17763.1"), &server, Some(20348), Fit::Vm),
            (windows("10.0.26100.1"), &server, Some(20348), Fit::No),
            (server.clone(), &server, Some(20348), Fit::Process),
        ] {
            assert_eq!(judge(&image, host, build).fit, fit, "{image} on {host} {build:?}");
        }
    }

    #[test]
    fn the_best_of_an_index_shares_the_kernel_and_is_the_newest() {
        let server = Platform::new("windows", "amd64");
        let offered = ["10.0.17763.5", "10.0.20348.1", "10.0.20348.9", "10.0.26100.1"].map(windows);
        let version = |build| best(&offered, &server, Some(build)).and_then(|found| found.os_version.clone());
        assert_eq!(version(20348).as_deref(), Some("10.0.20348.9"));
        assert_eq!(version(19045).as_deref(), Some("10.0.17763.5"));
        assert_eq!(version(26100).as_deref(), Some("10.0.26100.1"));
        assert_eq!(version(14393), None);
        assert_eq!(best(&offered, &Platform::new("linux", "amd64"), None), None);
    }
}
