//! Error codes of Windows and of its compute, network and storage services, in words.

/// An error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The HRESULT.
    pub value: u32,
    /// The name that its documentation has.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it; empty where the meaning says it.
    pub hint: &'static str,
}

/// The facility of the compute service in HRESULTs.
const COMPUTE: u32 = 0x8037_0000;
/// The same in NTSTATUS form, which the older generation and guests answer with.
const COMPUTE_TWIN: u32 = 0xC037_0000;
/// The last code that has a twin.
const LAST_TWIN: u32 = 0x0113;
/// The facility of Win32 error numbers in HRESULTs.
const WIN32: u32 = 0x8007_0000;

/// Brings the two forms of a code of the compute service together: `0xC037010E` becomes `0x8037010E`.
/// Codes that exist in one form only stay as they are.
pub fn canonical(code: u32) -> u32 {
    let number = code & 0xFFFF;
    let paired = (0x0100..=LAST_TWIN).contains(&number) && !matches!(number, 0x0103 | 0x0104);
    if code & 0xFFFF_0000 == COMPUTE_TWIN && paired { COMPUTE | number } else { code }
}

/// Makes an HRESULT of a Win32 error number, as virtdisk.dll returns.
pub fn from_win32(number: u32) -> u32 {
    if number == 0 || number > 0xFFFF { number } else { WIN32 | number }
}

/// Returns what is known of a code, in either form.
pub fn describe(code: u32) -> Option<&'static Code> {
    let code = canonical(code);
    CODES.binary_search_by_key(&code, |entry| entry.value).ok().map(|index| &CODES[index])
}

/// Returns name and meaning of a Win32 error number, as the standard library's errors have on Windows.
pub fn describe_win32(number: u32) -> Option<(&'static str, &'static str)> {
    let code = describe(from_win32(number)).filter(|_| (1..=0xFFFF).contains(&number))?;
    let name = match number {
        // As HRESULTs these two have names of their own.
        14 => "ERROR_OUTOFMEMORY",
        87 => "ERROR_INVALID_PARAMETER",
        _ => code.name,
    };
    Some((name, code.meaning))
}

macro_rules! codes {
    ($($value:literal $name:literal $meaning:literal $hint:expr;)*) => {
        &[$(Code { value: $value, name: $name, meaning: $meaning, hint: $hint }),*]
    };
}

const DOCUMENT: &str =
    "the error events of the result name the field; this is a defect of containerv, please report it";
const STATE: &str = "look at its state with `cv inspect`";
const RESTART_HNS: &str = "restart the service `hns` (`Restart-Service hns`); networks and endpoints that do not persist are gone then";
const LEFTOVER: &str = "`cv system repair` removes what a crash left behind";
const DEFECT: &str = "this is a defect of containerv, please report it";
const FEATURES: &str =
    "enable the Windows feature `Containers`, and `Microsoft-Hyper-V` for Hyper-V isolation, and restart";
const ELEVATE: &str =
    "run elevated; Hyper-V isolation of prepared layers needs the group `Hyper-V Administrators` only";
const BUSY: &str =
    "another program has the file open, often a virus scanner or an earlier container; try again, or end it";

const ROOM: &str = "`cv prune` removes ended containers; or choose a larger place with `--root DIR`";

/// Every code, by value.
pub const CODES: &[Code] = codes! {
    0x8000_4001 "E_NOTIMPL" "the function does nothing on this build" "";
    0x8000_4005 "E_FAIL" "it failed for a reason that is not given" "look at the event log `Microsoft-Windows-Hyper-V-Compute`";
    0x8007_0001 "ERROR_INVALID_FUNCTION" "the file system or device cannot do that" "";
    0x8007_0002 "ERROR_FILE_NOT_FOUND" "a file is missing" "check that the layer folders are complete";
    0x8007_0003 "ERROR_PATH_NOT_FOUND" "a folder is missing" "check that the layer folders are complete; a base layer that was not finished lacks one";
    0x8007_0004 "ERROR_TOO_MANY_OPEN_FILES" "too many files are open" "";
    0x8007_0005 "ERROR_ACCESS_DENIED" "access is denied" ELEVATE;
    0x8007_0006 "ERROR_INVALID_HANDLE" "the object is gone or was closed" "";
    0x8007_0008 "ERROR_NOT_ENOUGH_MEMORY" "memory ran out" "end other programs or give the container less";
    0x8007_000D "ERROR_INVALID_DATA" "the data are not valid: malformed, or with a field or value that this build does not know" DOCUMENT;
    0x8007_000E "E_OUTOFMEMORY" "memory ran out" "end other programs or give the container less";
    0x8007_0011 "ERROR_NOT_SAME_DEVICE" "that is on another volume" "";
    0x8007_0013 "ERROR_WRITE_PROTECT" "the medium is write-protected" "";
    0x8007_0015 "ERROR_NOT_READY" "a disk is not ready yet" "try again";
    0x8007_0020 "ERROR_SHARING_VIOLATION" "a file or disk is in use" BUSY;
    0x8007_0021 "ERROR_LOCK_VIOLATION" "a part of the file is locked" BUSY;
    0x8007_0027 "ERROR_HANDLE_DISK_FULL" "the disk is full" ROOM;
    0x8007_0032 "ERROR_NOT_SUPPORTED" "this Windows cannot do that" FEATURES;
    0x8007_0035 "ERROR_BAD_NETPATH" "the computer of the network path cannot be found" "";
    0x8007_0050 "ERROR_FILE_EXISTS" "a file is there already" LEFTOVER;
    0x8007_0057 "E_INVALIDARG" "an argument or a combination of settings is not allowed" DOCUMENT;
    0x8007_006D "ERROR_BROKEN_PIPE" "the other end of the pipe is closed" "";
    0x8007_0070 "ERROR_DISK_FULL" "the disk is full" ROOM;
    0x8007_0078 "ERROR_CALL_NOT_IMPLEMENTED" "this Windows does not have that" "";
    0x8007_007B "ERROR_INVALID_NAME" "that cannot be the name of a file" "";
    0x8007_007E "ERROR_MOD_NOT_FOUND" "a DLL is missing" FEATURES;
    0x8007_007F "ERROR_PROC_NOT_FOUND" "a DLL lacks a function" "use a newer build of Windows";
    0x8007_0091 "ERROR_DIR_NOT_EMPTY" "the directory is not empty" "";
    0x8007_00A1 "ERROR_BAD_PATHNAME" "that is no path" "";
    0x8007_00AA "ERROR_BUSY" "it is in use" BUSY;
    0x8007_00B7 "ERROR_ALREADY_EXISTS" "it is there already" "";
    0x8007_00C1 "ERROR_BAD_EXE_FORMAT" "the file is no program of Windows" "";
    0x8007_00CE "ERROR_FILENAME_EXCED_RANGE" "a name or path is too long" "enable long paths, or use a shorter path; `cv doctor` tells how";
    0x8007_00D8 "ERROR_EXE_MACHINE_TYPE_MISMATCH" "the program is for another kind of processor" "";
    0x8007_00E1 "ERROR_VIRUS_INFECTED" "a virus scanner keeps the file back" "look at what the scanner has found; exclude the state directory if it is wrong";
    0x8007_00E7 "ERROR_PIPE_BUSY" "all ends of the pipe are in use" "try again";
    0x8007_00E8 "ERROR_NO_DATA" "the other end of the pipe is being closed" "";
    0x8007_010B "ERROR_DIRECTORY" "that is no directory" "";
    0x8007_012F "ERROR_DELETE_PENDING" "the file is being deleted, and somebody still has it open" BUSY;
    0x8007_0150 "ERROR_DIRECTORY_NOT_SUPPORTED" "that cannot be done with a directory" "";
    0x8007_02E4 "ERROR_ELEVATION_REQUIRED" "the caller is not elevated" ELEVATE;
    0x8007_03E3 "ERROR_OPERATION_ABORTED" "it was given up" "";
    0x8007_0422 "ERROR_SERVICE_DISABLED" "a service is disabled" "`Set-Service NAME -StartupType Manual`; `cv doctor` tells which one";
    0x8007_0424 "ERROR_SERVICE_DOES_NOT_EXIST" "a service is not installed" FEATURES;
    0x8007_0426 "ERROR_SERVICE_NOT_ACTIVE" "a service does not run" "`Start-Service NAME`; `cv doctor` tells which one";
    0x8007_048F "ERROR_DEVICE_NOT_CONNECTED" "a disk is not connected yet" "try again";
    0x8007_0490 "ERROR_NOT_FOUND" "the object or process does not exist" "";
    0x8007_04C8 "ERROR_USER_MAPPED_FILE" "a program has the file in its memory" BUSY;
    0x8007_0514 "ERROR_NOT_ALL_ASSIGNED" "the caller lacks a privilege" ELEVATE;
    0x8007_0522 "ERROR_PRIVILEGE_NOT_HELD" "the caller lacks a privilege" ELEVATE;
    0x8007_0534 "ERROR_NONE_MAPPED" "there is no such user or group" "";
    0x8007_0570 "ERROR_FILE_CORRUPT" "a disk image is damaged" "remove the container, or import the layer again";
    0x8007_05AA "ERROR_NO_SYSTEM_RESOURCES" "the system ran out of resources" "end other programs";
    0x8007_05AF "ERROR_COMMITMENT_LIMIT" "memory and page file are used up" "make the page file larger, or end other programs";
    0x8007_05B4 "ERROR_TIMEOUT" "it took too long" "try again; a machine under load needs more time";
    0x8007_0718 "ERROR_NOT_ENOUGH_QUOTA" "a quota is used up" "";
    0x8007_0780 "ERROR_CANT_ACCESS_FILE" "the system cannot get at the file" "a filter or link of its own kind is in the way";
    0x8007_0781 "ERROR_CANT_RESOLVE_FILENAME" "the links of the path lead nowhere" "";
    0x8007_1126 "ERROR_NOT_A_REPARSE_POINT" "a folder was given where a volume is needed" DEFECT;
    0x8037_0100 "HCS_E_TERMINATED_DURING_START" "the container ended while it was started" "look at the event log `Microsoft-Windows-Hyper-V-Compute`";
    0x8037_0101 "HCS_E_IMAGE_MISMATCH" "the image is of a Windows build that this host cannot run so" "use `--isolation hyperv`, or an image of the host's build";
    0x8037_0102 "HCS_E_HYPERV_NOT_INSTALLED" "the virtual machine cannot start: no hypervisor runs" "enable `Microsoft-Hyper-V` and virtualization in the firmware; in a virtual machine, nested virtualization on its host";
    0x8037_0105 "HCS_E_INVALID_STATE" "the container's state does not allow that" STATE;
    0x8037_0106 "HCS_E_UNEXPECTED_EXIT" "the container ended unexpectedly" "look at `cv logs` and the event log `Microsoft-Windows-Hyper-V-Compute`";
    0x8037_0107 "HCS_E_TERMINATED" "the container was ended by force" "";
    0x8037_0108 "HCS_E_CONNECT_FAILED" "the guest cannot be reached" "try again; see whether the virtual machine starts at all";
    0x8037_0109 "HCS_E_CONNECTION_TIMEOUT" "the guest did not answer in time" "try again; give it more memory or processors";
    0x8037_010A "HCS_E_CONNECTION_CLOSED" "the guest closed the connection" "the guest has probably crashed: look at `cv logs`";
    0x8037_010B "HCS_E_UNKNOWN_MESSAGE" "the guest does not know this request" "use an image of a newer Windows build";
    0x8037_010C "HCS_E_UNSUPPORTED_PROTOCOL_VERSION" "the guest speaks another version of the protocol" "use an image of the host's build";
    0x8037_010D "HCS_E_INVALID_JSON" "a document is malformed, or has a field or value that this build does not know" DOCUMENT;
    0x8037_010E "HCS_E_SYSTEM_NOT_FOUND" "there is no such container any more" "`cv ps -a` lists containers";
    0x8037_010F "HCS_E_SYSTEM_ALREADY_EXISTS" "a container of this identifier is there already" LEFTOVER;
    0x8037_0110 "HCS_E_SYSTEM_ALREADY_STOPPED" "the container has ended or is ending" "";
    0x8037_0111 "HCS_E_PROTOCOL_ERROR" "the guest broke the protocol" "look at the event log `Microsoft-Windows-Hyper-V-Compute`";
    0x8037_0112 "HCS_E_INVALID_LAYER" "a layer folder is not what it should be" "import the layer again";
    0x8037_0113 "HCS_E_WINDOWS_INSIDER_REQUIRED" "that needs an Insider build of Windows" "";
    0x8037_0114 "HCS_E_SERVICE_NOT_AVAILABLE" "the compute service is not there" FEATURES;
    0x8037_0115 "HCS_E_OPERATION_NOT_STARTED" "an operation was asked for its result before it began" DEFECT;
    0x8037_0116 "HCS_E_OPERATION_ALREADY_STARTED" "an operation was used twice at once" DEFECT;
    0x8037_0117 "HCS_E_OPERATION_PENDING" "the operation has not ended yet" "";
    0x8037_0118 "HCS_E_OPERATION_TIMEOUT" "the operation took too long and goes on" "try again; a machine under load needs more time";
    0x8037_0119 "HCS_E_OPERATION_SYSTEM_CALLBACK_ALREADY_SET" "two ways of notification were asked for" DEFECT;
    0x8037_011A "HCS_E_OPERATION_RESULT_ALLOCATION_FAILED" "there was no memory for the result" "end other programs";
    0x8037_011B "HCS_E_ACCESS_DENIED" "the caller is neither administrator nor Hyper-V administrator" ELEVATE;
    0x8037_011C "HCS_E_GUEST_CRITICAL_ERROR" "the guest has crashed or was reset" "look at `cv logs`; give it more memory";
    0x8037_011D "HCS_E_PROCESS_INFO_NOT_AVAILABLE" "nothing is known about the process" "";
    0x8037_011E "HCS_E_SERVICE_DISCONNECT" "the compute service has gone away; it was restarted or crashed" "see whether the service `vmcompute` runs, and try again";
    0x8037_011F "HCS_E_PROCESS_ALREADY_STOPPED" "the process has ended" "";
    0x803B_0001 "HCN_E_NETWORK_NOT_FOUND" "there is no such network" "`Get-HnsNetwork` lists networks; one of the kind NAT is lost by a restart of Windows";
    0x803B_0002 "HCN_E_ENDPOINT_NOT_FOUND" "there is no such endpoint" "";
    0x803B_0003 "HCN_E_LAYER_NOT_FOUND" "a part of the virtual switch is missing" RESTART_HNS;
    0x803B_0004 "HCN_E_SWITCH_NOT_FOUND" "the virtual switch is missing" RESTART_HNS;
    0x803B_0005 "HCN_E_SUBNET_NOT_FOUND" "the network has no such subnet" "choose an address of the network, or none";
    0x803B_0006 "HCN_E_ADAPTER_NOT_FOUND" "the network adapter is missing" "choose an adapter that is connected";
    0x803B_0007 "HCN_E_PORT_NOT_FOUND" "a port of the virtual switch is missing" RESTART_HNS;
    0x803B_0008 "HCN_E_POLICY_NOT_FOUND" "there is no such rule" "";
    0x803B_0009 "HCN_E_VFP_PORTSETTING_NOT_FOUND" "a setting of the virtual switch is missing" RESTART_HNS;
    0x803B_000A "HCN_E_INVALID_NETWORK" "the network's settings are not allowed" DOCUMENT;
    0x803B_000B "HCN_E_INVALID_NETWORK_TYPE" "this Windows has no network of this kind" "use `--network nat`";
    0x803B_000C "HCN_E_INVALID_ENDPOINT" "the endpoint's settings are not allowed" DOCUMENT;
    0x803B_000D "HCN_E_INVALID_POLICY" "a rule is not allowed" DOCUMENT;
    0x803B_000E "HCN_E_INVALID_POLICY_TYPE" "there is no such kind of rule" DOCUMENT;
    0x803B_000F "HCN_E_INVALID_REMOTE_ENDPOINT_OPERATION" "that cannot be done with a remote endpoint" DEFECT;
    0x803B_0010 "HCN_E_NETWORK_ALREADY_EXISTS" "a network of this name is there already" "";
    0x803B_0011 "HCN_E_LAYER_ALREADY_EXISTS" "a part of the virtual switch is there already" RESTART_HNS;
    0x803B_0012 "HCN_E_POLICY_ALREADY_EXISTS" "the rule is there already" LEFTOVER;
    0x803B_0013 "HCN_E_PORT_ALREADY_EXISTS" "the published port of the host is in use" "publish another port, or end what uses it; `cv system repair` removes what a crash left behind";
    0x803B_0014 "HCN_E_ENDPOINT_ALREADY_ATTACHED" "the endpoint is still attached" LEFTOVER;
    0x803B_0015 "HCN_E_REQUEST_UNSUPPORTED" "the network service cannot do that" "";
    0x803B_0016 "HCN_E_MAPPING_NOT_SUPPORTED" "ports cannot be published on a network of this kind" "use a network of the kind NAT";
    0x803B_0017 "HCN_E_DEGRADED_OPERATION" "the network is damaged" RESTART_HNS;
    0x803B_0018 "HCN_E_SHARED_SWITCH_MODIFICATION" "the virtual switch is shared and cannot be changed" "";
    0x803B_0019 "HCN_E_GUID_CONVERSION_FAILURE" "an identifier is malformed" DEFECT;
    0x803B_001A "HCN_E_REGKEY_FAILURE" "the registry could not be read or written" "restart Windows";
    0x803B_001B "HCN_E_INVALID_JSON" "a document is malformed" DOCUMENT;
    0x803B_001C "HCN_E_INVALID_JSON_REFERENCE" "a document refers to something that is not there" DOCUMENT;
    0x803B_001D "HCN_E_ENDPOINT_SHARING_DISABLED" "the endpoint cannot be shared" "";
    0x803B_001E "HCN_E_INVALID_IP" "the address is not valid here" "choose an address of the network's subnet";
    0x803B_001F "HCN_E_SWITCH_EXTENSION_NOT_FOUND" "an extension of the virtual switch is missing" "install it, or use another network";
    0x803B_0020 "HCN_E_MANAGER_STOPPED" "the network service is stopping" "start the service `hns` and try again";
    0x803B_0021 "GCN_E_MODULE_NOT_FOUND" "the guest's network service lacks a part" "use an image of the host's build";
    0x803B_0022 "GCN_E_NO_REQUEST_HANDLERS" "the guest's network service does not run" "try again";
    0x803B_0023 "GCN_E_REQUEST_UNSUPPORTED" "the guest's network service cannot do that" "use an image of the host's build";
    0x803B_0024 "GCN_E_RUNTIMEKEYS_FAILED" "the guest could not store its network settings" "try again";
    0x803B_0025 "GCN_E_NETADAPTER_TIMEOUT" "the guest's network adapter did not appear in time" "try again";
    0x803B_0026 "GCN_E_NETADAPTER_NOT_FOUND" "the guest has no such network adapter" "try again";
    0x803B_0027 "GCN_E_NETCOMPARTMENT_NOT_FOUND" "the guest's network compartment is missing" "try again";
    0x803B_0028 "GCN_E_NETINTERFACE_NOT_FOUND" "the guest has no such network interface" "try again";
    0x803B_0029 "GCN_E_DEFAULTNAMESPACE_EXISTS" "the guest has a default network namespace already" DEFECT;
    0x803B_002A "HCN_E_ICS_DISABLED" "Internet Connection Sharing is disabled" "start the service `SharedAccess`, or use `--network nat`";
    0x803B_002B "HCN_E_ENDPOINT_NAMESPACE_ALREADY_EXISTS" "the endpoint is in a network namespace already" LEFTOVER;
    0x803B_002C "HCN_E_ENTITY_HAS_REFERENCES" "the object is still in use" LEFTOVER;
    0x803B_002D "HCN_E_INVALID_INTERNAL_PORT" "the container's port is not valid" "publish a port from 1 to 65535";
    0x803B_002E "HCN_E_NAMESPACE_ATTACH_FAILED" "the network namespace could not be attached" RESTART_HNS;
    0x803B_002F "HCN_E_ADDR_INVALID_OR_RESERVED" "the address is in use or reserved" "choose another address; `cv system repair` removes endpoints that a crash left behind";
    0x803B_0030 "HCN_E_INVALID_PREFIX" "the length of the network prefix is not valid" "";
    0x803B_0031 "HCN_E_OBJECT_USED_AFTER_UNLOAD" "the network service was restarted meanwhile" "try again";
    0x803B_0032 "HCN_E_INVALID_SUBNET" "the subnet is not valid, or not part of the host's NAT prefix" "choose another subnet";
    0x803B_0033 "HCN_E_INVALID_IP_SUBNET" "the subnet of addresses is not valid" "choose another subnet";
    0x803B_0034 "HCN_E_ENDPOINT_NOT_ATTACHED" "the endpoint is not attached" "";
    0x803B_0035 "HCN_E_ENDPOINT_NOT_LOCAL" "the endpoint is of another host" "";
    0x803B_0036 "HCN_INTERFACEPARAMETERS_ALREADY_APPLIED" "the interface has these settings already" "";
    0x803B_0037 "HCN_E_VFP_NOT_ALLOWED" "this network cannot have rules of the virtual switch" "";
    0xC035_1000 "HV_STATUS_NOT_PRESENT" "no hypervisor runs" "enable `Microsoft-Hyper-V` and virtualization in the firmware";
    0xC037_0103 "HCS_E_OPERATION_PENDING" "the work goes on; a notification tells of its end" "";
    0xC037_0104 "HCS_E_TOO_MANY_NOTIFICATIONS" "notifications were not taken in time" DEFECT;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_something() {
        assert!(CODES.windows(2).all(|pair| pair[0].value < pair[1].value));
        for code in CODES {
            assert_eq!(describe(code.value), Some(code));
            assert!(!code.name.is_empty() && !code.meaning.is_empty());
            assert!(!code.meaning.ends_with('.') && !code.hint.ends_with('.'), "{}", code.name);
        }
    }

    #[test]
    fn every_code_of_the_two_services_is_there() {
        let paired = (0x0100..=0x011F).filter(|number| !matches!(number, 0x0103 | 0x0104));
        for number in paired {
            let code = describe(0x8037_0000 | number).unwrap();
            let twin = describe(0xC037_0000 | number);
            assert_eq!(twin.is_some(), number <= 0x0113, "{}", code.name);
            assert!(twin.is_none_or(|twin| twin == code));
        }
        assert!((1..=0x37).all(|number| describe(0x803B_0000 | number).is_some()));
        for number in [0x0103, 0x0104] {
            assert!(describe(0xC037_0000 | number).is_some() && describe(0x8037_0000 | number).is_none());
        }
    }

    #[test]
    fn win32_numbers_become_hresults() {
        assert_eq!(describe(from_win32(32)).unwrap().name, "ERROR_SHARING_VIOLATION");
        assert_eq!(describe(from_win32(1167)).unwrap().name, "ERROR_DEVICE_NOT_CONNECTED");
        assert_eq!(from_win32(0), 0);
        assert_eq!(from_win32(0x8037_0101), 0x8037_0101);
        assert_eq!(describe_win32(87).unwrap().0, "ERROR_INVALID_PARAMETER");
        assert_eq!(describe_win32(5), Some(("ERROR_ACCESS_DENIED", "access is denied")));
        assert_eq!(
            (describe_win32(0), describe_win32(0x8037_0101), describe_win32(9999)),
            (None, None, None)
        );
        for code in CODES.iter().filter(|code| code.value & 0xFFFF_0000 == WIN32) {
            let (name, meaning) = describe_win32(code.value & 0xFFFF).unwrap();
            assert!(name.starts_with("ERROR_") && meaning == code.meaning, "{name}");
        }
    }
}
