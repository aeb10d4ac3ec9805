//! The compute system: its document, and making and starting it.

use containerv_spec::hcs::service::{
    AddCredentials, CredentialOperation, ModifyService, RemoveCredentials, ServicePropertyType, ServiceQuery,
};
use containerv_spec::hcs::system::{
    ComputeSystem, Container, CredentialGuard, CredentialTransport, Device, DeviceType, GuestOs, Layer,
    MappedDirectory, Memory, Networking, Processor, RegistryChanges, RegistryHive, RegistryKey,
    RegistryValue, RegistryValueType, Storage, StorageQos,
};
use containerv_spec::hcs::{Found, Text, Version, v1};
use containerv_spec::plan::hcs::{Call, Stage};
use containerv_spec::request::{AssignedDevice, CredentialSpec, Lifetime};

use super::Draft;
use super::network::Joined;
use super::resources::Rates;
use super::storage::Mapped;
use crate::ErrorKind::{InvalidArgument, Unavailable, Unsupported};

/// Longest computer name; NetBIOS.
const MAX_HOST_NAME: usize = 15;
/// Longest credential specification.
const MAX_CREDENTIALS: usize = 64 << 10;
/// First build whose documents can name a single device: schema 2.2.
const NAMES_DEVICES: u32 = 18362;

/// What the documents of both generations say alike.
struct Parts {
    owner: String,
    host_name: String,
    memory: Option<u64>,
    processor: Processor,
    rates: Rates,
    credentials: Option<Text>,
    owner_bound: bool,
}

impl Draft<'_> {
    /// Makes and starts the compute system.
    pub(super) fn system(
        &mut self,
        layers: Vec<Layer>,
        mapped: Mapped,
        joined: Joined,
        volume: Option<Text>,
    ) {
        let parts = Parts {
            owner: self.places.tag.owner(self.isolation),
            host_name: self.host_name(),
            memory: self.memory(),
            processor: self.processor(),
            rates: self.rates(),
            credentials: self.credentials(),
            owner_bound: self.request.lifetime == Lifetime::OwnerBound,
        };
        let devices = self.devices();
        let id = self.request.id.clone();
        match volume {
            Some(volume) => {
                let credentials = parts.credentials.clone().map(|spec| self.credential_guard(spec));
                let document = container(parts, layers, mapped, joined, volume, credentials, devices);
                let undo =
                    vec![Call::TerminateSystem { id: id.clone() }, Call::CloseSystem { id: id.clone() }];
                let document = Box::new(document);
                self.push(Stage::Start, Call::CreateSystem { id: id.clone(), document }, undo);
                self.push(Stage::Start, Call::WatchSystem { id: id.clone() }, Vec::new());
                self.push(Stage::Start, Call::StartSystem { id }, Vec::new());
            }
            None => {
                let document =
                    Box::new(hosted(id.as_str(), self.scratch_folder(), parts, &layers, mapped, joined));
                let undo =
                    vec![Call::TerminateSystemV1 { id: id.clone() }, Call::CloseSystemV1 { id: id.clone() }];
                self.push(Stage::Start, Call::CreateSystemV1 { id: id.clone(), document }, undo);
                self.push(Stage::Start, Call::StartSystemV1 { id }, Vec::new());
            }
        }
    }

    fn scratch_folder(&self) -> String {
        self.file("scratch").to_string()
    }

    /// The computer name; without one, a container with a namespace cannot be made.
    fn host_name(&mut self) -> String {
        let name = self.request.host_name().into_owned();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if name.is_empty()
            || name.len() > MAX_HOST_NAME
            || !plain
            || name.bytes().all(|byte| byte.is_ascii_digit())
            || name.starts_with('-')
        {
            self.problem(
                InvalidArgument,
                format!("`--hostname {name}`: not a computer name of Windows"),
                "use 1 to 15 letters, digits and `-`, not digits alone",
            );
        }
        name
    }

    fn devices(&mut self) -> Vec<Device> {
        let assigned = &self.request.assigned_devices;
        if self.is_hyperv() && !assigned.is_empty() {
            self.problem(
                Unsupported,
                "`--device`: a Hyper-V isolated container has no devices of the host",
                "use `--isolation process`",
            );
        }
        let mut devices = Vec::new();
        for device in assigned {
            devices.push(match device {
                AssignedDevice::Class(class) => {
                    if !is_guid(class) {
                        let message = format!("`--device class/{class}`: not a GUID");
                        self.problem(InvalidArgument, message, "give an interface class, as `class/5B45201D-F2F2-4F3B-85BB-30FF1F953599` for graphics");
                    }
                    // Without a kind it is a class on every build.
                    Device { interface_class_guid: Some(class.to_lowercase()), ..Device::default() }
                }
                AssignedDevice::Location(location) => {
                    if location.is_empty() || location.chars().any(char::is_control) {
                        let message = "`--device vpci-location-path://`: no place";
                        self.problem(InvalidArgument, message, "give one, as `PCIROOT(0)#PCI(0100)`");
                    }
                    if self.machine.build < NAMES_DEVICES {
                        self.problem(
                            Unavailable,
                            format!("`--device`: Windows of build {} assigns classes only", self.machine.build),
                            "use `--device class/GUID`",
                        );
                    }
                    Device {
                        kind: Some(DeviceType::DeviceInstance),
                        location_path: Some(location.clone()),
                        ..Device::default()
                    }
                }
            });
        }
        devices
    }

    /// Reads the credential specification, or takes the one that is given.
    fn credentials(&mut self) -> Option<Text> {
        match self.credential_source()? {
            CredentialSpec::Raw(text) => {
                let document = serde_json::from_str::<serde_json::Value>(&text);
                if text.len() > MAX_CREDENTIALS || !document.is_ok_and(|document| document.is_object()) {
                    self.problem(
                        InvalidArgument,
                        "`--security-opt credentialspec=raw://`: not a JSON object of at most 64 KiB",
                        "`New-CredentialSpec` writes one; give its file with `file://`",
                    );
                }
                // As it was, from the brace on.
                Some(text.trim().into())
            }
            source => {
                if let CredentialSpec::Registry(name) = &source
                    && (name.is_empty() || name.contains('\0') || name.len() > 255)
                {
                    let message = "`--security-opt credentialspec=registry://`: not the name of a value";
                    self.problem(
                        InvalidArgument,
                        message,
                        "give the name of a value below `CredentialSpecs`",
                    );
                }
                let found = Found::CredentialSpec;
                self.push(Stage::Start, Call::ReadCredentialSpec { source, found }, Vec::new());
                Some(found.into())
            }
        }
    }

    /// Makes credentials known to the service, which hands out what the container proves itself with.
    fn credential_guard(&mut self, spec: Text) -> CredentialGuard {
        let (id, transport) = (self.request.id.as_str().to_owned(), CredentialTransport::LocalCalls);
        let add = AddCredentials { id: id.clone(), credential_spec: spec.clone(), transport };
        let change = |operation| Call::ModifyServiceSettings {
            settings: ModifyService::ContainerCredentialGuard(operation),
        };
        let undo = change(CredentialOperation::RemoveInstance(RemoveCredentials { id }));
        self.push(Stage::Start, change(CredentialOperation::AddInstance(add)), vec![undo]);
        let query = ServiceQuery { property_types: vec![ServicePropertyType::ContainerCredentialGuard] };
        let found = vec![Found::CredentialCookie, Found::CredentialEndpoint];
        self.push(Stage::Start, Call::GetServiceProperties { query, found }, Vec::new());
        CredentialGuard {
            cookie: Found::CredentialCookie.into(),
            rpc_endpoint: Found::CredentialEndpoint.into(),
            transport,
            credential_spec: spec,
        }
    }
}

fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn container(
    parts: Parts,
    layers: Vec<Layer>,
    mapped: Mapped,
    joined: Joined,
    volume: Text,
    credentials: Option<CredentialGuard>,
    devices: Vec<Device>,
) -> ComputeSystem {
    let rate = |rate: Option<u64>| rate.and_then(|rate| u32::try_from(rate).ok());
    let qos =
        StorageQos { iops_maximum: rate(parts.rates.operations), bandwidth_maximum: rate(parts.rates.bytes) };
    let directories = mapped.directories.into_iter().map(|path| MappedDirectory {
        host_path: path.host,
        container_path: path.container,
        read_only: path.read_only,
    });
    ComputeSystem {
        owner: parts.owner,
        schema_version: Version::CONTAINER,
        container: Container {
            guest_os: Some(GuestOs { host_name: parts.host_name }),
            storage: Some(Storage {
                layers,
                path: volume,
                qos: (qos != StorageQos::default()).then_some(qos),
            }),
            mapped_directories: directories.collect(),
            mapped_pipes: mapped.pipes,
            memory: parts.memory.map(|size_in_mb| Memory { size_in_mb }),
            processor: parts.processor,
            networking: joined.namespace.map(|namespace| Networking {
                allow_unqualified_dns_query: true,
                dns_search_list: joined.search,
                namespace: Some(namespace),
            }),
            container_credential_guard: credentials,
            registry_changes: Some(RegistryChanges { add_values: vec![patience()] }),
            assigned_devices: devices,
        },
        should_terminate_on_last_handle_closed: parts.owner_bound,
    }
}

/// Services in the container may take as long as `stop` waits; without this, Windows ends them sooner.
fn patience() -> RegistryValue {
    RegistryValue {
        key: RegistryKey { hive: RegistryHive::System, name: r"ControlSet001\Control".to_owned() },
        name: "WaitToKillServiceTimeout".to_owned(),
        kind: RegistryValueType::String,
        string_value: i32::MAX.to_string(),
    }
}

fn hosted(
    id: &str,
    scratch: String,
    parts: Parts,
    layers: &[Layer],
    mapped: Mapped,
    joined: Joined,
) -> v1::ContainerConfig {
    // The base layer has the utility machine.
    let image = layers.last().map(|base| format!("{}\\UtilityVM", base.path)).unwrap_or_default();
    let layers = layers.iter().map(|layer| v1::Layer { id: layer.id.clone(), path: layer.path.clone() });
    let directories = mapped.directories.into_iter().map(|path| v1::MappedDirectory {
        host_path: path.host,
        container_path: path.container,
        read_only: path.read_only,
        bandwidth_maximum: 0,
        iops_maximum: 0,
        create_in_utility_vm: false,
    });
    let pipes = mapped.pipes.into_iter().map(|pipe| v1::MappedPipe {
        host_path: pipe.host_path,
        container_pipe_name: pipe.container_pipe_name,
    });
    v1::ContainerConfig {
        system_type: v1::SystemType::Container,
        name: id.to_owned(),
        owner: parts.owner,
        ignore_flushes_during_boot: true,
        layer_folder_path: scratch,
        layers: layers.collect(),
        credentials: parts.credentials,
        processor_count: parts.processor.count,
        processor_weight: parts.processor.weight,
        processor_maximum: parts.processor.maximum,
        storage_iops_maximum: parts.rates.operations,
        storage_bandwidth_maximum: parts.rates.bytes,
        memory_maximum_in_mb: parts.memory,
        host_name: parts.host_name,
        mapped_directories: directories.collect(),
        mapped_pipes: pipes.collect(),
        hv_partition: true,
        allow_unqualified_dns_query: joined.endpoint.is_some(),
        endpoint_list: joined.endpoint.into_iter().collect(),
        hv_runtime: v1::HvRuntime { image_path: image },
        dns_search_list: joined.search,
        terminate_on_last_handle_closed: parts.owner_bound,
    }
}
