//! Documents that say how something ended: failed calls, systems that stopped, guests that crashed.

use serde::{Deserialize, Serialize};

/// What a failed operation says; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResultError {
    /// HRESULT as a signed number.
    pub error: i32,
    /// Text for it.
    pub error_message: String,
    /// What led to it; schema 2.4 and later. These say most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_events: Vec<ErrorEvent>,
    /// Who or what was it; schema 2.4 and later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attribution: Vec<Attribution>,
}

impl ResultError {
    /// Returns the HRESULT.
    pub fn code(&self) -> u32 {
        self.error.cast_unsigned()
    }
}

/// One thing that led to a failure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ErrorEvent {
    /// What happened.
    pub message: String,
    /// Where in the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
    /// GUID of who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Number of the event at this provider.
    pub event_id: u16,
    /// Kind, as the provider counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u32>,
    /// Part of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Values in the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<EventData>,
}

/// A value in a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventData {
    /// What it is, as `String` or `UInt32`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The value as text.
    pub value: String,
}

/// Who or what caused something: one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Attribution {
    /// The process that runs a virtual machine ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_exit: Option<WorkerExit>,
    /// The guest crashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_crash: Option<GuestCrash>,
    /// An operation of the service failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_failure: Option<OperationFailure>,
    /// The system ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_exit: Option<SystemExit>,
    /// A virtual device failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_device_failure: Option<VirtualDeviceFailure>,
}

/// How the process that runs a virtual machine ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WorkerExit {
    /// Its exit code.
    pub exit_code: u32,
    /// Kind of end, as `UnexpectedStop`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// More of it, as `TripleFault`.
    pub detail: String,
    /// Who began it, as `GuestOS`.
    pub initiator: String,
}

/// How a guest crashed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GuestCrash {
    /// The bug check and its four parameters.
    pub crash_parameters: Vec<u64>,
}

/// An operation that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OperationFailure {
    /// Which, as `Construct`.
    pub detail: String,
}

/// How a system ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemExit {
    /// How, as `Shutdown`.
    pub detail: String,
    /// Who began it, as `Client`.
    pub initiator: String,
}

/// A virtual device that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VirtualDeviceFailure {
    /// At what, as `PowerOnCold`.
    pub detail: String,
    /// Name of the device.
    pub name: String,
    /// GUID of its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// GUID of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
}

/// The event at the end of a system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SystemExitStatus {
    /// HRESULT as a signed number.
    pub status: i32,
    /// How it ended; schema 2.2 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_type: Option<ExitType>,
    /// Who or what was it; schema 2.4 and later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attribution: Vec<Attribution>,
}

/// How a system ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitType {
    /// It has not.
    None,
    /// It was asked to, and did.
    GracefulExit,
    /// It was made to.
    ForcedExit,
    /// By itself.
    UnexpectedExit,
    /// The service does not know, or says something newer than this list.
    #[serde(other)]
    Unknown,
}

/// The event of a guest that crashes or has crashed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CrashReport {
    /// Identifier of the system.
    pub system_id: String,
    /// GUID of this crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity_id: Option<String>,
    /// What a Windows guest has written of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows_crash_info: Option<WindowsCrashReport>,
    /// The bug check and its four parameters; schema 2.3 and later.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crash_parameters: Vec<u64>,
    /// What a Linux guest wrote last; schema 2.3 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash_log: Option<String>,
    /// Code as a signed number; schema 2.4 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// What ran before an operating system did; schema 2.4 and later.
    #[serde(rename = "PreOSId", skip_serializing_if = "Option::is_none")]
    pub pre_os_id: Option<u32>,
    /// Nothing is known of where in its program it crashed; schema 2.4 and later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash_stack_unavailable: Option<bool>,
}

/// What a Windows guest writes of itself when it crashes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WindowsCrashReport {
    /// Where its memory was written, on the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump_file: Option<String>,
    /// Build of its Windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_build_number: Option<u32>,
    /// How writing that went: code as a signed number.
    pub status: i32,
    /// How far writing that came, as `Complete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_phase: Option<String>,
}

/// What a failed call to the network service says besides its HRESULT.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkError {
    /// It went well.
    pub success: bool,
    /// What did not.
    pub error: String,
    /// HRESULT.
    pub error_code: u32,
}
