//! Compute systems: documents, states, queries.
#![cfg(windows)]

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api;
use sim_tests::api_first::{self as first, Notifications};
use sim_tests::bed::machine_document;

fn own(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// The document with one value put in or, for null, taken out.
fn mutated(path: &str, value: Value) -> String {
    let mut document: Value = serde_json::from_str(&machine_document("t")).unwrap();
    let (parent, last) = path.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(last)
    } else {
        parent.insert(last.to_owned(), value)
    };
    document.to_string()
}

#[test]
fn wrong_documents_are_refused_with_a_result_document() {
    let cases = [
        ("/OwnerX", json!("x")),
        ("/Owner", json!(5)),
        ("/SchemaVersion", Value::Null),
        ("/SchemaVersion", json!({"Major": 3, "Minor": 0})),
        ("/SchemaVersion", json!({"Major": 2, "Minor": 6})),
        ("/Container", json!({})),
        ("/VirtualMachine", Value::Null),
        ("/VirtualMachine", json!([])),
        ("/VirtualMachine/StopOnReset", json!("yes")),
        ("/VirtualMachine/Chipset/Uefi/BootThis/DeviceType", json!("Floppy")),
        ("/VirtualMachine/ComputeTopology/Memory/SizeInMB", json!("1024")),
        ("/VirtualMachine/ComputeTopology/Memory/SizeMB", json!(1024)),
        ("/VirtualMachine/ComputeTopology/Processor/Count", json!(-1)),
        ("/VirtualMachine/Devices/VirtualSmb/Shares", json!({})),
        ("/VirtualMachine/Devices/Scsi", json!({"0": {"Attachments": {"0": {"Type": "Tape"}}}})),
    ];
    for (path, value) in cases {
        let ((code, document), system) = api::create(&own("wrong"), &mutated(path, value.clone()));
        assert_eq!(code, codes::INVALID_JSON, "{path} = {value}: {document:?}");
        let document: Value = serde_json::from_str(&document.expect("a result document")).unwrap();
        assert_eq!(document["Error"], json!(codes::INVALID_JSON as i32));
        assert!(
            document["ErrorEvents"][0]["Message"].as_str().unwrap().contains("Invalid JSON document '$"),
            "{document}"
        );
        api::close(system);
    }
    let ((code, _), system) =
        api::create(&own("wrong"), &mutated("/VirtualMachine/ComputeTopology/Memory/SizeInMB", json!(1023)));
    assert_eq!(code, codes::E_INVALIDARG);
    api::close(system);
    let ((code, _), system) = api::create(&own("wrong"), "{");
    assert_eq!(code, codes::INVALID_JSON);
    api::close(system);
}

#[test]
fn states_follow_each_other_as_documented() {
    let id = own("states");
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    let ((code, _), twin) = api::create(&id, &machine_document("t"));
    assert_eq!(code, codes::SYSTEM_ALREADY_EXISTS);
    api::close(twin);
    let state = || {
        let text = api::properties(system, None).1.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["State"].clone()
    };
    assert_eq!(state(), "Created");
    assert_eq!(api::pause(system, None).0, codes::INVALID_STATE);
    assert_eq!(api::start(system, Some("")).0, 0);
    assert_eq!(api::start(system, None).0, codes::INVALID_STATE);
    assert_eq!(api::save(system, None).0, codes::INVALID_STATE);
    assert_eq!(api::pause(system, None).0, 0);
    assert_eq!(state(), "Paused");
    assert_eq!(api::resume(system, None).0, 0);
    assert_eq!(api::shut_down(system, None).0, codes::INVALID_JSON);
    assert_eq!(api::shut_down(system, Some("{}")).0, codes::NOT_SUPPORTED);
    assert_eq!(api::shut_down(system, Some(r#"{"Mechanism":"IntegrationService","Type":"Shutdown"}"#)).0, 0);
    let (code, exit) = api::wait_for_system(system, 60_000);
    assert_eq!(code, 0);
    assert!(exit.unwrap().contains("GracefulExit"));
    assert_eq!(state(), "Stopped");
    api::close(system);
}

#[test]
fn a_paused_machine_is_saved_by_either_generation() {
    let id = own("saved");
    let ((code, _), system) = api::create(&id, &machine_document("t"));
    assert_eq!(code, 0);
    assert_eq!(api::start(system, None).0, 0);
    let (file, template) = (format!("C:\\{id}.vmrs"), format!("C:\\{id}-template.vmrs"));
    let to = |kind: &str, file: &str| json!({"SaveType": kind, "SaveStateFilePath": file}).to_string();
    assert_eq!(api::save(system, Some(&to("ToFile", &file))).0, codes::INVALID_STATE);
    assert_eq!(api::pause(system, None).0, 0);
    assert_eq!(api::save(system, Some(r#"{"SaveType":"ToTape"}"#)).0, codes::INVALID_JSON);
    assert_eq!(api::save(system, None).0, codes::E_INVALIDARG);
    assert_eq!(api::save(system, Some(&to("ToFile", "C:\\none\\x.vmrs"))).0, codes::PATH_NOT_FOUND);
    assert_eq!(api::save(system, Some(&to("ToFile", &file))).0, 0);
    assert!(std::fs::exists(&file).unwrap());
    assert_eq!(api::resume(system, None).0, 0);
    assert_eq!(api::pause(system, None).0, 0);

    let (code, older) = first::open(&id);
    assert_eq!(code, 0);
    let list = Notifications::leaked();
    first::listen(older, list);
    assert_eq!(first::save(older, &to("AsTemplate", &template)), codes::V1_OPERATION_PENDING);
    assert_eq!(list.wait(8), Some((0, String::new())));
    assert!(api::properties(system, None).1.unwrap().contains("SavedAsTemplate"));
    list.clear();
    assert_eq!(first::save(older, &to("AsTemplate", &template)), codes::V1_OPERATION_PENDING);
    assert_eq!(list.wait(8).unwrap().0, codes::first_generation(codes::INVALID_STATE));
    assert_eq!(api::resume(system, None).0, codes::INVALID_STATE);
    assert_eq!(api::terminate(system, None).0, 0);
    first::close(older);
    api::close(system);
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(template).unwrap();
}

#[test]
fn queries_select_and_wrong_ones_are_refused() {
    let id = own("query");
    let ((code, _), system) = api::create(&id, &machine_document("query-owner"));
    assert_eq!(code, 0);
    let found = |query: Value| {
        let (code, text) = api::enumerate(Some(&query.to_string()));
        assert_eq!(code, 0);
        let list: Value = serde_json::from_str(&text.unwrap()).unwrap();
        list.as_array().unwrap().clone()
    };
    let list = found(json!({"Ids": [id]}));
    assert_eq!(list.len(), 1);
    assert!(list[0].get("State").is_none(), "{list:?}");
    assert_eq!(found(json!({"Owners": ["query-owner"]})).len(), 1);
    assert!(found(json!({"Ids": [id], "Types": ["Container"]})).is_empty());
    assert_eq!(api::enumerate(Some("")).0, codes::INVALID_JSON);
    assert_eq!(api::enumerate(Some(r#"{"Types":["Vm"]}"#)).0, codes::INVALID_JSON);
    assert_eq!(api::properties(system, Some(r#"{"PropertyTypes":["Statistic"]}"#)).0, codes::INVALID_JSON);
    let (code, text) = api::properties(system, Some(r#"{"PropertyTypes":["Memory"]}"#));
    assert_eq!(code, 0);
    assert!(text.unwrap().contains(r#""AssignedMemory":262144"#));
    let (code, text) = api::properties(system, Some(r#"{"Queries":{"Memory":{},"CpuGroup":{}}}"#));
    assert_eq!(code, 0);
    let responses: Value = serde_json::from_str(&text.unwrap()).unwrap();
    assert!(responses["PropertyResponses"]["Memory"]["Response"].is_object());
    assert!(responses["PropertyResponses"]["CpuGroup"]["Error"].is_object());
    assert_eq!(api::service_properties(Some("")).0, codes::INVALID_JSON);
    assert!(
        api::service_properties(Some(r#"{"PropertyTypes":["Basic"]}"#))
            .1
            .unwrap()
            .contains("SupportedSchemaVersions")
    );
    api::close(system);
}

#[test]
fn only_what_may_be_modified_is() {
    let ((code, _), system) = api::create(&own("modify"), &machine_document("t"));
    assert_eq!(code, 0);
    assert_eq!(api::start(system, None).0, 0);
    let modify = |document: Value| api::modify(system, &document.to_string()).0;
    let share = json!({"Name": "s1", "Path": "C:\\windows", "Options": {"ReadOnly": true}});
    assert_eq!(
        modify(
            json!({"ResourcePath": "VirtualMachine/Devices/VirtualSmb/Shares", "RequestType": "Add", "Settings": share})
        ),
        0
    );
    let cases = [
        (json!({"ResourcePath": "VirtualMachine/Devices/Floppy", "RequestType": "Add"}), codes::INVALID_JSON),
        (
            json!({"ResourcePath": "VirtualMachine/Devices/VirtualSmb/Shares", "RequestType": "Add", "Settings": {"Names": "x"}}),
            codes::INVALID_JSON,
        ),
        (
            json!({"ResourcePath": "VirtualMachine/ComputeTopology/Memory/SizeInMB", "RequestType": "Add", "Settings": 1024}),
            codes::E_INVALIDARG,
        ),
        (
            json!({"ResourcePath": "VirtualMachine/ComputeTopology/Memory/SizeInMB", "RequestType": "Update", "Settings": {"SizeInMB": 1}}),
            codes::INVALID_JSON,
        ),
        (
            json!({"ResourcePath": "Container/Memory/SizeInMB", "RequestType": "Update", "Settings": 1024}),
            codes::E_INVALIDARG,
        ),
        (
            json!({"ResourcePath": "VirtualMachine/Devices/Plan9/Shares", "RequestType": "Add", "Settings": {"Name": "1"}}),
            codes::ELEMENT_NOT_FOUND,
        ),
        (json!({"RequestType": "Change"}), codes::INVALID_JSON),
        (
            json!({"GuestRequest": {"ResourceType": "CombinedLayers", "RequestType": "Add", "Settings": {}}}),
            codes::NOT_SUPPORTED,
        ),
    ];
    for (document, expected) in cases {
        assert_eq!(modify(document.clone()), expected, "{document}");
    }
    assert_eq!(api::terminate(system, None).0, 0);
    api::close(system);
}

#[test]
fn a_machine_starts_only_from_disks_that_it_may_open() {
    let id = own("disks");
    let disk = format!("C:\\{id}.vhdx");
    assert_eq!(api::guest_state_file(&disk), 0);
    assert_eq!(api::guest_state_file(&disk), codes::FILE_EXISTS);
    let scsi = json!({"0": {"Attachments": {"0": {"Type": "VirtualDisk", "Path": disk}}}});
    let ((code, _), system) = api::create(&id, &mutated("/VirtualMachine/Devices/Scsi", scsi));
    assert_eq!(code, 0);
    assert_eq!(api::start(system, None).0, codes::E_ACCESSDENIED);
    assert_eq!(api::grant(&id, "C:\\none.vhdx"), codes::FILE_NOT_FOUND);
    assert_eq!(api::grant(&id, &disk), 0);
    assert_eq!(api::start(system, None).0, 0);
    api::close(system);
    std::fs::remove_file(&disk).unwrap();
}

/// The exports that the published references name.
#[test]
fn every_documented_export_is_there() {
    let core = "HcsCreateOperation HcsCreateOperationWithNotifications HcsCloseOperation HcsGetOperationContext \
        HcsSetOperationContext HcsSetOperationCallback HcsGetComputeSystemFromOperation HcsGetProcessFromOperation \
        HcsGetOperationType HcsGetOperationId HcsGetOperationResult HcsWaitForOperationResult \
        HcsGetOperationResultAndProcessInfo HcsWaitForOperationResultAndProcessInfo HcsCancelOperation \
        HcsAddResourceToOperation HcsGetOperationProperties HcsCreateComputeSystem HcsCreateComputeSystemInNamespace \
        HcsOpenComputeSystem HcsOpenComputeSystemInNamespace HcsCloseComputeSystem HcsStartComputeSystem \
        HcsShutDownComputeSystem HcsTerminateComputeSystem HcsCrashComputeSystem HcsPauseComputeSystem \
        HcsResumeComputeSystem HcsSaveComputeSystem HcsGetComputeSystemProperties HcsModifyComputeSystem \
        HcsEnumerateComputeSystems HcsEnumerateComputeSystemsInNamespace HcsWaitForComputeSystemExit \
        HcsSetComputeSystemCallback HcsCreateProcess HcsOpenProcess HcsCloseProcess HcsGetProcessInfo \
        HcsGetProcessProperties HcsSignalProcess HcsTerminateProcess HcsModifyProcess HcsSetProcessCallback \
        HcsWaitForProcessExit HcsGetServiceProperties HcsModifyServiceSettings HcsSubmitWerReport \
        HcsCreateEmptyGuestStateFile HcsCreateEmptyRuntimeStateFile HcsGrantVmAccess HcsRevokeVmAccess \
        HcsGrantVmGroupAccess HcsRevokeVmGroupAccess HcsGetProcessorCompatibilityFromSavedState \
        HcsInitializeLiveMigrationOnSource HcsStartLiveMigrationOnSource HcsStartLiveMigrationTransfer \
        HcsFinalizeLiveMigration";
    let storage = "HcsImportLayer HcsExportLayer HcsExportLegacyWritableLayer HcsDestroyLayer HcsSetupBaseOSLayer \
        HcsSetupBaseOSVolume HcsInitializeWritableLayer HcsInitializeLegacyWritableLayer HcsAttachLayerStorageFilter \
        HcsDetachLayerStorageFilter HcsAttachOverlayFilter HcsDetachOverlayFilter HcsFormatWritableLayerVhd \
        HcsGetLayerVhdMountPath";
    let first = "ActivateLayer DeactivateLayer PrepareLayer UnprepareLayer GetLayerMountPath CreateSandboxLayer \
        ExpandSandboxSize CreateLayer CopyLayer LayerExists DestroyLayer ImportLayer ExportLayer ProcessBaseImage \
        ProcessUtilityImage NameToGuid GetBaseImages GrantVmAccess HNSCall HcsCreateComputeSystem HcsOpenComputeSystem \
        HcsCloseComputeSystem HcsStartComputeSystem HcsShutdownComputeSystem HcsTerminateComputeSystem \
        HcsPauseComputeSystem HcsResumeComputeSystem HcsSaveComputeSystem HcsGetComputeSystemProperties \
        HcsModifyComputeSystem HcsEnumerateComputeSystems HcsRegisterComputeSystemCallback HcsUnregisterComputeSystemCallback HcsCreateProcess \
        HcsOpenProcess HcsCloseProcess HcsTerminateProcess HcsSignalProcess HcsGetProcessInfo HcsGetProcessProperties \
        HcsModifyProcess HcsGetServiceProperties HcsRegisterProcessCallback HcsUnregisterProcessCallback";
    let disks = "CreateVirtualDisk OpenVirtualDisk AttachVirtualDisk DetachVirtualDisk ExpandVirtualDisk \
        GetVirtualDiskPhysicalPath";
    let network = "HcnQueryEndpointStats HcnRegisterServiceCallback HcnUnregisterServiceCallback";
    let all = [
        ("computecore", core),
        ("computestorage", storage),
        ("vmcompute", first),
        ("virtdisk", disks),
        ("computenetwork", network),
    ];
    for (library, names) in all {
        for name in names.split_whitespace() {
            assert!(api::export(library, name).is_some(), "{library}!{name}");
        }
    }
    for kind in ["Network", "Endpoint", "Namespace", "LoadBalancer", "SdnRoute"] {
        for name in
            ["Enumerate{}s", "Create{}", "Open{}", "Modify{}", "Query{}Properties", "Delete{}", "Close{}"]
        {
            let name = format!("Hcn{}", name.replace("{}", kind));
            assert!(api::export("computenetwork", &name).is_some(), "{name}");
        }
    }
}
