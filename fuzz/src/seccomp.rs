//! Docker's seccomp profiles: reading and compiling.

use containerv::seccomp::{Context, Filter, Instruction, compile, parse};
use containerv_spec::{Capability, CapabilitySet};

use crate::invariant::{self, written};

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_ACTION_FULL` values of linux/seccomp.h that profiles can name.
const ACTIONS: [u32; 7] =
    [0x8000_0000, 0x0000_0000, 0x0003_0000, 0x0005_0000, 0x7ff0_0000, 0x7ffc_0000, 0x7fff_0000];

/// A profile is refused with reasons, or compiled to a program that the kernel takes: one that ends
/// for every call and lets no foreign system call table through.
pub fn target(data: &[u8]) {
    let profile = match parse(data) {
        Ok(profile) => profile,
        Err(error) => return invariant::error(&error),
    };
    written(&profile);
    let contexts = [
        (CapabilitySet::DEFAULT, (4, 8)),
        (CapabilitySet::ALL, (6, 1)),
        (CapabilitySet::EMPTY.with(Capability::SYS_ADMIN), (3, 10)),
    ];
    for (capabilities, kernel) in contexts {
        let context = Context { capabilities, kernel };
        match compile(&profile, &context) {
            Ok(filter) => {
                assert!(compile(&profile, &context).is_ok_and(|again| again == filter));
                check(&filter);
                run_over_calls(&filter.program);
            }
            Err(error) => invariant::error(&error),
        }
    }
}

/// What the kernel checks: `bpf_check_classic` and `seccomp_check_filter`.
fn check(filter: &Filter) {
    let program = &filter.program;
    assert!((1..=Filter::MAX_INSTRUCTIONS).contains(&program.len()));
    assert_eq!(filter.to_bytes().len(), 8 * program.len());
    for (at, instruction) in program.iter().enumerate() {
        let longest = match instruction.code {
            0x20 => {
                assert!(instruction.k < 64 && instruction.k.is_multiple_of(4), "load at {at}");
                0
            }
            0x06 | 0x54 => 0,
            0x05 => instruction.k as usize,
            0x15 | 0x25 | 0x35 => instruction.jt.max(instruction.jf).into(),
            other => panic!("operation {other:#x} at {at}"),
        };
        assert!(instruction.code == 0x06 || at + 1 + longest < program.len(), "out of the program at {at}");
    }
}

fn run_over_calls(program: &[Instruction]) {
    for number in [0, 1, 2, 56, 59, 102, 117, 120, 435, 500, 0x4000_0000, 0x4000_0210, u32::MAX] {
        for word in [0, 1, 0x10_0000, 0x7e02_0000, u32::MAX] {
            assert_eq!(run(program, &call(number, AARCH64, word)), KILL_PROCESS);
            for architecture in [X86_64, I386] {
                let result = run(program, &call(number, architecture, word));
                assert!(ACTIONS.contains(&(result & 0xffff_0000)), "{result:#x} for {number}");
            }
        }
    }
}

/// `struct seccomp_data` as words, with the same word in every half of every argument.
fn call(number: u32, architecture: u32, word: u32) -> [u32; 16] {
    let mut data = [word; 16];
    (data[0], data[1]) = (number, architecture);
    data
}

fn run(program: &[Instruction], data: &[u32; 16]) -> u32 {
    let (mut accumulator, mut at) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let holds = match code {
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            _ => accumulator >= k,
        };
        at += 1;
        match code {
            0x20 => accumulator = data[k as usize / 4],
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x06 => return k,
            _ => at += usize::from(if holds { jt } else { jf }),
        }
    }
}
