//! Which isolation a container gets, and why.

use containerv_spec::hcs::build::{self, lowest_sharing, shares_kernel};
use containerv_spec::hcs::machine::{Product, Rights, WindowsMachine};
use containerv_spec::plan::hcs::HcsIsolation;
use containerv_spec::request::{Isolation, Request, Root};

use crate::{Error, ErrorKind};

/// The first build with computecore.dll and schema 2.1: Windows 10 1809, Server 2019.
const FIRST_BUILD: u32 = 17763;
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
    match build::of_version(version) {
        Some(build) => Ok(Some(build)),
        None => {
            Err(Error::new(ErrorKind::InvalidArgument, format!("`{version}` is not a version of Windows"))
                .with_hint("write it as an image has it: `10.0.20348.2527`"))
        }
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

fn sharing(host: u32) -> String {
    match lowest_sharing(host) {
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
