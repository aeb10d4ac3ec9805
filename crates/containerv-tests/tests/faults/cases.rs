//! Which call fails how, while what is done.

use containerv_tests::differences::Place;

use crate::Doing;

/// A call that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) doing: Doing,
    pub(crate) call: &'static str,
    /// The stand-ins' word: `refuse` by the function itself, `fail` of the operation, `report` of what was
    /// done all the same, `disconnect` from the service.
    pub(crate) how: &'static str,
    pub(crate) code: u32,
    pub(crate) name: &'static str,
    pub(crate) places: &'static [Place],
}

const BOTH: &[Place] = &[Place::Process, Place::HyperV];
const PROCESS: &[Place] = &[Place::Process];

const fn case(
    doing: Doing,
    call: &'static str,
    how: &'static str,
    code: u32,
    name: &'static str,
    places: &'static [Place],
) -> Case {
    Case { doing, call, how, code, name, places }
}

use Doing::{
    Create, Delete, DeleteStopped, Exec, KillChild, Pause, Processes, ResizeChild, Resume, RunAttached,
    SignalChild, Start, State, Stats, Stop, Update,
};

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    case(Create, "NameToGuid", "fail", 0x8007_0057, "E_INVALIDARG", BOTH),
    case(Create, "CreateSandboxLayer", "fail", 0x8007_0070, "ERROR_DISK_FULL", BOTH),
    case(Create, "CreateSandboxLayer", "report", 0x8037_0112, "HCS_E_INVALID_LAYER", BOTH),
    case(Create, "ExpandSandboxSize", "fail", 0x8007_0570, "ERROR_FILE_CORRUPT", BOTH),
    case(Create, "ActivateLayer", "fail", 0x8007_0020, "ERROR_SHARING_VIOLATION", PROCESS),
    case(Create, "ActivateLayer", "report", 0x8007_0015, "ERROR_NOT_READY", PROCESS),
    case(Create, "PrepareLayer", "fail", 0x8007_0003, "ERROR_PATH_NOT_FOUND", PROCESS),
    case(Create, "PrepareLayer", "report", 0x8007_0005, "ERROR_ACCESS_DENIED", PROCESS),
    case(Create, "GetLayerMountPath", "fail", 0x8007_048F, "ERROR_DEVICE_NOT_CONNECTED", BOTH),
    case(Create, "HcnEnumerateNetworks", "fail", 0x803B_0020, "HCN_E_MANAGER_STOPPED", BOTH),
    case(Create, "HcnOpenNetwork", "fail", 0x803B_0001, "HCN_E_NETWORK_NOT_FOUND", BOTH),
    case(Create, "HcnCreateEndpoint", "fail", 0x803B_002F, "HCN_E_ADDR_INVALID_OR_RESERVED", BOTH),
    case(Create, "HcnCreateEndpoint", "report", 0x803B_0017, "HCN_E_DEGRADED_OPERATION", BOTH),
    case(Create, "HcnCreateNamespace", "fail", 0x803B_002E, "HCN_E_NAMESPACE_ATTACH_FAILED", PROCESS),
    case(Create, "HcnCreateNamespace", "report", 0x803B_0031, "HCN_E_OBJECT_USED_AFTER_UNLOAD", PROCESS),
    case(Create, "HcnModifyNamespace", "fail", 0x803B_002B, "HCN_E_ENDPOINT_NAMESPACE_ALREADY_EXISTS", PROCESS),
    case(Create, "HcsCreateComputeSystem", "fail", 0x8037_0101, "HCS_E_IMAGE_MISMATCH", BOTH),
    case(Create, "HcsCreateComputeSystem", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Create, "HcsCreateComputeSystem", "report", 0x8037_0100, "HCS_E_TERMINATED_DURING_START", BOTH),
    case(Create, "HcsCreateComputeSystem", "fail", 0x8037_010F, "HCS_E_SYSTEM_ALREADY_EXISTS", BOTH),
    case(Create, "HcsCreateComputeSystem", "fail", 0x8037_010D, "HCS_E_INVALID_JSON", BOTH),
    case(Create, "HcsCreateComputeSystem", "disconnect", 0x8037_011E, "HCS_E_SERVICE_DISCONNECT", BOTH),
    case(Create, "HcsStartComputeSystem", "fail", 0x8037_0102, "HCS_E_HYPERV_NOT_INSTALLED", BOTH),
    case(Create, "HcsStartComputeSystem", "refuse", 0x8037_0105, "HCS_E_INVALID_STATE", BOTH),
    case(Create, "HcsStartComputeSystem", "report", 0x8037_0109, "HCS_E_CONNECTION_TIMEOUT", BOTH),
    case(Create, "HcsStartComputeSystem", "disconnect", 0x8037_011E, "HCS_E_SERVICE_DISCONNECT", BOTH),
    case(RunAttached, "HcsCreateProcess", "fail", 0x8007_0002, "ERROR_FILE_NOT_FOUND", BOTH),
    case(RunAttached, "HcsCreateProcess", "fail", 0x8007_0005, "ERROR_ACCESS_DENIED", BOTH),
    case(RunAttached, "HcsCreateProcess", "fail", 0x8007_05AF, "ERROR_COMMITMENT_LIMIT", BOTH),
    case(RunAttached, "HcsCreateProcess", "refuse", 0x8037_0105, "HCS_E_INVALID_STATE", BOTH),
    case(RunAttached, "HcsStartComputeSystem", "fail", 0x8037_0106, "HCS_E_UNEXPECTED_EXIT", BOTH),
    case(Exec, "HcsCreateProcess", "fail", 0x8007_00C1, "ERROR_BAD_EXE_FORMAT", BOTH),
    case(Exec, "HcsCreateProcess", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Exec, "HcsOpenComputeSystem", "fail", 0x8037_0114, "HCS_E_SERVICE_NOT_AVAILABLE", BOTH),
    case(Exec, "HcsGetComputeSystemProperties", "fail", 0x8037_010A, "HCS_E_CONNECTION_CLOSED", BOTH),
    case(KillChild, "HcsTerminateProcess", "fail", 0x8037_0105, "HCS_E_INVALID_STATE", BOTH),
    case(SignalChild, "HcsSignalProcess", "fail", 0x8037_010B, "HCS_E_UNKNOWN_MESSAGE", BOTH),
    case(ResizeChild, "HcsModifyProcess", "fail", 0x8037_0111, "HCS_E_PROTOCOL_ERROR", BOTH),
    case(Pause, "HcsPauseComputeSystem", "fail", 0x8037_0105, "HCS_E_INVALID_STATE", BOTH),
    case(Pause, "HcsPauseComputeSystem", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Resume, "HcsResumeComputeSystem", "fail", 0x8037_011C, "HCS_E_GUEST_CRITICAL_ERROR", BOTH),
    case(Update, "HcsModifyComputeSystem", "fail", 0x8037_010C, "HCS_E_UNSUPPORTED_PROTOCOL_VERSION", PROCESS),
    case(Update, "HcsModifyComputeSystem", "refuse", 0x8007_05AA, "ERROR_NO_SYSTEM_RESOURCES", PROCESS),
    case(Stats, "HcsGetComputeSystemProperties", "fail", 0x8037_0109, "HCS_E_CONNECTION_TIMEOUT", BOTH),
    case(Processes, "HcsGetComputeSystemProperties", "fail", 0x8037_011A, "HCS_E_OPERATION_RESULT_ALLOCATION_FAILED", BOTH),
    case(State, "HcsOpenComputeSystem", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Stop, "HcsTerminateComputeSystem", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Start, "HcsStartComputeSystem", "fail", 0x8037_0108, "HCS_E_CONNECT_FAILED", BOTH),
    case(Start, "HcsCreateComputeSystem", "fail", 0x8007_000E, "E_OUTOFMEMORY", BOTH),
    case(Start, "HcnCreateEndpoint", "fail", 0x803B_0005, "HCN_E_SUBNET_NOT_FOUND", BOTH),
    case(Delete, "HcsTerminateComputeSystem", "refuse", 0x8037_011B, "HCS_E_ACCESS_DENIED", BOTH),
    case(Delete, "UnprepareLayer", "fail", 0x8007_0005, "ERROR_ACCESS_DENIED", PROCESS),
    case(Delete, "DeactivateLayer", "fail", 0x8007_0020, "ERROR_SHARING_VIOLATION", PROCESS),
    case(Delete, "HcnDeleteEndpoint", "fail", 0x803B_002C, "HCN_E_ENTITY_HAS_REFERENCES", BOTH),
    case(Delete, "HcnDeleteNamespace", "fail", 0x803B_002C, "HCN_E_ENTITY_HAS_REFERENCES", PROCESS),
    case(DeleteStopped, "DestroyLayer", "fail", 0x8007_0005, "ERROR_ACCESS_DENIED", BOTH),
    case(DeleteStopped, "DestroyLayer", "fail", 0x8007_0091, "ERROR_DIR_NOT_EMPTY", BOTH),
];
