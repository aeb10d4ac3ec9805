//! Changes of running systems.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::system::{MappedDirectory, MappedPipe, Processor};
use super::v1;

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RequestType {
    /// Something new.
    Add,
    /// Something goes.
    Remove,
    /// Something is different.
    Update,
}

/// What `HcsModifyComputeSystem` of computecore.dll takes for a process-isolated container.
#[derive(Clone, Debug, PartialEq)]
pub enum ModifyContainer {
    /// Another limit of memory, in mebibytes. The setting is a bare number.
    Memory(u64),
    /// Another limit of processor time; build 19042 and later.
    Processor(Processor),
    /// One more file or directory of the host.
    AddDirectory(MappedDirectory),
    /// One less; found by its path in the container.
    RemoveDirectory(MappedDirectory),
    /// One more named pipe of the host.
    AddPipe(MappedPipe),
    /// One less.
    RemovePipe(MappedPipe),
}

impl ModifyContainer {
    fn path(&self) -> &'static str {
        match self {
            Self::Memory(_) => "Container/Memory/SizeInMB",
            Self::Processor(_) => "Container/Processor",
            Self::AddDirectory(_) | Self::RemoveDirectory(_) => "Container/MappedDirectories",
            Self::AddPipe(_) | Self::RemovePipe(_) => "Container/MappedPipes",
        }
    }

    fn request(&self) -> RequestType {
        match self {
            Self::Memory(_) | Self::Processor(_) => RequestType::Update,
            Self::AddDirectory(_) | Self::AddPipe(_) => RequestType::Add,
            Self::RemoveDirectory(_) | Self::RemovePipe(_) => RequestType::Remove,
        }
    }
}

impl Serialize for ModifyContainer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("ModifySettingRequest", 3)?;
        document.serialize_field("ResourcePath", self.path())?;
        document.serialize_field("RequestType", &self.request())?;
        match self {
            Self::Memory(mebibytes) => document.serialize_field("Settings", mebibytes)?,
            Self::Processor(processor) => document.serialize_field("Settings", processor)?,
            Self::AddDirectory(directory) | Self::RemoveDirectory(directory) => {
                document.serialize_field("Settings", directory)?;
            }
            Self::AddPipe(pipe) | Self::RemovePipe(pipe) => document.serialize_field("Settings", pipe)?,
        }
        document.end()
    }
}

/// What `HcsModifyComputeSystem` of vmcompute.dll takes: something comes or goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ModifyV1 {
    /// What is changed.
    pub resource_type: ResourceV1,
    /// How: [`RequestType::Add`] or [`RequestType::Remove`].
    pub request_type: RequestType,
    /// Which.
    pub settings: SettingsV1,
}

impl ModifyV1 {
    /// An endpoint, by its GUID.
    pub fn endpoint(request_type: RequestType, id: impl Into<String>) -> Self {
        Self { resource_type: ResourceV1::Network, request_type, settings: SettingsV1::Endpoint(id.into()) }
    }

    /// A file or directory of the host.
    pub fn directory(request_type: RequestType, directory: v1::MappedDirectory) -> Self {
        let settings = SettingsV1::Directory(directory);
        Self { resource_type: ResourceV1::MappedDirectory, request_type, settings }
    }
}

/// What comes or goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SettingsV1 {
    /// GUID of an endpoint.
    Endpoint(String),
    /// A file or directory of the host.
    Directory(v1::MappedDirectory),
}

/// What a change of schema 1 is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ResourceV1 {
    /// A network endpoint.
    Network,
    /// A file or directory of the host. Microsoft's own client sends endpoints only.
    MappedDirectory,
}
