//! Networks: documents, conflicts, references, and packets between containers.
#![cfg(windows)]

use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};
use sim_protocol::codes;
use sim_tests::api;
use sim_tests::api_network::{Told, endpoint, namespace, network, unwatch, watch};
use sim_tests::layers::Layered;

const VERSION: &str = r#"{"SchemaVersion":{"Major":2,"Minor":0}}"#;

/// A network with a subnet of its own, so that tests do not meet.
fn nat(third: u32, name: &str) -> Value {
    json!({
        "Name": name, "Type": "NAT", "SchemaVersion": {"Major": 2, "Minor": 0}, "MacPool": {}, "Dns": {}, "Health": {"Extra": {}},
        "Ipams": [{"Type": "Static", "Subnets": [{"IpAddressPrefix": format!("10.77.{third}.0/24"),
            "Routes": [{"NextHop": format!("10.77.{third}.1"), "DestinationPrefix": "0.0.0.0/0"}]}]}]
    })
}

fn add(endpoint: &str) -> Value {
    json!({"ResourceType": "Endpoint", "RequestType": "Add", "Settings": {"EndpointId": endpoint}})
}

#[test]
fn objects_are_made_found_and_removed_in_order() {
    let told = Told::leaked();
    let watcher = watch(told);
    let (net, net_id) = network::create(None, &nat(1, "order")).unwrap();
    assert_eq!(
        network::enumerate(r#"{"SchemaVersion":{"Major":2,"Minor":0},"Filter":"{\"Name\":\"order\"}"}"#),
        [net_id.as_str()]
    );
    let settings =
        json!({"Name": "one", "HostComputeNetwork": net_id, "SchemaVersion": {"Major": 2, "Minor": 0}});
    let (end, end_id) = endpoint::create(Some(net), &settings).unwrap();
    let properties = endpoint::query(end);
    assert_eq!(properties["IpConfigurations"], json!([{"IpAddress": "10.77.1.2", "PrefixLength": 24}]));
    assert_eq!(properties["Routes"][0]["NextHop"], "10.77.1.1");
    assert!(properties["MacAddress"].as_str().unwrap().starts_with("00-15-5D-"));
    let filter = json!({"SchemaVersion": {"Major": 2, "Minor": 0}, "Filter": json!({"VirtualNetwork": net_id}).to_string()});
    assert_eq!(endpoint::enumerate(&filter.to_string()), [end_id.as_str()]);

    let (space, space_id) =
        namespace::create(None, &json!({"SchemaVersion": {"Major": 2, "Minor": 0}})).unwrap();
    assert_eq!(namespace::modify(space, &add(&end_id)).0, 0);
    assert_eq!(namespace::modify(space, &add(&end_id)).0, codes::HCN_ENDPOINT_NAMESPACE_ALREADY_EXISTS);
    assert_eq!(namespace::query(space)["Resources"], json!([{"Type": "Endpoint", "Data": {"ID": end_id}}]));
    assert_eq!(endpoint::query(end)["HostComputeNamespace"], space_id.as_str());
    assert_eq!(network::delete(&net_id).0, codes::HCN_ENTITY_HAS_REFERENCES);
    assert_eq!(namespace::delete(&space_id).0, codes::HCN_ENTITY_HAS_REFERENCES);
    assert_eq!(endpoint::delete(&end_id).0, 0);
    assert_eq!(endpoint::delete(&end_id).0, codes::HCN_ENDPOINT_NOT_FOUND);
    assert_eq!(namespace::delete(&space_id).0, 0);
    assert_eq!(network::delete(&net_id).0, 0);
    assert_eq!(network::open(&net_id).unwrap_err().0, codes::HCN_NETWORK_NOT_FOUND);
    // Before and after it is made, before and after it is gone.
    assert!(told.becomes(&net_id, &[1, 2, 3, 4]), "{:?}", told.of(&net_id));
    assert!(told.becomes(&space_id, &[5, 6]), "{:?}", told.of(&space_id));
    assert_eq!(unwatch(watcher), 0);
    assert_eq!(unwatch(watcher), codes::E_HANDLE);
    for (close, handle) in
        [(network::close as fn(usize) -> u32, net), (endpoint::close, end), (namespace::close, space)]
    {
        assert_eq!(close(handle), 0);
        assert_eq!(close(handle), codes::E_HANDLE);
    }
}

#[test]
fn conflicts_have_their_codes() {
    let (net, net_id) = network::create(None, &nat(2, "conflicts")).unwrap();
    let twin = network::create(None, &nat(2, "again")).unwrap_err();
    assert_eq!(twin.0, codes::HCN_INVALID_SUBNET);
    let mut same = nat(3, "same");
    same["ID"] = json!(net_id);
    assert_eq!(network::create(None, &same).unwrap_err().0, codes::HCN_NETWORK_ALREADY_EXISTS);
    let with = |settings: Value| endpoint::create(Some(net), &settings);
    let port = |protocol: u32| json!([{"Type": "PortMapping", "Settings": {"Protocol": protocol, "InternalPort": 80, "ExternalPort": 8080}}]);
    let (first, first_id) = with(
        json!({"IpConfigurations": [{"IpAddress": "10.77.2.9", "PrefixLength": 24}], "Policies": port(6)}),
    )
    .unwrap();
    let cases = [
        (
            json!({"IpConfigurations": [{"IpAddress": "10.77.2.9", "PrefixLength": 24}]}),
            codes::HCN_ADDRESS_INVALID_OR_RESERVED,
        ),
        (
            json!({"IpConfigurations": [{"IpAddress": "10.77.2.1", "PrefixLength": 24}]}),
            codes::HCN_ADDRESS_INVALID_OR_RESERVED,
        ),
        (
            json!({"IpConfigurations": [{"IpAddress": "10.78.2.9", "PrefixLength": 24}]}),
            codes::HCN_ADDRESS_INVALID_OR_RESERVED,
        ),
        (json!({"IpConfigurations": [{"IpAddress": "here", "PrefixLength": 24}]}), codes::HCN_INVALID_IP),
        (json!({"Policies": port(6)}), codes::HCN_PORT_ALREADY_EXISTS),
        (json!({"Policies": [{"Type": "PortMapping", "Settings": {"Port": 80}}]}), codes::HCN_INVALID_POLICY),
        (json!({"Policies": [{"Type": "PortMap", "Settings": {}}]}), codes::HCN_INVALID_JSON),
        (json!({"IpConfiguration": []}), codes::HCN_INVALID_JSON),
    ];
    for (settings, expected) in cases {
        assert_eq!(with(settings.clone()).unwrap_err().0, expected, "{settings}");
    }
    let (second, second_id) = with(json!({"Policies": port(17)})).unwrap();
    // An endpoint that nobody closes properly keeps its address.
    assert_eq!(endpoint::close(first), 0);
    let leaked =
        with(json!({"IpConfigurations": [{"IpAddress": "10.77.2.9", "PrefixLength": 24}]})).unwrap_err();
    assert_eq!(leaked.0, codes::HCN_ADDRESS_INVALID_OR_RESERVED);
    let mut flat = nat(4, "flat");
    flat["Type"] = json!("L2Bridge");
    let (bridge, bridge_id) = network::create(None, &flat).unwrap();
    let refused = endpoint::create(Some(bridge), &json!({"Policies": port(6)})).unwrap_err();
    assert_eq!(refused.0, codes::HCN_MAPPING_NOT_SUPPORTED);
    assert!(refused.1.contains(r#""Success":false"#), "{}", refused.1);
    for wrong in [
        json!({"Name": "x"}),
        json!({"Type": "NAT", "Ipams": [{"Subnets": [{"IpAddressPrefix": "10.0.0.1/8"}]}]}),
    ] {
        assert!(network::create(None, &wrong).is_err(), "{wrong}");
    }
    for id in [&first_id, &second_id] {
        assert_eq!(endpoint::delete(id).0, 0);
    }
    assert_eq!(network::delete(&net_id).0, 0);
    assert_eq!(network::delete(&bridge_id).0, 0);
    endpoint::close(second);
    network::close(net);
    network::close(bridge);
}

/// A container with an endpoint of the network's, in a namespace.
struct Member {
    layers: Layered,
    system: usize,
    space: (usize, String),
    end: (usize, String),
}

impl Member {
    fn new(name: &str, net: usize) -> Member {
        let end = endpoint::create(Some(net), &json!({"Name": name})).unwrap();
        let space = namespace::create(None, &serde_json::from_str(VERSION).unwrap()).unwrap();
        assert_eq!(namespace::modify(space.0, &add(&end.1)).0, 0);
        let layers = Layered::new(name);
        let mut document = layers.document();
        document["Container"]["GuestOs"] = json!({"HostName": name});
        document["Container"]["Networking"] = json!({"Namespace": space.1});
        let ((code, text), system) = api::create(&layers.id, &document.to_string());
        assert_eq!(code, 0, "{text:?}");
        assert_eq!(api::start(system, None), (0, None));
        Member { layers, system, space, end }
    }

    fn spawn(&self, line: &str) -> (usize, std::fs::File) {
        let parameters = json!({"CommandLine": line, "CreateStdOutPipe": true}).to_string();
        let ((code, text), process, information) = api::create_process(self.system, &parameters);
        assert_eq!(code, 0, "{text:?}");
        (process, information.stream(1).unwrap())
    }

    fn leave(self) {
        assert_eq!(endpoint::delete(&self.end.1).0, codes::HCN_ENTITY_HAS_REFERENCES);
        assert_eq!(api::terminate(self.system, None).0, 0);
        api::close(self.system);
        assert_eq!(endpoint::delete(&self.end.1).0, 0);
        assert_eq!(namespace::delete(&self.space.1).0, 0);
        endpoint::close(self.end.0);
        namespace::close(self.space.0);
        drop(self.layers);
    }
}

#[test]
fn containers_of_a_network_reach_each_other() {
    if sim_tests::no_containers() {
        return;
    }
    let (net, net_id) = network::create(None, &nat(5, "reach")).unwrap();
    let told = Told::leaked();
    let watcher = watch(told);
    let (server, client) = (Member::new("server", net), Member::new("client", net));
    let (serving, mut said) = server.spawn("C:\\probe.exe serve 4000");
    let mut listening = [0; 9];
    std::io::Read::read_exact(&mut said, &mut listening).unwrap();
    let (fetching, output) = client.spawn("C:\\probe.exe fetch 10.77.5.2:4000");
    let output = sim_tests::pipes::read_all(output);
    assert_eq!(String::from_utf8_lossy(&output).trim(), "greetings");
    api::close_process(serving);
    api::close_process(fetching);
    let ends = [&server, &client].map(|member| member.end.1.clone());
    server.leave();
    client.leave();
    for end in ends {
        assert!(told.becomes(&end, &[9, 0x10]), "{:?}", told.of(&end));
    }
    assert_eq!(unwatch(watcher), 0);
    assert_eq!(network::delete(&net_id).0, 0);
    network::close(net);
}

#[test]
fn a_port_of_the_host_leads_into_the_container() {
    if sim_tests::no_containers() {
        return;
    }
    let (net, net_id) = network::create(None, &nat(6, "ports")).unwrap();
    let server = Member::new("mapped", net);
    let policy = |outside: u16| {
        json!({"Policies": [{"Type": "PortMapping",
            "Settings": {"Protocol": 6, "InternalPort": 4000, "ExternalPort": outside}}]})
    };
    let change = |kind: &str, outside: u16| {
        let request = json!({"ResourceType": "Policy", "RequestType": kind, "Settings": policy(outside)});
        endpoint::modify(server.end.0, &request).0
    };
    // A program of the host has this one.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(change("Add", taken.local_addr().unwrap().port()), codes::HCN_PORT_ALREADY_EXISTS);
    assert_eq!(change("Add", 18_406), 0);
    let other = endpoint::create(Some(net), &policy(18_406)).unwrap_err();
    assert_eq!(other.0, codes::HCN_PORT_ALREADY_EXISTS);
    let (serving, mut said) = server.spawn("C:\\probe.exe serve 4000");
    std::io::Read::read_exact(&mut said, &mut [0; 9]).unwrap();
    let mut greetings = String::new();
    let mut visit = TcpStream::connect("127.0.0.1:18406").unwrap();
    std::io::Read::read_to_string(&mut visit, &mut greetings).unwrap();
    assert_eq!(greetings, "greetings");
    assert_eq!(change("Remove", 18_406), 0);
    assert!(TcpStream::connect("127.0.0.1:18406").is_err());
    api::close_process(serving);
    server.leave();
    assert_eq!(network::delete(&net_id).0, 0);
    network::close(net);
}
