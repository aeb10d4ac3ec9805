//! vmcompute.dll: types and functions. No header declares them; this is how Microsoft's own
//! published clients call them.

use std::ffi::c_void;

use windows_sys::core::GUID;

use crate::windows::hcs::ProcessInformation;
use crate::windows::library::functions;

pub(super) type Raw = *mut c_void;
pub(super) type Code = i32;
pub(super) type Text = *const u16;
pub(super) type Answer = *mut *mut u16;

/// `HCS_NOTIFICATION_CALLBACK`.
pub(super) type Notification = unsafe extern "system" fn(u32, *const c_void, Code, Text);

/// `DriverInfo`.
#[repr(C)]
pub(super) struct DriverInfo {
    pub(super) flavour: i32,
    pub(super) home: Text,
}

/// `WC_LAYER_DESCRIPTOR`.
#[repr(C)]
pub(super) struct LayerDescriptor {
    pub(super) id: GUID,
    pub(super) flags: u32,
    pub(super) path: Text,
}

const _: () = assert!(size_of::<LayerDescriptor>() == 32 || size_of::<usize>() != 8);

pub(super) type Info = *const DriverInfo;
pub(super) type Descriptors = *const LayerDescriptor;

functions! {
    /// vmcompute.dll.
    VmcomputeTable = "vmcompute.dll" {
        fn ActivateLayer(Info, Text) -> Code;
        fn CopyLayer(Info, Text, Text, Descriptors, u32) -> Code;
        fn CreateLayer(Info, Text, Text) -> Code;
        fn CreateSandboxLayer(Info, Text, usize, Descriptors, u32) -> Code;
        fn DeactivateLayer(Info, Text) -> Code;
        fn DestroyLayer(Info, Text) -> Code;
        fn ExpandSandboxSize(Info, Text, u64) -> Code;
        fn ExportLayer(Info, Text, Text, Descriptors, u32) -> Code;
        fn GetBaseImages(Answer) -> Code;
        fn GetLayerMountPath(Info, Text, *mut usize, *mut u16) -> Code;
        fn GrantVmAccess(Text, Text) -> Code;
        fn HNSCall(Text, Text, Text, Answer) -> Code;
        fn HcsCloseComputeSystem(Raw) -> Code;
        fn HcsCloseProcess(Raw) -> Code;
        fn HcsCreateComputeSystem(Text, Text, *mut c_void, *mut Raw, Answer) -> Code;
        fn HcsCreateProcess(Raw, Text, *mut ProcessInformation, *mut Raw, Answer) -> Code;
        fn HcsEnumerateComputeSystems(Text, Answer, Answer) -> Code;
        fn HcsGetComputeSystemProperties(Raw, Text, Answer, Answer) -> Code;
        fn HcsGetProcessInfo(Raw, *mut ProcessInformation, Answer) -> Code;
        fn HcsGetProcessProperties(Raw, Answer, Answer) -> Code;
        fn HcsGetServiceProperties(Text, Answer, Answer) -> Code;
        fn HcsModifyComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsModifyProcess(Raw, Text, Answer) -> Code;
        fn HcsOpenComputeSystem(Text, *mut Raw, Answer) -> Code;
        fn HcsOpenProcess(Raw, u32, *mut Raw, Answer) -> Code;
        fn HcsPauseComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsRegisterComputeSystemCallback(Raw, Option<Notification>, *const c_void, *mut Raw) -> Code;
        fn HcsRegisterProcessCallback(Raw, Option<Notification>, *const c_void, *mut Raw) -> Code;
        fn HcsResumeComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsSaveComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsShutdownComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsSignalProcess(Raw, Text, Answer) -> Code;
        fn HcsStartComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsTerminateComputeSystem(Raw, Text, Answer) -> Code;
        fn HcsTerminateProcess(Raw, Answer) -> Code;
        fn HcsUnregisterComputeSystemCallback(Raw) -> Code;
        fn HcsUnregisterProcessCallback(Raw) -> Code;
        fn ImportLayer(Info, Text, Text, Descriptors, u32) -> Code;
        fn LayerExists(Info, Text, *mut u32) -> Code;
        fn NameToGuid(Text, *mut GUID) -> Code;
        fn PrepareLayer(Info, Text, Descriptors, u32) -> Code;
        fn ProcessBaseImage(Text) -> Code;
        fn ProcessUtilityImage(Text) -> Code;
        fn UnprepareLayer(Info, Text) -> Code;
    }
}
