//! Real network cards: pairs of virtual Ethernet between a bridge of ours and a container.
//!
//! The service runs in a network namespace of its own, so that nothing of the machine's is changed.

use std::process::{Command, Stdio};

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
    let Interface { bridge, peer, mac, address, gateway } = interface;
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

/// A network is gone. It may never have had a bridge.
pub fn remove_bridge(bridge: &str) {
    let _ = ip(&format!("link delete {bridge}"));
}
