//! Random profiles against the model.

use containerv_spec::seccomp::{Action, Applicability, Comparison, Condition, Profile, Rule};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::compile;
use super::{ABIS, Call, USUAL, interpreter, model, profile, rule, run};

/// Names of every kind: in all tables, in one, behind a multiplexer, multiplexers, with arguments of
/// 32 and of 64 bits, new, unknown.
const NAMES: [&str; 16] = [
    "read",
    "execve",
    "mmap",
    "mmap2",
    "ioctl",
    "socket",
    "socketcall",
    "accept",
    "send",
    "ipc",
    "shmget",
    "msgctl",
    "clone",
    "uretprobe",
    "cachestat",
    "no_such_call",
];

const VALUES: [u64; 9] = [0, 1, 3, 23, 40, 0x7e02_0000, 0xffff_ffff, 0x28_0000_0001, u64::MAX];

fn action() -> impl Strategy<Value = Action> {
    select(vec![
        Action::KillThread,
        Action::KillProcess,
        Action::Trap,
        Action::Errno,
        Action::Trace,
        Action::Log,
        Action::Allow,
        Action::Allow,
    ])
}

fn comparison() -> impl Strategy<Value = Comparison> {
    select(vec![
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Equal,
        Comparison::GreaterOrEqual,
        Comparison::Greater,
        Comparison::MaskedEqual,
    ])
}

fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    subsequence(vec![0, 1, 2, 5], 0..=3).prop_flat_map(|indices| {
        let one = |index| {
            let operands = (select(VALUES.to_vec()), select(VALUES.to_vec()), comparison());
            operands.prop_map(move |(value, value_two, op)| Condition { index, value, value_two, op })
        };
        indices.into_iter().map(one).collect::<Vec<_>>()
    })
}

fn applicability() -> impl Strategy<Value = Option<Applicability>> {
    let caps = subsequence(vec!["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_SYSLOG"], 0..=2);
    let arches = subsequence(vec!["amd64", "x86", "arm64"], 0..=1);
    let kernel = select(vec![None, None, Some("4.8"), Some("6.18"), Some("7.0")]);
    let parts = (caps, arches, kernel).prop_map(|(caps, arches, kernel)| Applicability {
        caps: caps.into_iter().map(str::to_owned).collect(),
        arches: arches.into_iter().map(str::to_owned).collect(),
        min_kernel: kernel.map(str::to_owned),
    });
    prop_oneof![3 => Just(None), 1 => parts.prop_map(Some)]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let names = subsequence(NAMES.to_vec(), 1..=4);
    let number = select(vec![None, Some(2), Some(38)]);
    (names, action(), number, conditions(), applicability(), applicability()).prop_map(
        |(names, action, number, conditions, includes, excludes)| Rule {
            errno_ret: number.filter(|_| matches!(action, Action::Errno | Action::Trace)),
            args: Some(conditions),
            includes,
            excludes,
            ..rule(&names, action)
        },
    )
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let beside = subsequence(vec!["SCMP_ARCH_X86", "SCMP_ARCH_X32"], 0..=2);
    (action(), prop::collection::vec(any_rule(), 0..12), beside).prop_map(|(default, rules, beside)| {
        let mut profile = profile(default, rules);
        if beside.len() < 2 {
            profile.arch_map.clear();
            profile.architectures = beside.into_iter().map(str::to_owned).collect();
        }
        profile
    })
}

/// Calls of the names above, their neighbours, and some outside of every table.
fn any_call() -> impl Strategy<Value = Call> {
    let abi = select(ABIS.to_vec());
    let near = (select(NAMES.to_vec()), 0..3_u32);
    let values = prop::collection::vec(prop_oneof![select(VALUES.to_vec()), 0..50_u64, any::<u64>()], 6);
    let other = prop_oneof![0..600_u32, any::<u32>()];
    (abi, near, other, any::<u8>(), values).prop_map(|(abi, (name, step), other, choice, values)| {
        let number = match abi.number(name) {
            Some(number) if choice > 32 => (number + step).saturating_sub(if choice > 64 { step } else { 1 }),
            _ => other,
        };
        Call::new(abi, number, values.try_into().unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_profiles_mean_what_they_say(
        profile in any_profile(),
        calls in prop::collection::vec(any_call(), 200),
    ) {
        let filter = compile(&profile, &USUAL).unwrap();
        interpreter::check(&filter.program);
        for call in calls {
            prop_assert_eq!(run(&filter, &call), model::expected(&profile, &USUAL, &call), "{:x?}", call);
        }
    }

    #[test]
    fn documents_of_any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(profile) = super::super::parse(&bytes) {
            let _ = compile(&profile, &USUAL);
        }
    }
}
