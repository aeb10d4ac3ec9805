//! Builds of Windows: which images a host runs, and how.

/// From here on a host runs images of some builds before its own in process isolation.
const FIRST_TOLERANT: u32 = 20348;
/// Builds that later hosts count back to, newest first.
const LOWER_BOUNDS: [u32; 2] = [26100, 20348];

/// The build in a version of Windows as images have it: 20348 in `10.0.20348.2527`.
pub fn of_version(version: &str) -> Option<u32> {
    parts(version).map(|(build, _)| build)
}

/// Build and revision in a version of Windows as images have it; without a revision it is 0.
pub fn parts(version: &str) -> Option<(u32, u32)> {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([10, 0, build]) => Some((*build, 0)),
        Some([10, 0, build, revision]) => Some((*build, *revision)),
        _ => None,
    }
}

/// Says whether a host runs an image of this build in process isolation, by the published table.
pub fn shares_kernel(host: u32, image: u32) -> bool {
    lowest_sharing(host) <= image && image <= host
}

/// The oldest build that a host shares its kernel with.
pub fn lowest_sharing(host: u32) -> u32 {
    if host < FIRST_TOLERANT {
        return host;
    }
    LOWER_BOUNDS.into_iter().find(|bound| *bound < host).unwrap_or(FIRST_TOLERANT)
}

/// How an image of some build runs on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Not at all: it is newer than the host.
    TooNew,
    /// In Hyper-V isolation only.
    HypervOnly,
    /// In process isolation, too.
    Process,
}

/// Says how an image of a build runs on a host of a build.
pub fn fit(host: u32, image: u32) -> Fit {
    if image > host {
        Fit::TooNew
    } else if shares_kernel(host, image) {
        Fit::Process
    } else {
        Fit::HypervOnly
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published table: Server 2019, 2022, 23H2, 2025 and Windows 11 with its images.
    #[test]
    fn builds_share_a_kernel_by_the_table() {
        for (host, image, fits) in [
            (17763, 17763, true),
            (17763, 14393, false),
            (19045, 17763, false),
            (20348, 20348, true),
            (20348, 17763, false),
            (20348, 26100, false),
            (22621, 20348, true),
            (22631, 17763, false),
            (25398, 20348, true),
            (26100, 20348, true),
            (26100, 26100, true),
            (26100, 17763, false),
            (26200, 26100, true),
            (26200, 20348, false),
        ] {
            assert_eq!(shares_kernel(host, image), fits, "host {host}, image {image}");
        }
    }

    #[test]
    fn an_image_fits_fully_by_virtual_machine_or_not() {
        for (host, image, how) in [
            (20348, 20348, Fit::Process),
            (26100, 20348, Fit::Process),
            (20348, 17763, Fit::HypervOnly),
            (17763, 14393, Fit::HypervOnly),
            (20348, 26100, Fit::TooNew),
        ] {
            assert_eq!(fit(host, image), how, "host {host}, image {image}");
        }
    }

    #[test]
    fn a_version_has_a_build() {
        assert_eq!(parts("10.0.20348.2527"), Some((20348, 2527)));
        assert_eq!(of_version("10.0.17763"), Some(17763));
        for wrong in ["", "10.0", "10.0.x", "6.3.9600.1", "10.0.1.2.3", "10.0.99999999999", "10.0.+5"] {
            let expected = if wrong == "10.0.+5" { Some(5) } else { None };
            assert_eq!(of_version(wrong), expected, "{wrong}");
        }
    }
}
