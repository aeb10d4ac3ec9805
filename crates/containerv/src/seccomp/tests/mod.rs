//! Tests of the compiler against a direct reading of the profile, and of what the built-in profile
//! promises.

mod differential;
mod documents;
mod guarantees;
mod interpreter;
mod layout;
mod model;
#[cfg(target_os = "linux")]
mod oracle;
mod random;
mod tables;

use containerv_spec::CapabilitySet;
use containerv_spec::seccomp::{Action, ArchMap, Comparison, Condition, Profile, Rule};

use super::abi::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Abi, X32_BIT};
use super::{Context, Filter, compile};

/// A container as usual, on a kernel on which everything applies.
const USUAL: Context = Context { capabilities: CapabilitySet::DEFAULT, kernel: (6, 18) };

const ABIS: [Abi; 3] = [Abi::X86_64, Abi::I386, Abi::X32];

const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

/// `struct seccomp_data` without the instruction pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

impl Call {
    fn new(abi: Abi, number: u32, arguments: [u64; 6]) -> Self {
        match abi {
            Abi::X86_64 => Self { number, architecture: AUDIT_ARCH_X86_64, arguments },
            Abi::X32 => Self { number: number | X32_BIT, architecture: AUDIT_ARCH_X86_64, arguments },
            // The kernel hands over registers of 32 bits.
            Abi::I386 => {
                let arguments = arguments.map(|argument| argument & 0xffff_ffff);
                Self { number, architecture: AUDIT_ARCH_I386, arguments }
            }
        }
    }

    fn named(abi: Abi, name: &str, arguments: &[u64]) -> Self {
        let number = abi.number(name).unwrap_or_else(|| panic!("`{name}` is not in {abi:?}"));
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Self::new(abi, number, all)
    }
}

fn run(filter: &Filter, call: &Call) -> u32 {
    interpreter::run(&filter.program, call)
}

/// A profile with all three tables.
fn profile(default_action: Action, syscalls: Vec<Rule>) -> Profile {
    let beside = vec!["SCMP_ARCH_X86".to_owned(), "SCMP_ARCH_X32".to_owned()];
    Profile {
        default_action,
        default_errno_ret: None,
        architectures: Vec::new(),
        arch_map: vec![ArchMap {
            architecture: "SCMP_ARCH_X86_64".to_owned(),
            sub_architectures: Some(beside),
        }],
        flags: Vec::new(),
        syscalls,
    }
}

fn rule(names: &[&str], action: Action) -> Rule {
    Rule {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        name: None,
        action,
        errno_ret: None,
        args: None,
        includes: None,
        excludes: None,
        comment: None,
    }
}

fn rule_if(name: &str, action: Action, conditions: &[(u32, Comparison, u64)]) -> Rule {
    let condition = |(index, op, value): &(u32, Comparison, u64)| Condition {
        index: *index,
        value: *value,
        value_two: 0,
        op: *op,
    };
    Rule { args: Some(conditions.iter().map(condition).collect()), ..rule(&[name], action) }
}

fn compiled(profile: &Profile) -> Filter {
    compile(profile, &USUAL).unwrap()
}
