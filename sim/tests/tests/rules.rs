//! What a container's document and its layers have to be: each rule is broken once.
#![cfg(windows)]

use std::fs;

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api;
use sim_tests::api_layers as layers;
use sim_tests::api_network::namespace;
use sim_tests::layers::Layered;

/// The code with which the document is refused, or 0.
fn created(id: &str, document: &Value) -> u32 {
    let ((code, _), system) = api::create(id, &document.to_string());
    api::close(system);
    code
}

#[test]
fn documents_of_containers() {
    let layered = Layered::new("rules");
    let (space, space_id) = namespace::create(None, &json!({})).unwrap();
    let set = |path: &str, value: Value| {
        let mut document = layered.document();
        let (parent, last) = path.rsplit_once('/').unwrap();
        document["Container"]
            .pointer_mut(parent)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .insert(last.to_owned(), value);
        document
    };
    let networking = |namespace: &str, host: Option<&str>| {
        let mut document = set("/Networking", json!({"Namespace": namespace}));
        if let Some(host) = host {
            document["Container"]["GuestOs"] = json!({"HostName": host});
        }
        document
    };
    let cases = [
        ("right", layered.document(), 0),
        ("two kinds of processor", set("/Processor", json!({"Count": 1, "Weight": 5})), codes::E_INVALIDARG),
        ("too much processor", set("/Processor", json!({"Maximum": 10001})), codes::E_INVALIDARG),
        ("no memory", set("/Memory", json!({"SizeInMB": 0})), codes::E_INVALIDARG),
        ("no layers", set("/Storage/Layers", json!([])), codes::E_INVALIDARG),
        ("a folder as volume", set("/Storage/Path", json!(layered.scratch)), codes::OBJECT_NO_LONGER_EXISTS),
        (
            "no backslash",
            set("/Storage/Path", json!(layered.volume.trim_end_matches('\\'))),
            codes::OBJECT_NO_LONGER_EXISTS,
        ),
        (
            "a mapped directory that is not there",
            set("/MappedDirectories", json!([{"HostPath": "C:\\none", "ContainerPath": "C:\\x"}])),
            codes::FILE_NOT_FOUND,
        ),
        (
            "no drive",
            set("/MappedDirectories", json!([{"HostPath": "C:\\windows", "ContainerPath": "\\x"}])),
            codes::E_INVALIDARG,
        ),
        (
            "a host name that is none",
            set("/GuestOs", json!({"HostName": "under_score"})),
            codes::E_INVALIDARG,
        ),
        (
            "namespace in capitals",
            networking(&space_id.to_uppercase(), Some("web")),
            codes::ELEMENT_NOT_FOUND,
        ),
        (
            "namespace in braces",
            networking(&format!("{{{space_id}}}"), Some("web")),
            codes::ELEMENT_NOT_FOUND,
        ),
        (
            "namespace that is not there",
            networking("1b0ae0d2-0a5f-4f0a-8a5c-9a9f0a4a2d11", Some("web")),
            codes::ELEMENT_NOT_FOUND,
        ),
        ("namespace without host name", networking(&space_id, None), codes::E_INVALIDARG),
        ("namespace with host name", networking(&space_id, Some("web")), 0),
        ("an unknown field", set("/Store", json!({})), codes::INVALID_JSON),
    ];
    for (what, document, expected) in cases {
        assert_eq!(created(&layered.id, &document), expected, "{what}");
    }
    let mut document = layered.document();
    document["Container"]["Storage"]["Layers"][0]["Id"] =
        document["Container"]["Storage"]["Layers"][1]["Id"].clone();
    assert_eq!(created(&layered.id, &document), codes::E_INVALIDARG, "an id of another layer");
    let mut document = layered.document();
    document["Container"]["Storage"]["Layers"].as_array_mut().unwrap().reverse();
    assert_eq!(created(&layered.id, &document), codes::E_INVALIDARG, "another order than it was prepared in");
    let base = layered.parents.last().unwrap();
    fs::write(format!("{base}\\build"), "17763").unwrap();
    assert_eq!(created(&layered.id, &layered.document()), 0xC037_0101, "an image of another build");
    assert_eq!(namespace::delete(&space_id).0, 0);
    namespace::close(space);
}

#[test]
fn layers_go_on_and_off_in_order() {
    let layered = Layered::new("order");
    let scratch = layered.scratch.as_str();
    assert_eq!(layers::create_sandbox(scratch, &layered.parents), codes::FILE_EXISTS);
    assert_eq!(layers::on_layer("ActivateLayer", scratch), codes::SHARING_VIOLATION);
    assert_eq!(layers::prepare(scratch, &layered.parents), codes::SHARING_VIOLATION);
    assert_eq!(layers::on_layer("DeactivateLayer", scratch), codes::SHARING_VIOLATION);
    assert_eq!(layers::on_layer("DestroyLayer", scratch), codes::SHARING_VIOLATION);
    let ((code, _), system) = api::create(&layered.id, &layered.document().to_string());
    assert_eq!(code, 0);
    assert_eq!(layers::on_layer("UnprepareLayer", scratch), codes::SHARING_VIOLATION);
    assert_eq!(created("another", &layered.document()), codes::SHARING_VIOLATION);
    api::close(system);
    assert_eq!(layers::on_layer("UnprepareLayer", scratch), 0);
    assert_eq!(layers::on_layer("UnprepareLayer", scratch), codes::NOT_READY);
    assert_eq!(created(&layered.id, &layered.document()), codes::E_INVALIDARG);
    assert_eq!(layers::on_layer("DeactivateLayer", scratch), 0);
    assert_eq!(layers::prepare(scratch, &layered.parents), codes::NOT_READY);
    assert_eq!(layers::mount_path(scratch).0, codes::NOT_READY);
    assert_eq!(created(&layered.id, &layered.document()), codes::OBJECT_NO_LONGER_EXISTS);
    assert_eq!(layers::on_layer("DestroyLayer", scratch), 0);
    assert_eq!(layers::on_layer("ActivateLayer", scratch), codes::FILE_NOT_FOUND);
    assert_eq!(layers::create_sandbox("C:\\none\\scratch", &layered.parents), codes::PATH_NOT_FOUND);
    assert_eq!(layers::create_sandbox(scratch, &["C:\\windows".to_owned()]), codes::PATH_NOT_FOUND);
}

#[test]
fn names_of_layers() {
    assert_eq!(layers::name_to_guid("4"), "bd9c3ef9-f239-59b5-a27e-15c523b1d149");
}
