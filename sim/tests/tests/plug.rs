//! Endpoints that come to a container while it runs, and leave it.
#![cfg(windows)]

use std::io::Read;

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api_first as first;
use sim_tests::api_network::{endpoint, namespace, network, statistics};
use sim_tests::layers::Layered;
use sim_tests::running::{HyperV, Running};

fn change(kind: &str, endpoint: &str) -> Value {
    json!({"ResourceType": "Endpoint", "RequestType": kind, "Settings": {"EndpointId": endpoint}})
}

#[test]
fn endpoints_come_and_go_while_containers_run() {
    if sim_tests::no_containers() {
        return;
    }
    let version = json!({"Major": 2, "Minor": 0});
    let (net, net_id) = network::create(
        None,
        &json!({"Name": "plug", "Type": "NAT", "SchemaVersion": version,
        "Ipams": [{"Type": "Static", "Subnets": [{"IpAddressPrefix": "10.79.1.0/24",
            "Routes": [{"NextHop": "10.79.1.1", "DestinationPrefix": "0.0.0.0/0"}]}]}]}),
    )
    .unwrap();
    let [(near, near_id), (far, far_id)] =
        ["near", "far"].map(|name| endpoint::create(Some(net), &json!({"Name": name})).unwrap());
    let (space, space_id) = namespace::create(None, &json!({"SchemaVersion": version})).unwrap();

    // The second generation: into the namespace that the container is in.
    let server = Running::new("plugged", |container| {
        container["GuestOs"] = json!({"HostName": "plugged"});
        container["Networking"] = json!({"Namespace": space_id});
    });
    assert_eq!(namespace::modify(space, &change("Add", &near_id)).0, 0);
    assert_eq!(endpoint::delete(&near_id).0, codes::HCN_ENTITY_HAS_REFERENCES);
    let (serving, said) = server.spawn("C:\\probe.exe serve 4000", [false, true, false]);
    let mut said = said.stream(1).unwrap();
    assert!(said.read(&mut [0; 9]).unwrap() > 0);

    // The first: by the system itself.
    let layers = Layered::new("older-plugged");
    layers.unmount();
    let client = HyperV::new(&layers, |_| ());
    let fetch = || client.run("C:\\probe.exe fetch 10.79.1.2:4000");
    assert_eq!(fetch().0, 2);
    assert_eq!(client.modify("Network", "Remove", json!(far_id)), codes::ELEMENT_NOT_FOUND);
    assert_eq!(client.modify("Network", "Add", json!(near_id)), codes::HCN_ENDPOINT_ALREADY_ATTACHED);
    assert_eq!(client.modify("Network", "Add", json!(far_id)), 0);
    let (code, text) = fetch();
    assert_eq!((code, text.trim()), (0, "greetings"));
    let (code, text) = first::properties(client.system, r#"{"PropertyTypes":["Statistics"]}"#);
    assert_eq!(code, 0);
    let answer: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let traffic = &answer["Statistics"]["Network"][0];
    assert_eq!(traffic["EndpointId"], far_id.as_str());
    assert!(traffic["BytesReceived"].as_u64().unwrap() > 9 && traffic["PacketsSent"].as_u64().unwrap() > 1);

    // The same from the other side, and in the other ways to ask.
    let count = |text: &str, name: &str| serde_json::from_str::<Value>(text).unwrap()[name].as_u64().unwrap();
    let (code, text) = statistics(near);
    assert_eq!(code, 0);
    assert!(count(&text, "BytesSent") > 9 && count(&text, "BytesReceived") > 9, "{text}");
    let older = first::hns("GET", &format!("/endpointstats/{near_id}"), "");
    assert_eq!(older["Output"]["EndpointId"], near_id.as_str());

    assert_eq!(client.modify("Network", "Remove", json!(far_id)), 0);
    assert_eq!(fetch().0, 2);
    assert_eq!(namespace::modify(space, &change("Remove", &near_id)).0, 0);
    sim_tests::api::close_process(serving);
    for (id, handle) in [(near_id, near), (far_id, far)] {
        assert_eq!(endpoint::delete(&id).0, 0);
        assert_eq!(statistics(handle).0, codes::HCN_ENDPOINT_NOT_FOUND);
        endpoint::close(handle);
    }
    client.stop();
    server.stop();
    assert_eq!(namespace::delete(&space_id).0, 0);
    assert_eq!(network::delete(&net_id).0, 0);
    namespace::close(space);
    network::close(net);
}
