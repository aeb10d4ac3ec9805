//! Host names and addresses.

use std::io::{BufRead, BufReader};

use containerv::Stdio;
use containerv_tests::Bed;
use containerv_tests::inside::{command, said};
use containerv_tests::network;

#[test]
fn a_container_has_the_host_name_that_it_was_given() {
    let bed = Bed::with_program();
    let named = bed.keeper(|request| request.hostname = Some("web01".into()));
    assert_eq!(said(command(&named, "host")), "web01");
    let plain = bed.keeper(|_| {});
    assert_eq!(said(command(&plain, "host")), plain.id().short());
}

#[test]
fn a_container_is_reached_by_its_address() {
    let bed = Bed::with_program();
    let Some(network) = network::of_host(&bed) else { return };
    let container = bed.keeper(|request| request.network = network.clone());
    let mut server = command(&container, "serve 8080").stdout(Stdio::Piped).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "listening");
    assert_eq!(network::fetch(&bed, &network, &container, 8080), "greetings");
    assert!(server.wait().unwrap().success());
    container.delete(true).unwrap();
    bed.assert_nothing_left("with its network");
}

#[test]
fn a_container_without_a_network_reaches_nobody() {
    let bed = Bed::with_program();
    let container = bed.keeper(|_| {});
    let output = command(&container, "fetch 192.0.2.1:80").output().unwrap();
    assert!(!output.status.success());
}
