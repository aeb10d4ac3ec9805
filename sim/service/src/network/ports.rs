//! Ports of the host that lead to containers. The service's network namespace is the host's to its
//! clients, so a port that is opened there is one of the host's. Only TCP has an effect.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Networks, policy};

const TCP: u64 = 6;

/// Open ports.
#[derive(Default)]
pub struct Ports {
    open: BTreeMap<u16, Door>,
}

struct Door {
    to: SocketAddrV4,
    closed: Arc<AtomicBool>,
    serving: Option<thread::JoinHandle<()>>,
}

impl Door {
    fn open(listener: TcpListener, to: SocketAddrV4) -> Door {
        let closed = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&closed);
        Door { to, closed, serving: Some(thread::spawn(move || serve(&listener, to, &told))) }
    }

    /// Returns when the port is free again. Who is inside stays.
    fn close(&mut self, port: u16) {
        self.closed.store(true, Ordering::SeqCst);
        // Wakes the one who waits for a visitor.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let _ = self.serving.take().map(thread::JoinHandle::join);
    }
}

impl Ports {
    /// Whether no program of the host has the port.
    pub fn may_open(&self, (protocol, port): (u64, u16)) -> bool {
        protocol != TCP || !private() || self.open.contains_key(&port) || listen(port).is_ok()
    }
}

/// Whether the ports are our own namespace's: others are not touched.
fn private() -> bool {
    rustix::process::geteuid().is_root()
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
}

/// Opens the ports that the endpoints' policies ask for, and closes those that none does.
pub fn follow(networks: &mut Networks) {
    if !private() {
        return;
    }
    let wanted = wanted(networks);
    let open = &mut networks.ports.open;
    open.retain(|port, door| {
        let stays = wanted.get(port) == Some(&door.to);
        if !stays {
            door.close(*port);
        }
        stays
    });
    for (port, to) in wanted {
        if open.contains_key(&port) {
            continue;
        }
        // Somebody may have taken it since it was asked for; then it stays theirs.
        if let Ok(listener) = listen(port) {
            open.insert(port, Door::open(listener, to));
        }
    }
}

fn wanted(networks: &Networks) -> BTreeMap<u16, SocketAddrV4> {
    let mut wanted = BTreeMap::new();
    for endpoint in networks.endpoints.values() {
        let address =
            endpoint.settings.get("IpConfigurations").and_then(|list| list[0]["IpAddress"].as_str());
        let Some(address) = address.and_then(|text| text.parse().ok()) else { continue };
        let policies = endpoint.settings.get("Policies").and_then(serde_json::Value::as_array);
        for mapping in policies.into_iter().flatten().filter_map(policy::mapped) {
            if mapping.outside.0 == TCP {
                wanted.insert(mapping.outside.1, SocketAddrV4::new(address, mapping.inside));
            }
        }
    }
    wanted
}

fn serve(listener: &TcpListener, to: SocketAddrV4, closed: &AtomicBool) {
    while let Ok((visitor, _)) = listener.accept() {
        if closed.load(Ordering::SeqCst) {
            return;
        }
        thread::spawn(move || {
            // Nobody there: the visitor is hung up on.
            let _ = lead(visitor, to);
        });
    }
}

fn lead(visitor: TcpStream, to: SocketAddrV4) -> io::Result<()> {
    let inside = TcpStream::connect_timeout(&SocketAddr::V4(to), Duration::from_secs(10))?;
    let (from_visitor, to_inside) = (visitor.try_clone()?, inside.try_clone()?);
    let there = thread::spawn(move || copy(from_visitor, to_inside));
    copy(inside, visitor);
    let _ = there.join();
    Ok(())
}

/// Copies to the end, and says that it is the end.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
