//! The program against the one that the crate seccompiler makes of the same rules.
//!
//! It knows one table, one action for what matches and one for the rest, which is enough to check
//! comparisons, alternatives and the search for numbers by an independent hand.

use std::collections::BTreeMap;

use containerv_spec::seccomp::{Action, Comparison, Condition};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition};
use seccompiler::{SeccompFilter, SeccompRule, TargetArch};

use super::super::narrow::is_narrow;
use super::super::{Instruction, compile};
use super::{ALLOW, Abi, Call, EPERM, USUAL, interpreter, profile, rule};

type Rules = Vec<(&'static str, Vec<Condition>)>;

fn theirs(rules: &Rules) -> Vec<Instruction> {
    let mut by_number: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut always = Vec::new();
    for (name, conditions) in rules {
        let number = i64::from(Abi::X86_64.number(name).unwrap());
        let conditions: Vec<_> =
            conditions.iter().map(|condition| their_condition(name, condition)).collect();
        match conditions.is_empty() {
            true => always.push(number),
            false => by_number.entry(number).or_default().push(SeccompRule::new(conditions).unwrap()),
        }
    }
    // A call without conditions is one with an empty list there.
    by_number.extend(always.into_iter().map(|number| (number, Vec::new())));
    let deny = SeccompAction::Errno(1);
    let filter = SeccompFilter::new(by_number, deny, SeccompAction::Allow, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    program.iter().map(|one| Instruction { code: one.code, jt: one.jt, jf: one.jf, k: one.k }).collect()
}

fn their_condition(name: &str, condition: &Condition) -> SeccompCondition {
    let length = match is_narrow(name, condition.index as u8) {
        true => SeccompCmpArgLen::Dword,
        false => SeccompCmpArgLen::Qword,
    };
    let (operation, value) = match condition.op {
        Comparison::NotEqual => (SeccompCmpOp::Ne, condition.value),
        Comparison::Less => (SeccompCmpOp::Lt, condition.value),
        Comparison::LessOrEqual => (SeccompCmpOp::Le, condition.value),
        Comparison::Equal => (SeccompCmpOp::Eq, condition.value),
        Comparison::GreaterOrEqual => (SeccompCmpOp::Ge, condition.value),
        Comparison::Greater => (SeccompCmpOp::Gt, condition.value),
        Comparison::MaskedEqual => (SeccompCmpOp::MaskedEq(condition.value), condition.value_two),
    };
    SeccompCondition::new(condition.index as u8, length, operation, value).unwrap()
}

fn ours(rules: &Rules) -> Vec<Instruction> {
    let rules = rules.iter().map(|(name, conditions)| containerv_spec::seccomp::Rule {
        args: Some(conditions.clone()),
        ..rule(&[name], Action::Allow)
    });
    compile(&profile(Action::Errno, rules.collect()), &USUAL).unwrap().program
}

const NAMES: [&str; 5] = ["read", "mmap", "socket", "ioctl", "process_vm_readv"];
const SMALL: [u64; 5] = [0, 1, 40, 0x7e02_0000, 0xffff_fffe];
const LARGE: [u64; 4] = [1, 0x1_0000_0001, 0x28_0000_0000, u64::MAX - 1];

fn operands(narrow: bool) -> Vec<u64> {
    if narrow { SMALL.to_vec() } else { SMALL.into_iter().chain(LARGE).collect() }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let conditions = |name: &'static str| {
        subsequence(vec![0_u32, 1, 3, 5], 0..=3).prop_flat_map(move |indices| {
            let one = |index: u32| {
                let values = select(operands(is_narrow(name, index as u8)));
                (values.clone(), values, any_comparison()).prop_map(move |(mask, value, op)| Condition {
                    index,
                    value: mask,
                    // They leave away the bits outside of the mask, and we do not.
                    value_two: value & mask,
                    op,
                })
            };
            (Just(name), indices.into_iter().map(one).collect::<Vec<_>>())
        })
    };
    prop::collection::vec(select(NAMES.to_vec()).prop_flat_map(conditions), 1..8)
}

fn any_comparison() -> impl Strategy<Value = Comparison> {
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

proptest! {
    #[test]
    fn another_compiler_makes_the_same_of_it(
        rules in any_rules(),
        arguments in prop::collection::vec(
            prop::array::uniform6(prop_oneof![select(operands(false)), any::<u64>(), 0..64_u64]), 100),
    ) {
        let (ours, theirs) = (ours(&rules), theirs(&rules));
        for set in arguments {
            for (name, _) in &rules {
                let call = Call::named(Abi::X86_64, name, &set);
                let result = interpreter::run(&ours, &call);
                prop_assert!(result == ALLOW || result == EPERM);
                prop_assert_eq!(result, interpreter::run(&theirs, &call), "{} {:x?}", name, set);
            }
        }
    }
}
