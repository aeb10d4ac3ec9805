//! Forbidden system calls through every table of the machine.

use std::collections::BTreeMap;

use containerv::spec::request::{Request, Seccomp};
use containerv_tests::{Bed, programs};

/// Returns what came of each call, by table and name.
fn results(bed: &Bed, change: impl FnOnce(&mut Request)) -> BTreeMap<String, String> {
    let text = bed.text(change, "calls");
    let parts = text.lines().map(|line| line.rsplit_once(' ').unwrap());
    parts.map(|(call, result)| (call.to_owned(), result.to_owned())).collect()
}

fn is_allowed(call: &str) -> bool {
    call.ends_with("shmget")
}

#[test]
fn cve_2026_112917_forbidden_calls_are_refused_through_every_table_of_the_machine() {
    let bed = Bed::new();
    programs::compile("calls", &bed.in_root("bin/calls"));
    // What the kernel itself says tells whether it is the filter that refuses.
    let kernel = results(&bed, |request| request.security.seccomp = Seccomp::Unconfined);
    let filtered = results(&bed, |_| {});
    assert_eq!(kernel.len(), 45);
    assert!(kernel.keys().eq(filtered.keys()));
    let tables = ["x86_64 ", "x32 ", "i386 "];
    for (call, result) in &filtered {
        let by_kernel = &kernel[call];
        if by_kernel.starts_with("signal") {
            println!("{call}: this kernel has no such table");
            continue;
        }
        let refusal = if call.ends_with("clone3") { "ENOSYS" } else { "EPERM" };
        if is_allowed(call) {
            assert_eq!(result, by_kernel, "{call}");
        } else {
            assert_eq!(result, refusal, "{call}, by the kernel {by_kernel}");
        }
    }
    // The comparison means something only where the kernel by itself says something else.
    for table in tables {
        let told = kernel.iter().filter(|(call, result)| {
            call.starts_with(table) && !is_allowed(call) && **result != filtered[*call]
        });
        let count = told.count();
        assert!(count >= 8 || kernel[&format!("{table}add_key")].starts_with("signal"), "{table}{count}");
    }
}

#[test]
fn cve_2026_112917_multiplexers_of_the_machine_are_no_way_around_a_profile() {
    let bed = Bed::new();
    programs::compile("calls", &bed.in_root("bin/calls"));
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["shmget"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
            {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38,
             "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]},
        ],
    });
    let profile: Box<containerv::spec::seccomp::Profile> = serde_json::from_value(profile).unwrap();
    let found = results(&bed, |request| request.security.seccomp = Seccomp::Profile(profile));
    if found["i386 add_key"].starts_with("signal") {
        println!("this kernel has no table of i386");
        return;
    }
    for call in
        ["x86_64 shmget", "i386 shmget", "i386 ipc_shmget", "x86_64 socket_vsock", "i386 socket_vsock"]
    {
        assert_eq!(found[call], "ENOSYS", "{call}");
    }
    assert_ne!(found["i386 socketcall_vsock"], "0");
    assert_eq!(found["i386 keyctl"], "EOPNOTSUPP", "only what the profile names is refused");
}
