//! Result codes, as Windows' headers name them.

#![allow(missing_docs, reason = "the names are the documentation")]

pub const S_OK: u32 = 0;
pub const S_FALSE: u32 = 1;
pub const E_NOTIMPL: u32 = 0x8000_4001;
pub const E_POINTER: u32 = 0x8000_4003;
pub const E_FAIL: u32 = 0x8000_4005;
pub const E_UNEXPECTED: u32 = 0x8000_FFFF;
pub const E_ACCESSDENIED: u32 = 0x8007_0005;
pub const E_HANDLE: u32 = 0x8007_0006;
pub const E_INVALID_DATA: u32 = 0x8007_000D;
pub const E_OUTOFMEMORY: u32 = 0x8007_000E;
pub const E_INVALIDARG: u32 = 0x8007_0057;
pub const FILE_NOT_FOUND: u32 = 0x8007_0002;
pub const PATH_NOT_FOUND: u32 = 0x8007_0003;
pub const NOT_READY: u32 = 0x8007_0015;
pub const SHARING_VIOLATION: u32 = 0x8007_0020;
pub const NOT_SUPPORTED: u32 = 0x8007_0032;
pub const FILE_EXISTS: u32 = 0x8007_0050;
/// No such device: a disk that is not attached.
pub const DEV_NOT_EXIST: u32 = 0x8007_0037;
pub const FILE_CORRUPT: u32 = 0x8007_0570;
pub const ELEMENT_NOT_FOUND: u32 = 0x8007_0490;
/// An object that is no longer there.
pub const OBJECT_NO_LONGER_EXISTS: u32 = 0x8007_1126;

pub const TERMINATED_DURING_START: u32 = 0x8037_0100;
pub const IMAGE_MISMATCH: u32 = 0x8037_0101;
pub const HYPERV_NOT_INSTALLED: u32 = 0x8037_0102;
pub const V1_OPERATION_PENDING: u32 = 0xC037_0103;
pub const INVALID_STATE: u32 = 0x8037_0105;
pub const UNEXPECTED_EXIT: u32 = 0x8037_0106;
pub const TERMINATED: u32 = 0x8037_0107;
pub const INVALID_JSON: u32 = 0x8037_010D;
pub const SYSTEM_NOT_FOUND: u32 = 0x8037_010E;
pub const SYSTEM_ALREADY_EXISTS: u32 = 0x8037_010F;
pub const SYSTEM_ALREADY_STOPPED: u32 = 0x8037_0110;
pub const INVALID_LAYER: u32 = 0x8037_0112;
pub const SERVICE_NOT_AVAILABLE: u32 = 0x8037_0114;
pub const OPERATION_NOT_STARTED: u32 = 0x8037_0115;
pub const OPERATION_ALREADY_STARTED: u32 = 0x8037_0116;
pub const OPERATION_PENDING: u32 = 0x8037_0117;
pub const OPERATION_TIMEOUT: u32 = 0x8037_0118;
pub const SYSTEM_CALLBACK_ALREADY_SET: u32 = 0x8037_0119;
pub const ACCESS_DENIED: u32 = 0x8037_011B;
pub const GUEST_CRITICAL_ERROR: u32 = 0x8037_011C;
pub const PROCESS_INFO_NOT_AVAILABLE: u32 = 0x8037_011D;
pub const SERVICE_DISCONNECT: u32 = 0x8037_011E;
pub const PROCESS_ALREADY_STOPPED: u32 = 0x8037_011F;

pub const HCN_NETWORK_NOT_FOUND: u32 = 0x803B_0001;
pub const HCN_ENDPOINT_NOT_FOUND: u32 = 0x803B_0002;
pub const HCN_SUBNET_NOT_FOUND: u32 = 0x803B_0005;
pub const HCN_POLICY_NOT_FOUND: u32 = 0x803B_0008;
pub const HCN_INVALID_NETWORK: u32 = 0x803B_000A;
pub const HCN_INVALID_NETWORK_TYPE: u32 = 0x803B_000B;
pub const HCN_INVALID_ENDPOINT: u32 = 0x803B_000C;
pub const HCN_INVALID_POLICY: u32 = 0x803B_000D;
pub const HCN_INVALID_POLICY_TYPE: u32 = 0x803B_000E;
pub const HCN_NETWORK_ALREADY_EXISTS: u32 = 0x803B_0010;
pub const HCN_PORT_ALREADY_EXISTS: u32 = 0x803B_0013;
pub const HCN_ENDPOINT_ALREADY_ATTACHED: u32 = 0x803B_0014;
pub const HCN_MAPPING_NOT_SUPPORTED: u32 = 0x803B_0016;
pub const HCN_INVALID_JSON: u32 = 0x803B_001B;
pub const HCN_INVALID_IP: u32 = 0x803B_001E;
pub const HCN_ENDPOINT_NAMESPACE_ALREADY_EXISTS: u32 = 0x803B_002B;
pub const HCN_ENTITY_HAS_REFERENCES: u32 = 0x803B_002C;
pub const HCN_ADDRESS_INVALID_OR_RESERVED: u32 = 0x803B_002F;
pub const HCN_INVALID_PREFIX: u32 = 0x803B_0030;
pub const HCN_INVALID_SUBNET: u32 = 0x803B_0032;
pub const HCN_ENDPOINT_NOT_ATTACHED: u32 = 0x803B_0034;

/// The form of an HCS code that functions of the first generation return.
pub fn first_generation(code: u32) -> u32 {
    if code & 0xFFFF_0000 == 0x8037_0000 && code & 0xFFFF <= 0x113 { code | 0x4000_0000 } else { code }
}
