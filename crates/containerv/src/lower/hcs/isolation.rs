//! Which isolation a container gets, and why.

use containerv_spec::hcs::machine::{Product, Rights, WindowsMachine};
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::request::{Isolation, Request, Root};

use crate::{Error, ErrorKind};

/// The first build with computecore.dll and schema 2.1: Windows 10 1809, Server 2019.
const FIRST_BUILD: u32 = 17763;
/// From here on a host runs images of some builds before its own in process isolation.
const FIRST_TOLERANT: u32 = 20348;
/// Builds that later hosts count back to, newest first.
const LOWER_BOUNDS: [u32; 2] = [26100, 20348];

/// Chooses. What cannot be chosen is a problem, and processes stand in.
pub(super) fn choose(
    request: &Request,
    machine: &WindowsMachine,
) -> (HcsIsolation, Option<String>, Vec<Error>) {
    let mut problems = machine_problems(machine);
    let image = match image_build(request) {
        Ok(image) => image,
        Err(error) => {
            problems.push(error);
            None
        }
    };
    let (chosen, note) = wanted(request.isolation, image, machine);
    problems.extend(possible(chosen, image, machine));
    (chosen, note, problems)
}

/// The build in the image's version, as 20348 in `10.0.20348.2527`.
fn image_build(request: &Request) -> Result<Option<u32>, Error> {
    let Root::Layers(layers) = &request.root else { return Ok(None) };
    let Some(version) = &layers.os_version else { return Ok(None) };
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([10, 0, build] | [10, 0, build, _]) => Ok(Some(*build)),
        _ => Err(Error::new(ErrorKind::InvalidArgument, format!("`{version}` is not a version of Windows"))
            .with_hint("write it as an image has it: `10.0.20348.2527`")),
    }
}

/// Docker's rule, and the table of builds where the request leaves it open.
fn wanted(asked: Isolation, image: Option<u32>, machine: &WindowsMachine) -> (HcsIsolation, Option<String>) {
    let host = machine.build;
    match (asked, machine.product) {
        (Isolation::Process, _) => (HcsIsolation::Process, None),
        (Isolation::Vm, _) => (HcsIsolation::Hyperv, None),
        (Isolation::Default, Product::Client) => {
            let why = "Hyper-V isolation: the usual one on a client of Windows".to_owned();
            (HcsIsolation::Hyperv, Some(why))
        }
        (Isolation::Default, Product::Server) => match image {
            Some(image) if !shares_kernel(host, image) => {
                let why = format!(
                    "Hyper-V isolation: the image is of build {image}, and a host of build {host} shares its \
                     kernel with {} only",
                    sharing(host)
                );
                (HcsIsolation::Hyperv, Some(why))
            }
            Some(image) => {
                let why = format!(
                    "process isolation: the usual one on a server, and the image's build {image} fits the host's {host}"
                );
                (HcsIsolation::Process, Some(why))
            }
            None => {
                let why = "process isolation: the usual one on a server; the image's build is not known and taken to fit";
                (HcsIsolation::Process, Some(why.to_owned()))
            }
        },
    }
}

/// Says whether a host runs an image of this build in process isolation.
fn shares_kernel(host: u32, image: u32) -> bool {
    lowest(host) <= image && image <= host
}

/// The oldest build that a host shares its kernel with.
fn lowest(host: u32) -> u32 {
    if host < FIRST_TOLERANT {
        return host;
    }
    LOWER_BOUNDS.into_iter().find(|bound| *bound < host).unwrap_or(FIRST_TOLERANT)
}

fn sharing(host: u32) -> String {
    match lowest(host) {
        lowest if lowest == host => format!("images of build {host}"),
        lowest => format!("images of the builds {lowest} to {host}"),
    }
}

fn machine_problems(machine: &WindowsMachine) -> Vec<Error> {
    let mut problems = Vec::new();
    let mut problem =
        |kind, message: String, hint: &str| problems.push(Error::new(kind, message).with_hint(hint));
    if machine.build < FIRST_BUILD {
        problem(
            ErrorKind::Unavailable,
            format!("Windows of build {} is too old", machine.build),
            "containers need Windows Server 2019 or Windows 10 1809, build 17763, or later",
        );
    }
    if !machine.containers {
        problem(
            ErrorKind::Unavailable,
            "the Windows feature `Containers` is missing".to_owned(),
            "`Enable-WindowsOptionalFeature -Online -FeatureName Containers -All`, and restart",
        );
    }
    if machine.rights == Rights::None {
        problem(
            ErrorKind::PermissionDenied,
            "the caller is neither administrator nor Hyper-V administrator".to_owned(),
            "run elevated, or add the user to the group `Hyper-V Administrators` for Hyper-V isolation",
        );
    }
    problems
}

/// What stands against the isolation on this machine with this image.
fn possible(chosen: HcsIsolation, image: Option<u32>, machine: &WindowsMachine) -> Vec<Error> {
    let host = machine.build;
    let mut problems = Vec::new();
    let mut problem =
        |kind, message: String, hint: &str| problems.push(Error::new(kind, message).with_hint(hint));
    match (chosen, image) {
        (HcsIsolation::Process, Some(image)) if !shares_kernel(host, image) => problem(
            ErrorKind::Unavailable,
            format!(
                "`--isolation process`: the image is of build {image}, and a host of build {host} shares its kernel \
                 with {} only",
                sharing(host)
            ),
            "use `--isolation hyperv`, or an image of the host's build",
        ),
        (HcsIsolation::Hyperv, Some(image)) if image > host => problem(
            ErrorKind::Unavailable,
            format!(
                "the image is of build {image}, and a host of build {host} runs its own and older builds only"
            ),
            "use an image of the host's build",
        ),
        _ => {}
    }
    match chosen {
        HcsIsolation::Process if machine.rights == Rights::HypervAdministrator => problem(
            ErrorKind::PermissionDenied,
            "process isolation needs an elevated caller at each start".to_owned(),
            "run elevated, or use `--isolation hyperv`",
        ),
        HcsIsolation::Hyperv if !machine.hyperv => problem(
            ErrorKind::Unavailable,
            "Hyper-V isolation: there is no hypervisor".to_owned(),
            "`Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All` and virtualization in the firmware, \
             or `--isolation process` with an image of the host's build; `cv doctor` says what is missing",
        ),
        _ => {}
    }
    problems
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
}
