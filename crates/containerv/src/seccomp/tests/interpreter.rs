//! A machine for classic BPF as seccomp(2) uses it, with the kernel's checks.

use super::super::Instruction;
use super::Call;

/// Runs a program over a call.
pub(super) fn run(program: &[Instruction], call: &Call) -> u32 {
    let mut accumulator = 0_u32;
    let mut at = 0;
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = load(call, k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x06 => return k,
            other => panic!("operation {other:#x} at {at}"),
        }
        at += 1;
    }
}

fn load(call: &Call, offset: u32) -> u32 {
    match offset {
        0 => call.number,
        4 => call.architecture,
        16..=60 if offset.is_multiple_of(8) => call.arguments[(offset as usize - 16) / 8] as u32,
        20..=60 if offset % 8 == 4 => (call.arguments[(offset as usize - 20) / 8] >> 32) as u32,
        other => panic!("load from {other}"),
    }
}

/// Checks what the kernel checks before it takes a program (`bpf_check_classic`,
/// `seccomp_check_filter`).
pub(super) fn check(program: &[Instruction]) {
    assert!((1..=4096).contains(&program.len()), "{} instructions", program.len());
    for (at, instruction) in program.iter().enumerate() {
        let inside = |skip: usize| assert!(at + 1 + skip < program.len(), "jump out of the program at {at}");
        match instruction.code {
            0x20 => assert!(instruction.k < 64 && instruction.k.is_multiple_of(4), "load at {at}"),
            0x54 | 0x06 => {}
            0x05 => inside(instruction.k as usize),
            0x15 | 0x25 | 0x35 => {
                inside(usize::from(instruction.jt));
                inside(usize::from(instruction.jf));
            }
            other => panic!("operation {other:#x} at {at}"),
        }
    }
    assert_eq!(program[program.len() - 1].code, 0x06, "the last instruction returns");
}
