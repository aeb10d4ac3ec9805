//! Questions to the compute service itself, and what it is asked to keep: versions, credentials.

use serde::{Deserialize, Serialize};

use super::system::CredentialTransport;
use super::{Text, Version};

/// What `HcsGetServiceProperties` takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ServiceQuery {
    /// What is wanted; the answers come in the same order.
    pub property_types: Vec<ServicePropertyType>,
}

/// A group of properties of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServicePropertyType {
    /// Versions of the documents; answered by [`BasicInformation`].
    Basic,
    /// Credentials that were handed out; answered by [`CredentialInstances`].
    ContainerCredentialGuard,
}

/// The answer of `HcsGetServiceProperties` about one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServiceProperties<T> {
    /// One entry for each group that was asked for.
    pub properties: Vec<T>,
}

/// Versions of documents that the service takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BasicInformation {
    /// The newest of each generation; all older ones of the generation are taken as well.
    pub supported_schema_versions: Vec<Version>,
}

/// Credentials that were handed out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CredentialInstances {
    /// One for each container.
    pub instances: Vec<CredentialInstance>,
}

/// Credentials of one container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CredentialInstance {
    /// Identifier of the container.
    pub id: String,
    /// What its document has to say.
    pub credential_guard: super::system::CredentialGuard,
}

/// What `HcsModifyServiceSettings` takes to make credentials known or forget them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "PropertyType", content = "Settings", deny_unknown_fields)]
pub enum ModifyService {
    /// Credentials of containers.
    ContainerCredentialGuard(CredentialOperation),
}

/// What is done about a container's credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "Operation", content = "OperationDetails", deny_unknown_fields)]
pub enum CredentialOperation {
    /// Make them known.
    AddInstance(AddCredentials),
    /// Forget them.
    RemoveInstance(RemoveCredentials),
}

/// Credentials to be made known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AddCredentials {
    /// Identifier of the container.
    pub id: String,
    /// Credential specification: a JSON document.
    pub credential_spec: Text,
    /// How the container will ask for them.
    pub transport: CredentialTransport,
}

/// Credentials to be forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RemoveCredentials {
    /// Identifier of the container.
    pub id: String,
}
