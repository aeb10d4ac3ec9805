//! Our signatures against those of the system's metadata.

use super::super::abi::{Computecore, Event, ProcessInformation};
use crate::windows::signatures::compare;

#[test]
fn functions_are_as_in_the_metadata() {
    let unknown = compare!(Computecore, windows_sys::Win32::System::HostComputeSystem;
        HcsAddResourceToOperation(_, _, _, _);
        HcsCancelOperation(_);
        HcsCloseComputeSystem(_);
        HcsCloseOperation(_);
        HcsCloseProcess(_);
        HcsCrashComputeSystem(_, _, _);
        HcsCreateComputeSystem(_, _, _, _, _);
        HcsCreateComputeSystemInNamespace(_, _, _, _, _, _);
        HcsCreateEmptyGuestStateFile(_);
        HcsCreateEmptyRuntimeStateFile(_);
        HcsCreateOperation(_, _);
        HcsCreateProcess(_, _, _, _, _);
        HcsEnumerateComputeSystems(_, _);
        HcsEnumerateComputeSystemsInNamespace(_, _, _);
        HcsGetComputeSystemProperties(_, _, _);
        HcsGetOperationId(_);
        HcsGetOperationResult(_, _);
        HcsGetOperationType(_);
        HcsGetProcessInfo(_, _);
        HcsGetProcessProperties(_, _, _);
        HcsGetServiceProperties(_, _);
        HcsGrantVmAccess(_, _);
        HcsGrantVmGroupAccess(_);
        HcsModifyComputeSystem(_, _, _, _);
        HcsModifyProcess(_, _, _);
        HcsModifyServiceSettings(_, _);
        HcsOpenComputeSystem(_, _, _);
        HcsOpenComputeSystemInNamespace(_, _, _, _);
        HcsOpenProcess(_, _, _, _);
        HcsPauseComputeSystem(_, _, _);
        HcsResumeComputeSystem(_, _, _);
        HcsRevokeVmAccess(_, _);
        HcsRevokeVmGroupAccess(_);
        HcsSaveComputeSystem(_, _, _);
        HcsSetComputeSystemCallback(_, _, _, _);
        HcsSetProcessCallback(_, _, _, _);
        HcsShutDownComputeSystem(_, _, _);
        HcsSignalProcess(_, _, _);
        HcsStartComputeSystem(_, _, _);
        HcsSubmitWerReport(_);
        HcsTerminateComputeSystem(_, _, _);
        HcsTerminateProcess(_, _, _);
        HcsWaitForComputeSystemExit(_, _, _);
        HcsWaitForOperationResult(_, _, _);
        HcsWaitForOperationResultAndProcessInfo(_, _, _, _);
        HcsWaitForProcessExit(_, _, _);
    );
    // Newer than the metadata.
    assert_eq!(unknown, ["HcsGetOperationProperties"]);
}

#[test]
fn structures_are_as_in_the_metadata() {
    use std::mem::{offset_of, size_of};
    use windows_sys::Win32::System::HostComputeSystem::{HCS_EVENT, HCS_PROCESS_INFORMATION};

    assert_eq!(size_of::<Event>(), size_of::<HCS_EVENT>());
    assert_eq!(offset_of!(Event, data), offset_of!(HCS_EVENT, EventData));
    assert_eq!(offset_of!(Event, operation), offset_of!(HCS_EVENT, Operation));
    assert_eq!(size_of::<ProcessInformation>(), size_of::<HCS_PROCESS_INFORMATION>());
    assert_eq!(offset_of!(ProcessInformation, stdin), offset_of!(HCS_PROCESS_INFORMATION, StdInput));
    assert_eq!(offset_of!(ProcessInformation, stderr), offset_of!(HCS_PROCESS_INFORMATION, StdError));
}
