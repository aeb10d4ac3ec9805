//! Our calls beside those that Microsoft's own client (hcsshim, state of August 2026) makes for the same container,
//! as a run of it was recorded. Each difference has its reason; another one fails.

use std::collections::BTreeMap;

use containerv_spec::plan::hcs::{HcsPlan, Stage};
use containerv_spec::request::Isolation;

use super::{changed, image, on, planned, server};

/// From the request to the running command, two layers, one endpoint, process isolation. The scratch layer and
/// the endpoint were there already.
const PROCESS: &str = "HcnCreateNamespace HcnQueryNamespaceProperties HcnCloseNamespace HcnOpenNamespace HcnModifyNamespace \
    HcnQueryNamespaceProperties HcnCloseNamespace ActivateLayer NameToGuid NameToGuid PrepareLayer GetLayerMountPath \
    GetLayerMountPath NameToGuid NameToGuid HcsCreateOperation HcsCreateComputeSystem HcsWaitForOperationResult \
    HcsCloseOperation HcsSetComputeSystemCallback HcsCreateOperation HcsGetComputeSystemProperties \
    HcsWaitForOperationResult HcsCloseOperation HcsCreateOperation HcsStartComputeSystem HcsWaitForOperationResult \
    HcsCloseOperation HcsCreateOperation HcsCreateProcess HcsWaitForOperationResultAndProcessInfo HcsCloseOperation \
    HcsSetProcessCallback";

/// The same with the older generation; the endpoint was there already.
const OLDER: &str = "HcsCreateComputeSystem HcsRegisterComputeSystemCallback HcsGetComputeSystemProperties \
    HcsStartComputeSystem HcsCreateProcess HcsRegisterProcessCallback";

/// Calls that we make more (positive) or fewer (negative) times, and why.
type Difference = (&'static str, i32, &'static str);

const ENDPOINT: [Difference; 5] = [
    ("HcnEnumerateNetworks", 1, "we make the endpoint; theirs was made by a network plug-in before"),
    ("HcnOpenNetwork", 1, "as above"),
    ("HcnCreateEndpoint", 1, "as above"),
    ("HcnCloseEndpoint", 1, "as above"),
    ("HcnCloseNetwork", 1, "as above"),
];

const PROCESS_DIFFERENCES: &[Difference] = &[
    ("HcnQueryNamespaceProperties", -2, "we choose the namespace's GUID, so there is nothing to ask for"),
    ("NameToGuid", -4, "asked for once, when the container is made, and stored with it"),
    ("HcsGetComputeSystemProperties", -1, "asked for when somebody wants to know"),
    ("HcsCreateOperation", -1, "of that question"),
    ("HcsWaitForOperationResult", -1, "of that question"),
    ("HcsCloseOperation", -1, "of that question"),
];

const OLDER_DIFFERENCES: &[Difference] =
    &[("HcsGetComputeSystemProperties", -1, "asked for when somebody wants to know")];

fn exports(plan: &HcsPlan) -> Vec<&str> {
    let start = plan.steps.iter().filter(|step| step.stage == Stage::Start);
    start.flat_map(|step| step.exports.iter().map(String::as_str)).collect()
}

fn counted<'a>(names: &[&'a str]) -> BTreeMap<&'a str, i32> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(*name).or_insert(0) += 1;
    }
    counts
}

fn compare(plan: &HcsPlan, theirs: &str, differences: &[Difference]) {
    let (ours, theirs) = (exports(plan), theirs.split_whitespace().collect::<Vec<_>>());
    let explained: BTreeMap<&str, i32> =
        ENDPOINT.iter().chain(differences).map(|entry| (entry.0, entry.1)).collect();
    let (own, other) = (counted(&ours), counted(&theirs));
    for name in own.keys().chain(other.keys()) {
        let more = own.get(name).unwrap_or(&0) - other.get(name).unwrap_or(&0);
        assert_eq!(more, *explained.get(name).unwrap_or(&0), "{name}: not explained");
    }
    assert!(ENDPOINT.iter().chain(differences).all(|entry| !entry.2.is_empty()));
    // What both do, they do in the same order.
    let common = |names: &[&str]| -> Vec<String> {
        let shared = names.iter().filter(|name| !explained.contains_key(*name));
        shared.map(|name| (*name).to_owned()).collect()
    };
    assert_eq!(common(&ours), common(&theirs));
}

#[test]
fn each_difference_to_the_reference_client_has_a_reason() {
    let request = changed(|request| (request.root, request.network) = (image(20348), on("nat")));
    let plan = planned(&request, &server());
    compare(&plan, PROCESS, PROCESS_DIFFERENCES);
    let without_the_endpoint = exports(&plan).len() - ENDPOINT.len();
    assert!(without_the_endpoint < PROCESS.split_whitespace().count());
    let request = changed(|request| (request.isolation, request.network) = (Isolation::Vm, on("nat")));
    compare(&planned(&request, &server()), OLDER, OLDER_DIFFERENCES);
}
