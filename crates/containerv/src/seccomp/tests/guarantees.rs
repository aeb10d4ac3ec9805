//! What the built-in profile and the compiler promise, case by case.

use containerv_spec::seccomp::{Action, Comparison};
use containerv_spec::{Capability, CapabilitySet};

use super::super::{default_filter, default_profile};
use super::{ABIS, ALLOW, Abi, Call, Context, ENOSYS, EPERM, Filter, KILL_PROCESS, USUAL};
use super::{compile, compiled, profile, rule, rule_if, run};

fn built_in() -> Filter {
    compiled(&default_profile())
}

#[test]
fn the_compiled_filter_is_that_of_the_built_in_profile() {
    let bytes = built_in().to_bytes();
    if std::env::var_os("CONTAINERV_REGENERATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/seccomp/default.bpf");
        std::fs::write(path, &bytes).unwrap();
        return;
    }
    let usual = default_filter(&USUAL).unwrap();
    assert!(matches!(usual, std::borrow::Cow::Borrowed(_)), "compiled anew");
    assert!(*usual == bytes, "run this test once with CONTAINERV_REGENERATE=1");
}

#[test]
fn the_compiled_filter_is_used_only_where_it_fits() {
    for (capabilities, kernel, fits) in [
        (CapabilitySet::DEFAULT.without(Capability::CHOWN), (4, 8), true),
        (CapabilitySet::DEFAULT.with(Capability::NET_ADMIN), (6, 1), true),
        (CapabilitySet::DEFAULT, (4, 7), false),
        (CapabilitySet::DEFAULT.without(Capability::SYS_CHROOT), (6, 1), false),
        (CapabilitySet::DEFAULT.with(Capability::SYS_ADMIN), (6, 1), false),
    ] {
        let context = Context { capabilities, kernel };
        let filter = default_filter(&context).unwrap();
        assert_eq!(matches!(filter, std::borrow::Cow::Borrowed(_)), fits, "{context:?}");
        assert!(*filter == compile(&default_profile(), &context).unwrap().to_bytes(), "{context:?}");
    }
}

#[test]
fn the_built_in_profile_names_no_unknown_call() {
    assert_eq!(built_in().unknown, Vec::<String>::new());
}

#[test]
fn forbidden_calls_are_refused_in_every_table() {
    let filter = built_in();
    for name in [
        "add_key",
        "bpf",
        "clone",
        "delete_module",
        "fsopen",
        "init_module",
        "io_uring_setup",
        "kexec_load",
        "keyctl",
        "mount",
        "move_mount",
        "open_by_handle_at",
        "open_tree",
        "perf_event_open",
        "personality",
        "pivot_root",
        "reboot",
        "request_key",
        "setns",
        "settimeofday",
        "swapon",
        "umount2",
        "unshare",
        "userfaultfd",
    ] {
        for abi in ABIS {
            let namespaces = Call::named(abi, name, &[0x1000_0000, 0x1000_0000]);
            assert_eq!(run(&filter, &namespaces), EPERM, "{name} in {abi:?}");
        }
    }
}

#[test]
fn namespaces_are_made_with_the_capability_only() {
    let filter = built_in();
    let capabilities = CapabilitySet::DEFAULT.with(Capability::SYS_ADMIN);
    let admin = compile(&default_profile(), &Context { capabilities, ..USUAL }).unwrap();
    const SIGCHLD: u64 = 17;
    for abi in ABIS {
        for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            for name in ["clone", "unshare"] {
                let call = Call::named(abi, name, &[flag | SIGCHLD]);
                assert_eq!(run(&filter, &call), EPERM, "{name} {flag:#x} in {abi:?}");
                assert_eq!(run(&admin, &call), ALLOW, "{name} {flag:#x} in {abi:?}");
            }
        }
        let time = Call::named(abi, "unshare", &[0x80]);
        assert_eq!(run(&filter, &time), EPERM);
        let thread = Call::named(abi, "clone", &[0x3d_0f00]);
        assert_eq!(run(&filter, &thread), ALLOW);
        let new = Call::named(abi, "clone3", &[0x1000, 88]);
        assert_eq!(run(&filter, &new), ENOSYS);
        assert_eq!(run(&admin, &new), ALLOW);
    }
}

#[test]
fn forbidden_address_families_are_refused_in_every_way() {
    let filter = built_in();
    for family in [38, 40] {
        for abi in ABIS {
            for argument in [family, family | 1 << 32, family | u64::MAX << 32] {
                let call = Call::named(abi, "socket", &[argument, 1]);
                assert_eq!(run(&filter, &call), EPERM, "{argument:#x} in {abi:?}");
            }
        }
    }
    for family in [1, 2, 10, 16, 17, 37, 39, 41] {
        for abi in ABIS {
            assert_eq!(run(&filter, &Call::named(abi, "socket", &[family, 1])), ALLOW, "{family} in {abi:?}");
        }
    }
    let socketcall = |member| run(&filter, &Call::named(Abi::I386, "socketcall", &[member, 0x1000]));
    assert_eq!(socketcall(1), EPERM);
    for member in 2..=20 {
        assert_eq!(socketcall(member), ALLOW, "socketcall {member}");
    }
}

#[test]
fn multiplexers_are_no_way_around_a_rule() {
    let rules = vec![
        rule(&["shmget", "recv"], Action::Errno),
        rule_if("socketpair", Action::Trap, &[(0, Comparison::Equal, 40)]),
    ];
    let open = compiled(&profile(Action::Allow, rules));
    let call = |filter: &Filter, name, first: u64| run(filter, &Call::named(Abi::I386, name, &[first]));
    assert_eq!(call(&open, "ipc", 23), EPERM);
    assert_eq!(call(&open, "ipc", 0x1_0017), EPERM, "the upper half is a version");
    assert_eq!(call(&open, "ipc", 24), ALLOW);
    assert_eq!(call(&open, "socketcall", 10), EPERM);
    assert_eq!(call(&open, "socketcall", 8), 0x0003_0000);
    assert_eq!(call(&open, "socketcall", 1), ALLOW);

    // What is not allowed by its own name is not allowed by a rule for the multiplexer either.
    let closed =
        compiled(&profile(Action::Errno, vec![rule(&["socketcall", "ipc", "connect"], Action::Allow)]));
    assert_eq!(call(&closed, "socketcall", 3), ALLOW);
    assert_eq!(call(&closed, "socketcall", 1), EPERM);
    assert_eq!(call(&closed, "socketcall", 0), ALLOW, "the kernel refuses it");
    assert_eq!(call(&closed, "ipc", 23), EPERM);
}

#[test]
fn what_is_allowed_by_its_own_name_is_allowed_behind_the_multiplexer() {
    let filter = compiled(&profile(Action::Errno, vec![rule(&["socket", "send", "shmat"], Action::Allow)]));
    for (name, member, expected) in [
        ("socketcall", 1, ALLOW),
        ("socketcall", 9, ALLOW),
        ("socketcall", 2, EPERM),
        ("ipc", 21, ALLOW),
        ("ipc", 22, EPERM),
        ("ipc", 0, EPERM),
    ] {
        assert_eq!(run(&filter, &Call::named(Abi::I386, name, &[member])), expected, "{name} {member}");
    }
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let filter = built_in();
    for abi in ABIS {
        for number in [470, 500, 511, 548, 5000] {
            assert_eq!(run(&filter, &Call::new(abi, number, [0; 6])), ENOSYS, "{number} in {abi:?}");
        }
    }
    let old = compiled(&profile(Action::KillProcess, vec![rule(&["execve", "statx"], Action::Allow)]));
    let number = |abi: Abi, name: &str| run(&old, &Call::named(abi, name, &[]));
    assert_eq!(number(Abi::X86_64, "rseq"), ENOSYS);
    assert_eq!(number(Abi::X32, "rseq"), ENOSYS);
    assert_eq!(number(Abi::X32, "ptrace"), KILL_PROCESS);
    assert_eq!(number(Abi::X86_64, "mlock2"), KILL_PROCESS);
    let open = compiled(&profile(Action::Log, vec![rule(&["execve"], Action::Errno)]));
    assert_eq!(run(&open, &Call::new(Abi::X86_64, 470, [0; 6])), 0x7ffc_0000);
}

#[test]
fn numbers_of_one_table_are_no_way_around_rules_in_the_other() {
    let rules = vec![rule(&["ptrace"], Action::Errno), rule(&["execve"], Action::Trap)];
    let filter = compiled(&profile(Action::Allow, rules));
    // Kernels before 5.4 took these for calls of the other table.
    for (number, expected) in [(101, EPERM), (521, EPERM), (59, 0x0003_0000), (520, 0x0003_0000), (39, ALLOW)]
    {
        for abi in [Abi::X86_64, Abi::X32] {
            assert_eq!(run(&filter, &Call::new(abi, number, [0; 6])), expected, "{number} in {abi:?}");
        }
    }
}

#[test]
fn the_strictest_rule_wins_wherever_it_stands() {
    let strict = rule_if("mmap", Action::KillProcess, &[(0, Comparison::Equal, 7)]);
    let lax = rule(&["mmap"], Action::Allow);
    for rules in [vec![strict.clone(), lax.clone()], vec![lax, strict]] {
        let filter = compiled(&profile(Action::Errno, rules));
        assert_eq!(run(&filter, &Call::named(Abi::X86_64, "mmap", &[7])), KILL_PROCESS);
        assert_eq!(run(&filter, &Call::named(Abi::X86_64, "mmap", &[8])), ALLOW);
    }
}

#[test]
fn the_built_in_filter_is_short() {
    let length = built_in().program.len();
    assert!(length < 1024, "{length} instructions");
}
