//! Plans of the Windows backend: calls of the compute, network and storage services with their documents.
//!
//! The calls of a plan have the names of the exports that they lead to, `DLL!FUNCTION`; what the library
//! does by other means has a name without a DLL. A value that only a running Windows can give is found by
//! one step and used by later ones; until then it has the name of a [`Found`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hcs::machine::WindowsMachine;
use crate::hcs::network::{Endpoint, ModifyNamespace, Namespace, Network, Query};
use crate::hcs::process::ProcessParameters;
use crate::hcs::service::{ModifyService, ServiceQuery};
use crate::hcs::system::{ComputeSystem, Layer};
use crate::hcs::v1::ContainerConfig;
use crate::hcs::{Found, Text};
use crate::request::CredentialSpec;
use crate::{ContainerId, OsText};

/// What the Windows backend will do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HcsPlan {
    /// The container that it is about.
    pub container: ContainerId,
    /// What keeps it apart from the host.
    pub isolation: HcsIsolation,
    /// The machine that it is for.
    pub machine: WindowsMachine,
    /// Choices that the request left open, and why they were made so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The steps.
    pub steps: Vec<HcsStep>,
}

/// What keeps a Windows container apart from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HcsIsolation {
    /// A silo of the host's kernel.
    Process,
    /// A virtual machine of its own.
    Hyperv,
}

impl HcsIsolation {
    /// Returns the word that options have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Hyperv => "hyperv",
        }
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HcsStep {
    /// When it is done.
    pub stage: Stage,
    /// What is done.
    #[serde(flatten)]
    pub call: Call,
    /// The exports that are called for it, in order.
    pub exports: Vec<String>,
    /// What undoes it, in order; empty where nothing is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Call>,
}

/// When a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Once, when the container is made; undone when it is removed. What is found is stored with it.
    Create,
    /// At each start, for a compute system cannot be started twice; undone when it has ended.
    Start,
}

impl Stage {
    /// Returns the word for a listing.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
        }
    }
}

macro_rules! calls {
    ($($(#[$doc:meta])* $variant:ident $name:literal [$($export:literal),*] { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// A call, with its arguments.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "call", content = "arguments")]
        pub enum Call {
            $($(#[$doc])* #[serde(rename = $name)] $variant { $($(#[$field_doc])* $field: $type),* },)*
        }

        impl Call {
            /// Returns its name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),* }
            }

            /// Returns the exports that are called for it, in order.
            pub fn exports(&self) -> &'static [&'static str] {
                match self { $(Self::$variant { .. } => &[$($export),*]),* }
            }
        }
    };
}

calls! {
    /// Makes the container's own directory, for SYSTEM and administrators only. From then on there is a journal.
    MakeDirectory "make_directory" [] {
        /// Absolute path.
        path: OsText,
    }
    /// Removes a directory with what is in it.
    RemoveDirectory "remove_directory" [] {
        /// Absolute path.
        path: OsText,
    }
    /// Makes an entry that only one container can have.
    ReserveName "reserve_name" [] {
        /// Absolute path.
        path: OsText,
    }
    /// Removes such an entry.
    ReleaseName "release_name" [] {
        /// Absolute path.
        path: OsText,
    }
    /// Writes the request, with which the container is started again.
    StoreRequest "store_request" [] {
        /// Absolute path.
        path: OsText,
    }
    /// Makes a directory of the host that is to be mapped, unless it is there. It stays.
    MakeSource "make_source" [] {
        /// Absolute path.
        path: String,
    }
    /// Finds where a path of the host really leads: its volume, without links.
    ResolvePath "kernel32!GetFinalPathNameByHandleW" ["CreateFileW", "GetFinalPathNameByHandleW", "CloseHandle"] {
        /// Absolute path.
        path: String,
        /// What it is for.
        found: Found,
    }
    /// Reads a credential specification and checks that it is a JSON object.
    ReadCredentialSpec "read_credential_spec" [] {
        /// Where it is.
        source: CredentialSpec,
        /// What it is for.
        found: Found,
    }
    /// Finds the GUID of a layer.
    NameToGuid "vmcompute!NameToGuid" ["NameToGuid"] {
        /// Last component of the folder's path.
        name: String,
        /// What it is for.
        found: Found,
    }
    /// Makes a writable layer, with its disk.
    CreateSandboxLayer "vmcompute!CreateSandboxLayer" ["CreateSandboxLayer"] {
        /// Its folder.
        layer: OsText,
        /// The layers below, topmost first.
        parents: Vec<Layer>,
    }
    /// Removes a layer; it is renamed before, so that a half removed one is not taken for whole, and looked
    /// for afterwards, because success is reported of trees that remain.
    DestroyLayer "vmcompute!DestroyLayer" ["DestroyLayer"] {
        /// Its folder.
        layer: OsText,
    }
    /// Makes the disk of a writable layer larger.
    ExpandSandboxSize "vmcompute!ExpandSandboxSize" ["ExpandSandboxSize"] {
        /// Its folder.
        layer: OsText,
        /// The new size.
        bytes: u64,
    }
    /// Makes the volume on a larger disk as large, while the disk is attached for that moment.
    ExtendVolume "extend_volume" [
        "OpenVirtualDisk", "AttachVirtualDisk", "GetLayerMountPath", "CreateFileW", "DeviceIoControl",
        "DeviceIoControl", "CloseHandle", "CloseHandle"
    ] {
        /// Folder of the layer.
        layer: OsText,
    }
    /// Attaches the disk of a writable layer.
    ActivateLayer "vmcompute!ActivateLayer" ["ActivateLayer"] {
        /// Its folder.
        layer: OsText,
    }
    /// Detaches it.
    DeactivateLayer "vmcompute!DeactivateLayer" ["DeactivateLayer"] {
        /// Its folder.
        layer: OsText,
    }
    /// Puts the layers below under an active one. One at a time in a process; tried again together with the
    /// activation when the disk is not ready.
    PrepareLayer "vmcompute!PrepareLayer" ["PrepareLayer"] {
        /// Its folder.
        layer: OsText,
        /// The layers below, topmost first.
        parents: Vec<Layer>,
    }
    /// Takes them away.
    UnprepareLayer "vmcompute!UnprepareLayer" ["UnprepareLayer"] {
        /// Its folder.
        layer: OsText,
    }
    /// Finds the volume of an active layer.
    GetLayerMountPath "vmcompute!GetLayerMountPath" ["GetLayerMountPath", "GetLayerMountPath"] {
        /// Its folder.
        layer: OsText,
        /// What it is for.
        found: Found,
    }
    /// Finds a network by its name. Exactly one must have it.
    EnumerateNetworks "computenetwork!HcnEnumerateNetworks" ["HcnEnumerateNetworks"] {
        /// The name.
        query: Query,
        /// What it is for.
        found: Found,
    }
    /// Makes a network that stays.
    CreateNetwork "computenetwork!HcnCreateNetwork" ["HcnCreateNetwork", "HcnCloseNetwork"] {
        /// Its GUID.
        id: String,
        /// The network.
        settings: Network,
    }
    /// Makes an endpoint.
    CreateEndpoint "computenetwork!HcnCreateEndpoint" [
        "HcnOpenNetwork", "HcnCreateEndpoint", "HcnCloseEndpoint", "HcnCloseNetwork"
    ] {
        /// GUID of the network.
        network: Text,
        /// GUID of the endpoint.
        id: String,
        /// The endpoint.
        settings: Endpoint,
    }
    /// Removes an endpoint.
    DeleteEndpoint "computenetwork!HcnDeleteEndpoint" ["HcnDeleteEndpoint"] {
        /// Its GUID.
        id: String,
    }
    /// Makes a network namespace.
    CreateNamespace "computenetwork!HcnCreateNamespace" ["HcnCreateNamespace", "HcnCloseNamespace"] {
        /// Its GUID.
        id: String,
        /// The namespace.
        settings: Namespace,
    }
    /// Removes a network namespace, which must be empty.
    DeleteNamespace "computenetwork!HcnDeleteNamespace" ["HcnDeleteNamespace"] {
        /// Its GUID.
        id: String,
    }
    /// Puts an endpoint into a namespace, or takes it out.
    ModifyNamespace "computenetwork!HcnModifyNamespace" [
        "HcnOpenNamespace", "HcnModifyNamespace", "HcnCloseNamespace"
    ] {
        /// GUID of the namespace.
        id: String,
        /// The change.
        settings: ModifyNamespace,
    }
    /// Makes credentials known to the service, or has it forget them.
    ModifyServiceSettings "computecore!HcsModifyServiceSettings" ["HcsModifyServiceSettings"] {
        /// The change.
        settings: ModifyService,
    }
    /// Finds what the service handed out for this container.
    GetServiceProperties "computecore!HcsGetServiceProperties" ["HcsGetServiceProperties"] {
        /// The question.
        query: ServiceQuery,
        /// What the answer is for, in the order of the document's fields.
        found: Vec<Found>,
    }
    /// Makes a compute system.
    CreateSystem "computecore!HcsCreateComputeSystem" [
        "HcsCreateOperation", "HcsCreateComputeSystem", "HcsWaitForOperationResult", "HcsCloseOperation"
    ] {
        /// Its identifier.
        id: ContainerId,
        /// Its document.
        document: Box<ComputeSystem>,
    }
    /// Asks for its events. Before the start, so that none is missed.
    WatchSystem "computecore!HcsSetComputeSystemCallback" ["HcsSetComputeSystemCallback"] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Starts it.
    StartSystem "computecore!HcsStartComputeSystem" [
        "HcsCreateOperation", "HcsStartComputeSystem", "HcsWaitForOperationResult", "HcsCloseOperation"
    ] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Ends it by force; its event tells when it has ended. That it has ended already is no failure.
    TerminateSystem "computecore!HcsTerminateComputeSystem" [
        "HcsCreateOperation", "HcsTerminateComputeSystem", "HcsCloseOperation"
    ] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Closes the handle to it.
    CloseSystem "computecore!HcsCloseComputeSystem" ["HcsCloseComputeSystem"] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Starts a process in it.
    CreateProcess "computecore!HcsCreateProcess" [
        "HcsCreateOperation", "HcsCreateProcess", "HcsWaitForOperationResultAndProcessInfo", "HcsCloseOperation"
    ] {
        /// Identifier of the system.
        id: ContainerId,
        /// The process.
        parameters: ProcessParameters,
    }
    /// Asks for the event of its end. At once, for an end before is not told.
    WatchProcess "computecore!HcsSetProcessCallback" ["HcsSetProcessCallback"] {
        /// Identifier of the system.
        id: ContainerId,
    }
    /// Makes a Hyper-V isolated system, in the older generation: its callback is registered while it is made.
    CreateSystemV1 "vmcompute!HcsCreateComputeSystem" ["HcsCreateComputeSystem", "HcsRegisterComputeSystemCallback"] {
        /// Its identifier.
        id: ContainerId,
        /// Its document.
        document: Box<ContainerConfig>,
    }
    /// Starts it; a notification tells when it runs.
    StartSystemV1 "vmcompute!HcsStartComputeSystem" ["HcsStartComputeSystem"] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Ends it by force; a notification tells when it has ended.
    TerminateSystemV1 "vmcompute!HcsTerminateComputeSystem" ["HcsTerminateComputeSystem"] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Closes the handle to it.
    CloseSystemV1 "vmcompute!HcsCloseComputeSystem" ["HcsUnregisterComputeSystemCallback", "HcsCloseComputeSystem"] {
        /// Its identifier.
        id: ContainerId,
    }
    /// Starts a process in it, and asks for the notification of its end.
    CreateProcessV1 "vmcompute!HcsCreateProcess" ["HcsCreateProcess", "HcsRegisterProcessCallback"] {
        /// Identifier of the system.
        id: ContainerId,
        /// The process.
        parameters: ProcessParameters,
    }
}

impl HcsStep {
    /// A step with what undoes it.
    pub fn new(stage: Stage, call: Call, undo: Vec<Call>) -> Self {
        let exports = call.exports().iter().map(|name| (*name).to_owned()).collect();
        Self { stage, call, exports, undo }
    }
}

impl Call {
    /// Returns the arguments as JSON: an object.
    fn arguments(&self) -> serde_json::Value {
        // A call holds nothing that JSON cannot. By way of indented bytes, which plans are printed as too:
        // a writer of values is 35 KB of code more in every `cv`.
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        let whole: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        whole.get("arguments").cloned().unwrap_or_default()
    }
}

/// Single values on one line; documents below, indented. Control characters are escaped.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name().to_owned();
        let arguments = self.arguments();
        let fields = arguments.as_object().into_iter().flatten();
        let (simple, documents): (Vec<_>, Vec<_>) =
            fields.partition(|(_, value)| !value.is_object() && !value.is_array());
        for (name, value) in simple {
            match value.as_str() {
                Some(value) => text += &format!(" {name}={value}").replace('\n', "\\n"),
                None => text += &format!(" {name}={value}"),
            }
        }
        for (name, value) in documents {
            let document = serde_json::to_string_pretty(value).map_err(|_| fmt::Error)?;
            text += &format!("\n{INDENT}{name}: {}", document.replace('\n', &format!("\n{INDENT}")));
        }
        text.chars().try_for_each(|character| match character {
            '\n' => f.write_str("\n"),
            other if other.is_control() => write!(f, "{}", other.escape_default()),
            other => write!(f, "{other}"),
        })
    }
}

/// Where the second line of a step begins.
const INDENT: &str = "              ";

impl fmt::Display for HcsPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (container, isolation) = (self.container.short(), self.isolation.name());
        let count = self.steps.len();
        writeln!(f, "plan for container {container} (hcs backend, {isolation} isolation, {count} steps)")?;
        writeln!(f, "  machine: {}", self.machine)?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:4}  {:6}  {}", step.stage.name(), step.call)?;
            if step.exports.len() > 1 {
                writeln!(f, "{INDENT}calls: {}", step.exports.join(", "))?;
            }
            for undo in &step.undo {
                writeln!(f, "{INDENT}undo: {undo}")?;
            }
        }
        Ok(())
    }
}
