//! The eBPF program that lets a version 2 control group use some devices only.
//!
//! See `BPF_PROG_TYPE_CGROUP_DEVICE` in the kernel's documentation: the context holds, as 32-bit
//! words, access << 16 | kind, major and minor; the program returns 1 to allow and 0 to refuse.

use containerv_spec::cgroup::{DeviceKind, DeviceRule};

/// Size of one instruction in bytes.
pub(crate) const INSTRUCTION: usize = 8;

const LOAD_WORD: u8 = 0x61; // BPF_LDX | BPF_MEM | BPF_W
const MOVE_IMMEDIATE: u8 = 0xb7; // BPF_ALU64 | BPF_MOV | BPF_K
const MOVE_REGISTER: u8 = 0xbf; // BPF_ALU64 | BPF_MOV | BPF_X
const AND_IMMEDIATE: u8 = 0x57; // BPF_ALU64 | BPF_AND | BPF_K
const SHIFT_RIGHT: u8 = 0x77; // BPF_ALU64 | BPF_RSH | BPF_K
const JUMP_NOT_EQUAL: u8 = 0x55; // BPF_JMP | BPF_JNE | BPF_K
const JUMP_ANY_BIT: u8 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const EXIT: u8 = 0x95; // BPF_JMP | BPF_EXIT

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const ACCESS_MAKE: i32 = 1;
const ACCESS_READ: i32 = 2;
const ACCESS_WRITE: i32 = 4;
const ACCESS_ALL: i32 = ACCESS_MAKE | ACCESS_READ | ACCESS_WRITE;

/// Builds the program: instructions of [`INSTRUCTION`] bytes, in the byte order of this machine.
///
/// An access is allowed if one rule allows all of it.
pub(crate) fn program(allowed: &[DeviceRule]) -> Vec<u8> {
    let mut program = vec![
        instruction(LOAD_WORD, KIND, CONTEXT, 0, 0),
        instruction(MOVE_REGISTER, ACCESS, KIND, 0, 0),
        instruction(AND_IMMEDIATE, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    for rule in allowed {
        program.extend(block(rule));
    }
    program.push(instruction(MOVE_IMMEDIATE, RESULT, 0, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0, 0));
    program.concat()
}

/// The tests of one rule, each jumping behind the block when it fails.
fn block(rule: &DeviceRule) -> Vec<[u8; INSTRUCTION]> {
    let kind = match rule.kind {
        DeviceKind::Block => 1,
        DeviceKind::Character => 2,
    };
    let mut tests = vec![(JUMP_NOT_EQUAL, KIND, kind)];
    let refused = ACCESS_ALL & !access_bits(rule);
    if refused != 0 {
        tests.push((JUMP_ANY_BIT, ACCESS, refused));
    }
    // The kernel's device numbers have 12 and 20 bits, so the immediates are never negative.
    tests.extend(rule.major.map(|major| (JUMP_NOT_EQUAL, MAJOR, major as i32)));
    tests.extend(rule.minor.map(|minor| (JUMP_NOT_EQUAL, MINOR, minor as i32)));
    let count = tests.len();
    let jumps = tests.into_iter().enumerate().map(|(index, (operation, register, value))| {
        let behind = (count - 1 - index + 2) as i16;
        instruction(operation, register, 0, behind, value)
    });
    let allow = [instruction(MOVE_IMMEDIATE, RESULT, 0, 0, 1), instruction(EXIT, 0, 0, 0, 0)];
    jumps.chain(allow).collect()
}

fn access_bits(rule: &DeviceRule) -> i32 {
    let bits = [(rule.read, ACCESS_READ), (rule.write, ACCESS_WRITE), (rule.make, ACCESS_MAKE)];
    bits.iter().filter(|entry| entry.0).map(|entry| entry.1).sum()
}

/// Encodes `struct bpf_insn`; the two registers share a byte, the target in its low half on a
/// little-endian machine and in its high half on a big-endian one.
fn instruction(operation: u8, target: u8, source: u8, offset: i16, immediate: i32) -> [u8; INSTRUCTION] {
    let registers = match cfg!(target_endian = "little") {
        true => source << 4 | target,
        false => target << 4 | source,
    };
    let [offset_0, offset_1] = offset.to_ne_bytes();
    let [a, b, c, d] = immediate.to_ne_bytes();
    [operation, registers, offset_0, offset_1, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
        let has = |letter| access.contains(letter);
        DeviceRule { kind, major, minor, read: has('r'), write: has('w'), make: has('m') }
    }

    /// Runs a program as the kernel would.
    fn run(program: &[u8], kind: u64, access: u64, major: u64, minor: u64) -> u64 {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let code = &program[at * INSTRUCTION..][..INSTRUCTION];
            let (target, source) = (usize::from(code[1] & 15), usize::from(code[1] >> 4));
            let offset = i16::from_ne_bytes([code[2], code[3]]);
            let immediate = i64::from(i32::from_ne_bytes([code[4], code[5], code[6], code[7]])) as u64;
            let mut jump = false;
            match code[0] {
                LOAD_WORD => registers[target] = context[offset as usize / 4],
                MOVE_IMMEDIATE => registers[target] = immediate,
                MOVE_REGISTER => registers[target] = registers[source],
                AND_IMMEDIATE => registers[target] &= immediate,
                SHIFT_RIGHT => registers[target] >>= immediate,
                JUMP_NOT_EQUAL => jump = registers[target] != immediate,
                JUMP_ANY_BIT => jump = registers[target] & immediate != 0,
                EXIT => return registers[0],
                other => panic!("unknown operation {other:#x}"),
            }
            at += 1 + if jump { offset as usize } else { 0 };
        }
    }

    #[test]
    fn a_program_allows_what_a_rule_allows_and_nothing_else() {
        let program = program(&[
            rule(DeviceKind::Character, Some(1), Some(3), "rw"),
            rule(DeviceKind::Block, Some(8), None, "r"),
            rule(DeviceKind::Character, None, None, "m"),
        ]);
        let (block, character) = (1, 2);
        let (make, read, write) = (1, 2, 4);
        for (kind, access, major, minor, allowed) in [
            (character, read, 1, 3, 1),
            (character, read | write, 1, 3, 1),
            (character, read | write | make, 1, 3, 0),
            (character, read, 1, 5, 0),
            (block, read, 1, 3, 0),
            (block, read, 8, 17, 1),
            (block, write, 8, 17, 0),
            (character, make, 42, 0, 1),
            (block, make, 42, 0, 0),
        ] {
            let result = run(&program, kind, access, major, minor);
            assert_eq!(result, allowed, "kind {kind} access {access} device {major}:{minor}");
        }
    }

    #[test]
    fn without_rules_everything_is_refused() {
        let program = program(&[]);
        assert_eq!(program.len(), 8 * INSTRUCTION);
        assert_eq!(run(&program, 2, 2, 1, 3), 0);
    }
}
