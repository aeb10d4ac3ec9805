//! What Windows this is, and what of it is installed.

use super::{Library, Seen, enable, failed, warning};
use crate::backend::hcs::facts::{Facts, Service};
use crate::doctor::Check;

/// The first build that has all that is used: Windows Server 2019, Windows 10 1809.
const FIRST_BUILD: u32 = 17763;

pub(super) fn windows(seen: &Seen) -> Check {
    const NAME: &str = "windows";
    let facts = &seen.facts;
    let found = format!("{}, build {}.{}", seen.name, facts.build, facts.revision);
    if facts.build < FIRST_BUILD {
        let cause = format!("containers need build {FIRST_BUILD} or later");
        return failed(NAME, found, cause, "use Windows Server 2019, Windows 10 1809 or later");
    }
    // `Core` is the family of Home editions, whatever its name suggests.
    if seen.edition.starts_with("Core") {
        let cause = "Home editions have neither containers nor Hyper-V";
        return failed(NAME, found, cause, "use Pro, Enterprise, Education or Windows Server");
    }
    Check::ok(NAME, found)
}

pub(super) fn containers(facts: &Facts) -> Check {
    const NAME: &str = "feature Containers";
    if facts.has_containers() {
        return Check::ok(NAME, "installed");
    }
    let cause = if facts.compute.is_installed() {
        "`computecore.dll` or `vmcompute.dll` cannot be loaded from System32"
    } else {
        "the service `vmcompute` is not installed"
    };
    failed(NAME, "missing", cause, enable(facts.product, "Containers", "Containers"))
}

/// Nothing is said of a service that is not there: the feature is.
pub(super) fn compute_service(facts: &Facts) -> Option<Check> {
    let cause = "nothing can be done with containers without it";
    facts.compute.is_installed().then(|| service("vmcompute", facts.compute, cause))
}

/// Judges a service that is installed.
pub(super) fn service(service: &str, found: Service, cause: &str) -> Check {
    let name = format!("service {service}");
    match found {
        Service::Running => Check::ok(&name, "runs"),
        Service::OnDemand | Service::Missing => Check::ok(&name, "starts when it is needed"),
        Service::Hidden => Check::ok(&name, "installed; the caller may not see its state"),
        Service::Disabled => {
            let fix = format!("`Set-Service {service} -StartupType Manual` elevated");
            failed(&name, "disabled", cause, fix)
        }
        Service::Stopped => {
            let fix =
                format!("`Start-Service {service}` elevated; the event log `System` says why it stopped");
            warning(&name, "stopped, although it starts with Windows", cause, fix)
        }
    }
}

pub(super) fn hyperv(facts: &Facts) -> Check {
    const NAME: &str = "Hyper-V";
    let without = "`--isolation hyperv` is refused; process isolation needs none of it";
    let hyperv = &facts.hyperv;
    if !hyperv.management.is_installed() {
        let fix = enable(facts.product, "Hyper-V -IncludeManagementTools", "Microsoft-Hyper-V");
        return warning(NAME, "not installed", without, fix);
    }
    if hyperv.hypervisor_runs() {
        return Check::ok(NAME, "installed, and its hypervisor runs");
    }
    let (why, fix) = if hyperv.firmware {
        (
            "Windows was started without it",
            "`bcdedit /set hypervisorlaunchtype auto` elevated, and restart Windows",
        )
    } else {
        (
            "the firmware allows no virtualization, or this is a virtual machine without it",
            "switch virtualization on in the firmware; for a virtual machine of Hyper-V, on its host: \
             `Set-VMProcessor -VMName NAME -ExposeVirtualizationExtensions $true`",
        )
    };
    warning(NAME, "installed, and no hypervisor runs", format!("{why}; {without}"), fix)
}

/// The functions that containers use.
const NEEDED: &[&str] = &[
    "ActivateLayer",
    "AttachVirtualDisk",
    "CreateSandboxLayer",
    "DeactivateLayer",
    "DestroyLayer",
    "ExpandSandboxSize",
    "GetLayerMountPath",
    "HNSCall",
    "HcnCreateEndpoint",
    "HcnCreateNamespace",
    "HcnCreateNetwork",
    "HcnDeleteEndpoint",
    "HcnDeleteNamespace",
    "HcnEnumerateNetworks",
    "HcnModifyNamespace",
    "HcnOpenNamespace",
    "HcnOpenNetwork",
    "HcnQueryNetworkProperties",
    "HcsCreateComputeSystem",
    "HcsCreateOperation",
    "HcsCreateProcess",
    "HcsGetComputeSystemProperties",
    "HcsGetProcessProperties",
    "HcsGetServiceProperties",
    "HcsModifyComputeSystem",
    "HcsModifyProcess",
    "HcsModifyServiceSettings",
    "HcsOpenComputeSystem",
    "HcsOpenProcess",
    "HcsPauseComputeSystem",
    "HcsRegisterComputeSystemCallback",
    "HcsRegisterProcessCallback",
    "HcsResumeComputeSystem",
    "HcsSetComputeSystemCallback",
    "HcsSetProcessCallback",
    "HcsShutDownComputeSystem",
    "HcsShutdownComputeSystem",
    "HcsSignalProcess",
    "HcsStartComputeSystem",
    "HcsTerminateComputeSystem",
    "HcsTerminateProcess",
    "HcsWaitForOperationResult",
    "HcsWaitForOperationResultAndProcessInfo",
    "NameToGuid",
    "OpenVirtualDisk",
    "PrepareLayer",
    "UnprepareLayer",
];

pub(super) fn libraries(libraries: &[Library]) -> Check {
    const NAME: &str = "libraries";
    let fix = "enable the feature `Containers`, and install the updates of Windows";
    let unloaded: Vec<&str> = libraries.iter().filter(|it| !it.loaded).map(|it| it.name).collect();
    if !unloaded.is_empty() {
        let found = format!("cannot load {} from System32", unloaded.join(", "));
        return failed(NAME, found, "containers are made by their functions", fix);
    }
    let lacks = libraries.iter().filter_map(|library| {
        let missing: Vec<&str> =
            library.missing.iter().copied().filter(|function| NEEDED.contains(function)).collect();
        (!missing.is_empty()).then(|| format!("{} lacks {}", library.name, missing.join(", ")))
    });
    let lacks: Vec<String> = lacks.collect();
    if lacks.is_empty() {
        return Check::ok(NAME, "have all functions that are used");
    }
    warning(NAME, lacks.join("; "), "what needs these functions is refused by their name", fix)
}

pub(super) fn monitor(found: &Result<(), [String; 2]>) -> Check {
    const NAME: &str = "monitor";
    match found {
        Ok(()) => Check::ok(NAME, "commands can outlive their caller"),
        Err([found, fix]) => {
            let cause = "`cv run -d`, and `cv create` with a command, are refused";
            warning(NAME, found.clone(), cause, fix.clone())
        }
    }
}

/// Nothing needs it with this version.
pub(super) fn wsl(installed: bool) -> Check {
    Check::ok("WSL", if installed { "installed; not used" } else { "not installed; not needed" })
}
