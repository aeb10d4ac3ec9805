//! The program against the model, for every number of every table.

use std::collections::BTreeSet;

use containerv_spec::seccomp::{Action, Comparison, Profile};
use containerv_spec::{Capability, CapabilitySet};

use super::super::{default_profile, parse};
use super::{ABIS, Abi, Call, Context, USUAL, compile, interpreter, model, profile, rule, rule_if, run};

/// Numbers outside of every table that the kernel may still hand to a filter.
const ODD_NUMBERS: [u32; 6] =
    [0x3fff_ffff, 0x4000_0000 - 2, 0x7fff_ffff, 0x8000_0000, u32::MAX - 1, u32::MAX];

/// Values on both sides of everything that a profile compares with, in both halves.
fn values(profile: &Profile) -> Vec<u64> {
    let conditions = profile.syscalls.iter().flat_map(|rule| rule.args.iter().flatten());
    let operands = conditions.flat_map(|condition| [condition.value, condition.value_two]);
    let mut values: BTreeSet<u64> = [0, 1, 2, 8, 23, 0x1_0001, u64::from(u32::MAX), u64::MAX].into();
    for operand in operands {
        let near = [operand.wrapping_sub(1), operand, operand.wrapping_add(1), !operand];
        values.extend(near);
        values.extend(near.map(|value| value ^ 1 << 32));
        values.extend((0..64).map(|bit| operand & 1 << bit));
    }
    values.into_iter().collect()
}

/// Sets of arguments: each value in every place, in the first one, and beside zeros and ones.
fn arguments(profile: &Profile) -> Vec<[u64; 6]> {
    let mut sets = Vec::new();
    for value in values(profile) {
        sets.push([value; 6]);
        for place in 0..3 {
            let mut set = [0; 6];
            set[place] = value;
            sets.push(set);
        }
    }
    sets
}

/// Compares for every number, with all arguments where a rule looks at them and some elsewhere.
fn compare(profile: &Profile, context: &Context) {
    let numbers: Vec<u32> = (0..=1100).chain(ODD_NUMBERS).collect();
    compare_numbers(profile, context, &numbers);
    let filter = compile(profile, context).unwrap();
    for architecture in [0, 0xc000_00b7, 0x4000_0028, 0xc000_003f, u32::MAX] {
        let call = Call { number: 1, architecture, arguments: [0; 6] };
        assert_eq!(run(&filter, &call), model::expected(profile, context, &call));
    }
}

fn compare_numbers(profile: &Profile, context: &Context, numbers: &[u32]) {
    let filter = compile(profile, context).unwrap();
    interpreter::check(&filter.program);
    let all = arguments(profile);
    let some = [[0; 6], [1; 6], [u64::MAX; 6], [40, 1, 0, 0, 0, 0]];
    for abi in ABIS {
        let looked_at = conditional(profile, abi);
        for number in numbers {
            let sets = if looked_at.contains(number) { &all[..] } else { &some[..] };
            for set in sets {
                let call = Call::new(abi, *number, *set);
                let expected = model::expected(profile, context, &call);
                assert_eq!(run(&filter, &call), expected, "{abi:?} {number} {set:x?} {context:?}");
            }
        }
    }
}

/// Numbers of the calls on whose arguments something depends.
fn conditional(profile: &Profile, abi: Abi) -> BTreeSet<u32> {
    let rules =
        profile.syscalls.iter().filter(|rule| rule.args.as_ref().is_some_and(|args| !args.is_empty()));
    let names = rules.flat_map(|rule| rule.names.iter().chain(&rule.name)).map(String::as_str);
    names.chain(["socketcall", "ipc"]).filter_map(|name| abi.number(name)).collect()
}

#[test]
fn the_built_in_profile_means_what_it_says() {
    let with = |capability| CapabilitySet::DEFAULT.with(capability);
    for (capabilities, kernel) in [
        (CapabilitySet::DEFAULT, (6, 18)),
        (with(Capability::SYS_ADMIN), (6, 18)),
        (CapabilitySet::EMPTY, (4, 4)),
        (CapabilitySet::ALL, (5, 10)),
    ] {
        compare(&default_profile(), &Context { capabilities, kernel });
    }
}

#[test]
fn every_comparison_holds_in_64_bits() {
    let values = [0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1234_5678_9abc_def0, u64::MAX];
    for comparison in [
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Equal,
        Comparison::GreaterOrEqual,
        Comparison::Greater,
    ] {
        // `mmap` has arguments of 64 bits, `ioctl` one of 32.
        let rules = values.iter().flat_map(|value| {
            ["mmap", "ioctl"].map(|name| rule_if(name, Action::Trap, &[(1, comparison, *value)]))
        });
        for rule in rules {
            compare_numbers(&profile(Action::Allow, vec![rule]), &USUAL, &COMPARED);
        }
    }
}

/// Numbers of `mmap`, `ioctl` and others in the three tables.
const COMPARED: [u32; 8] = [0, 9, 16, 54, 90, 192, 514, 600];

#[test]
fn masks_are_compared_in_64_bits() {
    for (mask, wanted) in [
        (0, 0),
        (0, 1),
        (0xff, 0x0f),
        (0xff00_0000_0000, 0x1200_0000_0000),
        (0xff00_0000_00ff, 0x0012),
        (0xff, 0x1_0000_0000),
        (u64::MAX, u64::MAX - 3),
    ] {
        for name in ["mmap", "ioctl"] {
            let mut rule = rule_if(name, Action::Allow, &[(1, Comparison::MaskedEqual, mask)]);
            rule.args.as_mut().unwrap()[0].value_two = wanted;
            compare_numbers(&profile(Action::Errno, vec![rule]), &USUAL, &COMPARED);
        }
    }
}

#[test]
fn conditions_on_several_arguments_must_all_hold() {
    let conditions =
        [(0, Comparison::Equal, 16), (2, Comparison::Less, 0x2_0000_0000), (1, Comparison::NotEqual, 3)];
    let rules = vec![rule_if("mmap", Action::KillThread, &conditions), rule(&["mmap"], Action::Log)];
    compare(&profile(Action::Errno, rules), &USUAL);
}

#[test]
fn tables_that_a_profile_does_not_name_are_closed() {
    for architectures in [vec![], vec!["SCMP_ARCH_X86"], vec!["SCMP_ARCH_X32", "SCMP_ARCH_X86_64"]] {
        let mut profile = profile(Action::Allow, vec![rule(&["getpid"], Action::Errno)]);
        profile.arch_map.clear();
        profile.architectures = architectures.into_iter().map(str::to_owned).collect();
        compare(&profile, &USUAL);
    }
}

#[test]
fn long_programs_jump_far() {
    let mut rules: Vec<_> = (0..300).map(long_rule).collect();
    rules.push(rule(&["exit_group"], Action::Allow));
    let profile = profile(Action::KillProcess, rules);
    let filter = compile(&profile, &USUAL).unwrap();
    interpreter::check(&filter.program);
    assert!(filter.program.len() > 1500, "{} instructions", filter.program.len());
    assert!(filter.program.iter().any(|instruction| instruction.code == 0x05), "no far jump");
    // Each call with its own value, the one before, and that of another call.
    for index in 0..300_u64 {
        let name = super::super::calls::CALLS[index as usize].0;
        for abi in ABIS.into_iter().filter(|abi| abi.number(name).is_some()) {
            for value in [index, index ^ 1, 299 - index] {
                let call = Call::named(abi, name, &[0, value << 33 | value]);
                assert_eq!(run(&filter, &call), model::expected(&profile, &USUAL, &call), "{call:x?}");
            }
        }
    }
}

/// A rule for the call number `index` of the table, unlike any other one.
fn long_rule(index: u64) -> containerv_spec::seccomp::Rule {
    let name = super::super::calls::CALLS[index as usize].0;
    rule_if(name, Action::Allow, &[(1, Comparison::Equal, index << 33 | index)])
}

#[test]
fn a_document_in_dockers_form_means_what_it_says() {
    let document = br#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": null, "flags": ["SECCOMP_FILTER_FLAG_LOG"], "listenerPath": "",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                    {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}],
        "syscalls": [
            {"names": ["read", "write", "exit"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "",
             "includes": {}, "excludes": {}},
            {"name": "socket", "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 16, "op": "SCMP_CMP_EQ"},
                {"index": 2, "value": 9, "valueTwo": 0, "op": "SCMP_CMP_NE"}]},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": null,
             "includes": {"caps": ["CAP_SYS_ADMIN"], "arches": null, "minKernel": "4.8"}},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
             "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["set_tls"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm", "arm64"]}}
        ]}"#;
    let profile = parse(document).unwrap();
    let filter = compile(&profile, &USUAL).unwrap();
    assert_eq!((filter.flags, filter.unknown), (2, vec![]));
    for capabilities in [CapabilitySet::DEFAULT, CapabilitySet::ALL] {
        compare(&profile, &Context { capabilities, kernel: (4, 19) });
    }
}
