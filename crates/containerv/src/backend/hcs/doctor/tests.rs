//! Other machines than this one.

use containerv_spec::hcs::machine::{Product, Rights, WindowsMachine};

use super::{Library, Root, Seen};
use crate::backend::hcs::facts::Service;
use crate::backend::hcs::facts::tests::server;
use crate::doctor::{Check, CheckStatus};

/// A server where all is well.
fn well() -> Seen {
    Seen {
        facts: server(),
        name: "Windows Server 2022 Datacenter".to_owned(),
        edition: "ServerDatacenter".to_owned(),
        libraries: vec![Library {
            name: "computecore.dll",
            loaded: true,
            missing: vec!["HcsCrashComputeSystem"],
        }],
        privileges: true,
        root: Root {
            path: r"C:\ProgramData\containerv".to_owned(),
            is_directory: Some(true),
            access: Some("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)".to_owned()),
            user: "S-1-5-21-1-2-3-1001".to_owned(),
            not_writable: None,
            file_system: Some("NTFS".to_owned()),
            free_bytes: Some(100 << 30),
        },
        long_paths: true,
        networks: Ok(WindowsMachine::assumed().networks),
        no_ipv6: false,
        scanners: Vec::new(),
        monitor: Ok(()),
        wsl: false,
    }
}

/// The checks of a machine on which this is different that do not come out well.
fn bad(change: impl FnOnce(&mut Seen)) -> Vec<Check> {
    let mut seen = well();
    change(&mut seen);
    let checks = seen.checks();
    checks.iter().for_each(complete);
    checks.into_iter().filter(|check| check.status != CheckStatus::Ok).collect()
}

fn complete(check: &Check) {
    assert!(!check.name.is_empty() && !check.found.is_empty(), "{check:?}");
    let well = check.status == CheckStatus::Ok;
    assert_eq!((check.cause.is_empty(), check.fix.is_empty()), (well, well), "{check:?}");
}

fn text(checks: &[Check]) -> String {
    let line = |check: &Check| {
        format!(
            "{:?} {}: {}\n  cause: {}\n  fix: {}",
            check.status, check.name, check.found, check.cause, check.fix
        )
    };
    checks.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_machine_where_all_is_well_has_no_complaints() {
    assert_eq!(bad(|_| ()), []);
    let lines: Vec<String> = well().checks().iter().map(|it| format!("{}: {}", it.name, it.found)).collect();
    insta::assert_snapshot!("well", lines.join("\n"));
}

#[test]
fn a_machine_without_anything_is_told_everything() {
    let checks = bad(|seen| {
        seen.facts.build = 14393;
        seen.facts.libraries = false;
        seen.facts.compute = Service::Missing;
        seen.facts.network = Service::Missing;
        seen.facts.hyperv.management = Service::Missing;
        seen.facts.rights = Rights::None;
        seen.privileges = false;
        seen.libraries[0].loaded = false;
        seen.root.not_writable = Some("access is denied (ERROR_ACCESS_DENIED)".to_owned());
        seen.root.file_system = Some("ReFS".to_owned());
        seen.root.free_bytes = Some(5 << 20);
        seen.long_paths = false;
        seen.no_ipv6 = true;
        seen.scanners = vec!["Microsoft Defender"];
        seen.monitor = Err(["no `cv.exe` beside this program".to_owned(), "put it there".to_owned()]);
    });
    insta::assert_snapshot!("nothing", text(&checks));
}

#[test]
fn a_client_has_commands_of_its_own() {
    let checks = bad(|seen| {
        seen.facts.product = Product::Client;
        seen.facts.compute = Service::Missing;
        seen.facts.hyperv.management = Service::Missing;
        seen.edition = "Core".to_owned();
    });
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["windows", "feature Containers", "Hyper-V"]);
    assert!(checks[0].cause.contains("Home"));
    for check in &checks[1..] {
        assert!(check.fix.starts_with("`Enable-WindowsOptionalFeature -Online"), "{check:?}");
    }
}

#[test]
fn a_hypervisor_that_does_not_run_has_two_causes() {
    let stopped = |firmware| {
        move |seen: &mut Seen| {
            seen.facts.hyperv.driver = Service::OnDemand;
            seen.facts.hyperv.processor = Some(false);
            seen.facts.hyperv.firmware = firmware;
        }
    };
    let checks = [bad(stopped(true)), bad(stopped(false))].concat();
    assert!(checks[0].fix.contains("bcdedit") && checks[1].fix.contains("ExposeVirtualizationExtensions"));
}

#[test]
fn services_are_judged_by_state_and_start() {
    for (service, status) in [
        (Service::Running, None),
        (Service::OnDemand, None),
        (Service::Hidden, None),
        (Service::Stopped, Some(CheckStatus::Warning)),
        (Service::Disabled, Some(CheckStatus::Failed)),
    ] {
        for name in ["service vmcompute", "service hns"] {
            let checks = bad(|seen| match name {
                "service hns" => seen.facts.network = service,
                _ => seen.facts.compute = service,
            });
            assert_eq!(checks.first().map(|check| check.status), status, "{name}: {service:?}");
            assert!(checks.iter().all(|check| check.name == name), "{checks:?}");
        }
    }
}

#[test]
fn roots_of_others_are_told() {
    let root = |change: fn(&mut Root)| {
        let mut checks = bad(|seen| change(&mut seen.root));
        assert_eq!(checks.len(), 1, "{checks:?}");
        checks.remove(0)
    };
    let open = root(|root| root.access = Some("O:BAD:(A;OICI;FA;;;SY)(A;;DCLC;;;BU)".to_owned()));
    assert!(open.status == CheckStatus::Failed && open.found.contains("by users"), "{open:?}");
    assert!(open.fix.contains("icacls") && open.fix.contains("*S-1-5-32-544"));
    let foreign = root(|root| root.access = Some("O:S-1-5-21-9D:(A;;FA;;;SY)".to_owned()));
    assert!(foreign.found.contains("belongs to `S-1-5-21-9`"), "{foreign:?}");
    assert!(root(|root| root.is_directory = Some(false)).found.contains("no directory"));
    assert_eq!(root(|root| root.access = Some("D:(A".to_owned())).status, CheckStatus::Warning);
}

#[test]
fn a_member_of_hyperv_administrators_is_told_what_is_not_for_him() {
    let checks = bad(|seen| {
        seen.facts.rights = Rights::HypervAdministrator;
        seen.privileges = false;
    });
    assert!(checks.iter().all(|check| check.status == CheckStatus::Warning), "{checks:?}");
    assert_eq!(checks.len(), 2);
}

#[test]
fn functions_that_are_used_and_missing_are_named() {
    let checks = bad(|seen| seen.libraries[0].missing.push("HcsSetProcessCallback"));
    assert_eq!(checks[0].found, "computecore.dll lacks HcsSetProcessCallback");
}

#[test]
fn networks_that_cannot_be_listed_are_no_failure() {
    let checks = bad(|seen| seen.networks = Err(["the service is gone".to_owned(), "start it".to_owned()]));
    assert_eq!((checks.len(), checks[0].status), (1, CheckStatus::Warning));
}
