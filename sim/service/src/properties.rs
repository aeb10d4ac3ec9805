//! Properties of systems and of the service.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use sim_protocol::codes;

use crate::answer::{Answer, Refusal, Success};
use crate::calls::Context;
use crate::container::Container;
use crate::schema;
use crate::server::{Service, Work};
use crate::world::{Kind, State, System};

/// The set that is always there.
pub fn basic(system: &System, enumerated: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut set = |key: &str, value: Value| {
        properties.insert(key.to_owned(), value);
    };
    set("Id", json!(system.id));
    set("SystemType", json!(if system.kind == Kind::Machine { "VirtualMachine" } else { "Container" }));
    if system.kind != Kind::Machine {
        set("RuntimeOsType", json!("Windows"));
    }
    set("Name", json!(system.id));
    set("Owner", json!(system.owner));
    set("RuntimeId", json!(system.runtime_id));
    match system.state {
        // An enumeration leaves the state of what was never started out.
        State::Created if enumerated => {}
        State::Created | State::Starting => set("State", json!("Created")),
        State::Running => set("State", json!("Running")),
        State::Paused => set("State", json!("Paused")),
        State::Template => set("State", json!("SavedAsTemplate")),
        State::Stopped => set("State", json!("Stopped")),
    }
    if let Some(exit) = &system.exit {
        set("Stopped", json!(true));
        set("ExitType", json!(exit.kind));
    }
    properties
}

pub fn system(context: &Context<'_>) -> Work {
    let first = context.call.arguments["generation"] == 1;
    let name = if first { "schema1.PropertyQuery" } else { "System_PropertyQuery" };
    let prepared = (|| {
        let query = match context.optional("query") {
            None | Some("") if first => Value::Null,
            None => Value::Null,
            Some(text) => schema::parse(name, text)?,
        };
        let world = context.service.world();
        let number = context.system(&world, "system")?;
        let system = world.systems.get(&number);
        let system =
            system.ok_or_else(|| Refusal::new(codes::SYSTEM_NOT_FOUND, "the compute system is gone"))?;
        let wanted: Vec<String> = query["PropertyTypes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|kind| kind.as_str().unwrap_or_default().to_owned())
            .collect();
        if !wanted.is_empty() && system.state == State::Stopped {
            let message = format!("'{}' has stopped", system.id);
            return Err(Refusal::new(codes::SYSTEM_ALREADY_STOPPED, message));
        }
        let ready = Ready {
            properties: basic(system, false),
            container: system
                .container
                .clone()
                .filter(|_| matches!(system.state, State::Running | State::Paused)),
            started: system.started,
            paused: system.state == State::Paused,
            first,
            terminate: system.terminate_on_last_handle,
            machine: system.kind == Kind::Machine,
            memory: system.document["VirtualMachine"]["ComputeTopology"]["Memory"]["SizeInMB"].as_u64(),
        };
        let queries = query["Queries"].as_object().cloned();
        Ok((ready, wanted, queries))
    })();
    match prepared {
        Err(refusal) => Work::Done(Err(refusal)),
        Ok((mut ready, wanted, queries)) => Work::Later(Box::new(move || {
            for kind in wanted {
                let value = ready.property(&kind)?;
                ready.properties.insert(key(&kind).to_owned(), value);
            }
            if let Some(queries) = queries {
                let answers: Map<String, Value> =
                    queries.keys().map(|kind| (kind.clone(), response(ready.property(kind)))).collect();
                ready.properties.insert("PropertyResponses".to_owned(), Value::Object(answers));
            }
            Ok(Success::document(&Value::Object(ready.properties)))
        })),
    }
}

/// An element of `PropertyResponses`.
fn response(value: Answer<Value>) -> Value {
    match value {
        Ok(value) => json!({"Response": value}),
        Err(refusal) => {
            json!({"Error": serde_json::from_str::<Value>(&refusal.document()).unwrap_or_default()})
        }
    }
}

/// The member in which a property comes.
fn key(kind: &str) -> &str {
    match kind {
        "GuestConnection" => "GuestConnectionInfo",
        other => other,
    }
}

struct Ready {
    properties: Map<String, Value>,
    container: Option<Arc<Container>>,
    started: Option<SystemTime>,
    paused: bool,
    first: bool,
    terminate: bool,
    machine: bool,
    memory: Option<u64>,
}

impl Ready {
    fn property(&self, kind: &str) -> Answer<Value> {
        let none = || Refusal::new(codes::INVALID_STATE, format!("there is no {kind} in this state"));
        let unsupported = || Refusal::new(codes::NOT_SUPPORTED, format!("the stand-ins have no {kind}"));
        match kind {
            "Statistics" => Ok(self.statistics(self.container.as_ref().ok_or_else(none)?)),
            // Whoever would count them stands still, too.
            "ProcessList" if self.paused => Err(none()),
            "ProcessList" => self.container.as_ref().ok_or_else(none)?.list(),
            "TerminateOnLastHandleClosed" => Ok(json!(self.terminate)),
            "Memory" if self.machine => Ok(self.machine_memory()),
            "MappedVirtualDisk" | "MappedDirectory" | "PendingUpdates" => Ok(json!([])),
            _ => Err(unsupported()),
        }
    }

    fn machine_memory(&self) -> Value {
        // In pages of 4 KiB.
        let pages = self.memory.unwrap_or(0) * 256;
        json!({"VirtualNodeCount": 1, "VirtualMachineMemory": {
            "AvailableMemory": pages, "AvailableMemoryBuffer": 100, "ReservedMemory": pages, "AssignedMemory": pages,
            "SlpActive": false, "BalancingEnabled": false, "DmOperationInProgress": false}})
    }

    fn statistics(&self, container: &Container) -> Value {
        let usage = container.usage();
        let now = SystemTime::now();
        let started = self.started.unwrap_or(now);
        let uptime = now.duration_since(started).unwrap_or(Duration::ZERO);
        let mut statistics = json!({
            "Timestamp": timestamp(now),
            "ContainerStartTime": timestamp(started),
            "Uptime100ns": (uptime.as_nanos() / 100) as u64,
            "Processor": {
                "TotalRuntime100ns": usage.total_100ns,
                "RuntimeUser100ns": usage.user_100ns,
                "RuntimeKernel100ns": usage.kernel_100ns
            },
            "Memory": {
                "MemoryUsageCommitBytes": usage.memory,
                "MemoryUsageCommitPeakBytes": usage.memory_peak,
                "MemoryUsagePrivateWorkingSetBytes": usage.private
            },
            "Storage": {
                "ReadCountNormalized": usage.reads, "ReadSizeBytes": usage.read_bytes,
                "WriteCountNormalized": usage.writes, "WriteSizeBytes": usage.written_bytes
            }
        });
        // The second generation has these numbers elsewhere.
        if self.first {
            statistics["Network"] = container.traffic();
        }
        statistics
    }
}

/// The moment that Windows counts as so many times 100 ns since 1601.
pub fn moment(since_1601: u64) -> SystemTime {
    const UNTIL_1970: u64 = 116_444_736_000_000_000;
    let since = since_1601.saturating_sub(UNTIL_1970);
    SystemTime::UNIX_EPOCH + Duration::from_nanos(since.saturating_mul(100))
}

/// A moment as Windows writes it, with seven digits of the second.
pub fn timestamp(moment: SystemTime) -> String {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days from civil, backwards: eras of 400 years that begin in March.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:07}Z",
        since.subsec_nanos() / 100
    )
}

pub fn enumerate(context: &Context<'_>) -> Answer {
    let first = context.call.arguments["generation"] == 1;
    let query = match context.optional("query") {
        None => Value::Null,
        Some("") if first => Value::Null,
        Some(text) => schema::parse(if first { "schema1.ComputeSystemQuery" } else { "SystemQuery" }, text)?,
    };
    // The one generation names the lists `IDs`, the other `Ids`.
    let selected = |names: &[&str], value: &str| {
        let list = names.iter().find_map(|name| query[*name].as_array()).filter(|list| !list.is_empty());
        list.is_none_or(|list| {
            list.iter().any(|item| item.as_str().is_some_and(|item| item.eq_ignore_ascii_case(value)))
        })
    };
    let world = context.service.world();
    let systems = world.systems.values().filter(|system| system.state != State::Stopped);
    let found: Vec<Value> = systems
        .map(|system| (system, basic(system, true)))
        .filter(|(system, properties)| {
            selected(&["Ids", "IDs"], &system.id)
                && selected(&["Names"], &system.id)
                && selected(&["Owners"], &system.owner)
                && selected(&["Types"], properties["SystemType"].as_str().unwrap_or_default())
        })
        .map(|(_, properties)| Value::Object(properties))
        .collect();
    Ok(Success::document(&Value::Array(found)))
}

pub fn service(query: Option<&str>) -> Answer {
    let query =
        query.map(|text| schema::parse("Service_PropertyQuery", text)).transpose()?.unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = query["PropertyTypes"].as_array().cloned().unwrap_or_default();
    let property = |kind: &Value| match kind.as_str().unwrap_or_default() {
        "Basic" => json!({"SupportedSchemaVersions": [{"Major": 1, "Minor": 0}, {"Major": 2, "Minor": 5}]}),
        "CpuGroup" => json!({"CpuGroups": []}),
        "ProcessorTopology" => json!({
            "LogicalProcessorCount": processors,
            "LogicalProcessors": (0..processors).map(|index| json!({"LpIndex": index, "NodeNumber": 0, "PackageId": 0, "CoreId": index, "RootVpIndex": index})).collect::<Vec<_>>()
        }),
        "QoSCapabilities" => json!({"ProcessorQoSSupported": false}),
        _ => json!({"Instances": []}),
    };
    let properties: Vec<Value> = wanted.iter().map(property).collect();
    Ok(Success::document(&json!({"Properties": properties})))
}

pub fn modify_service(service: &Service, settings: &str) -> Answer {
    let request = schema::parse("ModificationRequest", settings)?;
    if request["PropertyType"] == "ContainerCredentialGuard"
        && request["Settings"]["Operation"] == "AddInstance"
    {
        let details = &request["Settings"]["OperationDetails"];
        let answer = json!({"Properties": [{"CredentialGuard": {
            "Cookie": crate::machine::new_guid(), "RpcEndpoint": crate::machine::new_guid(), "Transport": "LRPC",
            "CredentialSpec": details["CredentialSpec"]}, "Id": details["Id"]}]});
        service.world().settings.push(request);
        return Ok(Success::document(&answer));
    }
    service.world().settings.push(request);
    Ok(Success::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |seconds| timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(timestamp(moment(132_223_104_000_000_001)), "2020-01-01T00:00:00.0000001Z");
        assert_eq!(at(0), "1970-01-01T00:00:00.0000000Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00.0000000Z");
        assert_eq!(at(1_798_761_599), "2026-12-31T23:59:59.0000000Z");
    }

    #[test]
    fn the_service_knows_both_schemas() {
        let answer = service(Some(r#"{"PropertyTypes":["Basic"]}"#)).unwrap();
        assert!(answer.document.unwrap().contains(r#"{"Major":2,"Minor":5}"#));
        assert_eq!(service(Some("")).unwrap_err().hresult, codes::INVALID_JSON);
        assert_eq!(
            service(Some(r#"{"PropertyTypes":["Basics"]}"#)).unwrap_err().hresult,
            codes::INVALID_JSON
        );
    }
}
