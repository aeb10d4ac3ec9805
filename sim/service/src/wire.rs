//! Real network cards: pairs of virtual Ethernet between a bridge of ours and a container.
//!
//! The service runs in a network namespace of its own, so that nothing of the machine's is changed.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sim_protocol::codes;

use crate::answer::{Answer, OrRefuse, Refusal};
use crate::container::Interface;

fn run(command: &mut Command) -> Answer<()> {
    let output = command.stdin(Stdio::null()).output().or_refuse("starting `ip`")?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Refusal::new(codes::E_FAIL, format!("{command:?}: {message}")))
}

fn ip(words: &str) -> Answer<()> {
    run(Command::new("ip").args(words.split(' ')))
}

/// Gives the container whose first process is `inside` its card number `at`.
pub fn plug(interface: &Interface, at: usize, inside: u32) -> Answer<()> {
    let Interface { bridge, peer, mac, address, gateway, .. } = interface;
    if ip(&format!("link show {bridge}")).is_err() {
        ip(&format!("link add {bridge} type bridge"))?;
        if let (Some(gateway), Some((_, length))) = (gateway, address.split_once('/')) {
            ip(&format!("address add {gateway}/{length} dev {bridge}"))?;
        }
        ip(&format!("link set {bridge} up"))?;
    }
    let card = format!("eth{at}");
    ip(&format!("link add {peer} type veth peer name {card} address {mac} netns {inside}"))?;
    ip(&format!("link set {peer} master {bridge} up"))?;
    let within = |words: &str| {
        let target = inside.to_string();
        run(Command::new("nsenter").args(["--target", &target, "--net", "ip"]).args(words.split(' ')))
    };
    within(&format!("address add {address} dev {card}"))?;
    within(&format!("link set {card} up"))?;
    match gateway.as_ref().filter(|_| at == 0) {
        Some(gateway) => within(&format!("route add default via {gateway}")),
        None => Ok(()),
    }
}

/// Takes the card away again.
pub fn unplug(interface: &Interface) {
    // It is gone already when the container is.
    let _ = ip(&format!("link delete {}", interface.peer));
}

/// What went through the card whose end here is `peer`, seen from inside; nothing when it is gone.
pub fn traffic(endpoint: &str, peer: &str) -> Value {
    let text = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let count = counters(&text, peer).unwrap_or_else(|| vec![0; 16]);
    // What our end receives, the container has sent.
    json!({
        "EndpointId": endpoint, "InstanceId": peer,
        "BytesSent": count[0], "PacketsSent": count[1], "DroppedPacketsOutgoing": count[3],
        "BytesReceived": count[8], "PacketsReceived": count[9], "DroppedPacketsIncoming": count[11]
    })
}

/// The sixteen numbers that the kernel has of an interface: eight of receiving, eight of sending.
fn counters(text: &str, name: &str) -> Option<Vec<u64>> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    (numbers.len() >= 16).then_some(numbers)
}

/// A network is gone. It may never have had a bridge.
pub fn remove_bridge(bridge: &str) {
    let _ = ip(&format!("link delete {bridge}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let text = " face |bytes\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n simep1:7 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(counters(text, "simep1").unwrap()[0], 7);
        assert_eq!(counters(text, "simep"), None);
    }
}
