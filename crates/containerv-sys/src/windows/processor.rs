//! Processors, and what of virtualization they tell.

// UNSAFETY: questions to the system and to the processor.
#![allow(
    unsafe_code,
    reason = "the standard library counts the processors of one group, and asks no processor"
)]

use windows_sys::Win32::System::Threading::{
    ALL_PROCESSOR_GROUPS, GetActiveProcessorCount, IsProcessorFeaturePresent, PF_VIRT_FIRMWARE_ENABLED,
};

/// Returns the number of logical processors, those of all groups; a group has at most 64.
pub fn count() -> u32 {
    // SAFETY: takes a number.
    unsafe { GetActiveProcessorCount(ALL_PROCESSOR_GROUPS) }.max(1)
}

/// Says whether the firmware lets a hypervisor use the processor. Some systems deny it while a
/// hypervisor of their own runs.
pub fn firmware_virtualizes() -> bool {
    // SAFETY: takes a number.
    unsafe { IsProcessorFeaturePresent(PF_VIRT_FIRMWARE_ENABLED) != 0 }
}

/// What runs below this Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hypervisor {
    /// Nothing that says so.
    None,
    /// A hypervisor of which this Windows is a guest, or that is not Microsoft's. It may pass
    /// virtualization on, which would show only by a hypervisor of this Windows.
    Foreign,
    /// Microsoft's, with this Windows as the one that may make virtual machines.
    Own,
    /// This kind of processor does not tell.
    Unknown,
}

/// Asks the processor.
pub fn hypervisor() -> Hypervisor {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        judge(|leaf| {
            let answer = __cpuid(leaf);
            [answer.eax, answer.ebx, answer.ecx, answer.edx]
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    Hypervisor::Unknown
}

/// Judges the answers of the processor, each in the order EAX, EBX, ECX, EDX. The leaves are those
/// of the hypervisor's published interface; only who may make virtual machines has `CreatePartitions`.
#[cfg(any(target_arch = "x86_64", test))]
fn judge(ask: impl Fn(u32) -> [u32; 4]) -> Hypervisor {
    const PRESENT_IN_ECX: u32 = 1 << 31;
    const FIRST: u32 = 0x4000_0000;
    const PRIVILEGES: u32 = 0x4000_0003;
    const CREATE_PARTITIONS_IN_EBX: u32 = 1;
    if ask(1)[2] & PRESENT_IN_ECX == 0 {
        return Hypervisor::None;
    }
    let [last, name @ ..] = ask(FIRST);
    let name: Vec<u8> = name.iter().flat_map(|part| part.to_le_bytes()).collect();
    if name != b"Microsoft Hv" || last < PRIVILEGES {
        return Hypervisor::Foreign;
    }
    if ask(PRIVILEGES)[1] & CREATE_PARTITIONS_IN_EBX == 0 { Hypervisor::Foreign } else { Hypervisor::Own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_counted_at_least_as_the_standard_library_does() {
        let standard = std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
        assert!(count() >= standard, "{} of {standard}", count());
    }

    #[test]
    fn this_machine_answers() {
        assert_ne!(hypervisor() == Hypervisor::Unknown, cfg!(target_arch = "x86_64"));
        firmware_virtualizes();
    }

    #[test]
    fn only_who_may_make_machines_has_a_hypervisor_of_its_own() {
        let name = |text: &[u8; 12]| {
            let part = |at: usize| u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]);
            [0x4000_000B, part(0), part(4), part(8)]
        };
        let answers = |present: bool, first: [u32; 4], privileges: u32| {
            move |leaf: u32| match leaf {
                1 => [0, 0, u32::from(present) << 31, 0],
                0x4000_0000 => first,
                0x4000_0003 => [0xFFFF, privileges, 0, 0],
                _ => [0; 4],
            }
        };
        let microsoft = name(b"Microsoft Hv");
        assert_eq!(judge(answers(false, microsoft, 1)), Hypervisor::None);
        assert_eq!(judge(answers(true, microsoft, 0x0010_0001)), Hypervisor::Own);
        assert_eq!(judge(answers(true, microsoft, 0x2BB0)), Hypervisor::Foreign);
        assert_eq!(judge(answers(true, name(b"KVMKVMKVM\0\0\0"), 1)), Hypervisor::Foreign);
        assert_eq!(
            judge(answers(true, [0x4000_0001, microsoft[1], microsoft[2], microsoft[3]], 1)),
            Hypervisor::Foreign
        );
    }
}
