//! The network service and its networks.

use containerv_spec::hcs::network::NetworkType;

use super::{Seen, enable, features, warning};
use crate::backend::hcs::facts::Facts;
use crate::doctor::{Check, CheckStatus};

pub(super) fn service(facts: &Facts) -> Check {
    let cause = "containers get no network without it; `--network none` needs none in a Hyper-V isolated one";
    if facts.network.is_installed() {
        return features::service("hns", facts.network, cause);
    }
    let fix = enable(facts.product, "Containers", "Containers");
    // A namespace is a thing of the network service, which each process-isolated container has.
    Check::bad("service hns", CheckStatus::Failed, "not installed", cause, fix)
}

pub(super) fn networks(seen: &Seen) -> Vec<Check> {
    let mut checks = Vec::new();
    if seen.facts.network.is_installed() {
        checks.push(known(seen));
    }
    if seen.no_ipv6 {
        checks.push(warning(
            "IPv6",
            "switched off (`DisabledComponents` is 0xFF)",
            "the network service does not work without it, whatever the containers use",
            r"`Remove-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\Tcpip6\Parameters DisabledComponents` elevated, and restart Windows",
        ));
    }
    checks
}

fn known(seen: &Seen) -> Check {
    const NAME: &str = "networks";
    match &seen.networks {
        Err([found, fix]) => {
            warning(NAME, found.clone(), "containers can have no network of the host", fix.clone())
        }
        Ok(networks) => {
            let names: Vec<String> =
                networks.iter().map(|known| format!("`{}` ({})", known.name, known.kind.name())).collect();
            let nat = networks.iter().any(|known| known.kind == NetworkType::Nat);
            let missing = if nat { "" } else { "`nat` is made with the first container that wants it" };
            let parts: Vec<&str> = names.iter().map(String::as_str).chain([missing]).collect();
            Check::ok(NAME, parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "))
        }
    }
}
