//! computecore.dll: types and functions.

use std::ffi::c_void;

use super::super::library::functions;

/// `HCS_SYSTEM`, `HCS_PROCESS` or `HCS_OPERATION`: not a kernel handle.
pub(super) type Raw = *mut c_void;
/// `HRESULT`.
pub(super) type Code = i32;
/// `PCWSTR`.
pub(super) type Text = *const u16;
/// `PWSTR*`: the DLL's answer, which the caller frees.
pub(super) type Answer = *mut *mut u16;

/// `HCS_OPERATION_COMPLETION`.
pub(super) type Completion = unsafe extern "system" fn(operation: Raw, context: *const c_void);
/// `HCS_EVENT_CALLBACK`.
pub(super) type EventCallback = unsafe extern "system" fn(event: *const Event, context: *const c_void);

/// `HCS_EVENT`.
#[repr(C)]
pub(super) struct Event {
    pub(super) kind: i32,
    /// Valid during the callback only.
    pub(super) data: Text,
    pub(super) operation: Raw,
}

/// `HCS_PROCESS_INFORMATION`, the same in both generations of the service.
#[repr(C)]
#[derive(Debug)]
pub(in crate::windows) struct ProcessInformation {
    pub(super) id: u32,
    pub(super) reserved: u32,
    pub(super) stdin: *mut c_void,
    pub(super) stdout: *mut c_void,
    pub(super) stderr: *mut c_void,
}

/// `GENERIC_ALL`, the only access that a handle of the service can be opened with.
pub(super) const ALL_ACCESS: u32 = 0x1000_0000;
/// `HcsEventOptionNone`, `HcsOperationTypeNone` and so on.
pub(super) const NO_OPTIONS: i32 = 0;

functions! {
    /// computecore.dll.
    Computecore = "computecore.dll" {
        fn HcsAddResourceToOperation(Raw, i32, Text, *mut c_void) -> Code;
        fn HcsCancelOperation(Raw) -> Code;
        fn HcsCloseComputeSystem(Raw);
        fn HcsCloseOperation(Raw);
        fn HcsCloseProcess(Raw);
        fn HcsCrashComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsCreateComputeSystem(Text, Text, Raw, *const c_void, *mut Raw) -> Code;
        fn HcsCreateComputeSystemInNamespace(Text, Text, Text, Raw, *const c_void, *mut Raw) -> Code;
        fn HcsCreateEmptyGuestStateFile(Text) -> Code;
        fn HcsCreateEmptyRuntimeStateFile(Text) -> Code;
        fn HcsCreateOperation(*const c_void, Option<Completion>) -> Raw;
        fn HcsCreateProcess(Raw, Text, Raw, *const c_void, *mut Raw) -> Code;
        fn HcsEnumerateComputeSystems(Text, Raw) -> Code;
        fn HcsEnumerateComputeSystemsInNamespace(Text, Text, Raw) -> Code;
        fn HcsGetComputeSystemProperties(Raw, Raw, Text) -> Code;
        fn HcsGetOperationId(Raw) -> u64;
        fn HcsGetOperationProperties(Raw, Text, Answer) -> Code;
        fn HcsGetOperationResult(Raw, Answer) -> Code;
        fn HcsGetOperationType(Raw) -> i32;
        fn HcsGetProcessInfo(Raw, Raw) -> Code;
        fn HcsGetProcessProperties(Raw, Raw, Text) -> Code;
        fn HcsGetServiceProperties(Text, Answer) -> Code;
        fn HcsGrantVmAccess(Text, Text) -> Code;
        fn HcsGrantVmGroupAccess(Text) -> Code;
        fn HcsModifyComputeSystem(Raw, Raw, Text, *mut c_void) -> Code;
        fn HcsModifyProcess(Raw, Raw, Text) -> Code;
        fn HcsModifyServiceSettings(Text, Answer) -> Code;
        fn HcsOpenComputeSystem(Text, u32, *mut Raw) -> Code;
        fn HcsOpenComputeSystemInNamespace(Text, Text, u32, *mut Raw) -> Code;
        fn HcsOpenProcess(Raw, u32, u32, *mut Raw) -> Code;
        fn HcsPauseComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsResumeComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsRevokeVmAccess(Text, Text) -> Code;
        fn HcsRevokeVmGroupAccess(Text) -> Code;
        fn HcsSaveComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsSetComputeSystemCallback(Raw, i32, *const c_void, Option<EventCallback>) -> Code;
        fn HcsSetProcessCallback(Raw, i32, *const c_void, Option<EventCallback>) -> Code;
        fn HcsShutDownComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsSignalProcess(Raw, Raw, Text) -> Code;
        fn HcsStartComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsSubmitWerReport(Text) -> Code;
        fn HcsTerminateComputeSystem(Raw, Raw, Text) -> Code;
        fn HcsTerminateProcess(Raw, Raw, Text) -> Code;
        fn HcsWaitForComputeSystemExit(Raw, u32, Answer) -> Code;
        fn HcsWaitForOperationResult(Raw, u32, Answer) -> Code;
        fn HcsWaitForOperationResultAndProcessInfo(Raw, u32, *mut ProcessInformation, Answer) -> Code;
        fn HcsWaitForProcessExit(Raw, u32, Answer) -> Code;
    }
}
