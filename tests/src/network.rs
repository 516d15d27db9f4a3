//! Networks with no way out: one bridge, a node for the appliance and one for each endpoint.

use crate::{require_root, run};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::cell::Cell;
use std::fs::{self, File};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::thread;

/// Names begin with this and the owner's process id, so that leftovers can be told and swept.
const PREFIX: &str = "pkt";

/// A network of its own. Nothing in it reaches this machine or the world.
#[derive(Debug)]
pub struct Network {
    hub: String,
    nodes: Cell<u8>,
}

/// A machine's place in a network. It goes with the network.
#[derive(Debug, Clone)]
pub struct Node {
    namespace: String,
    /// Its address in the network.
    pub address: String,
}

impl Network {
    /// Makes an empty network.
    #[must_use]
    pub fn new() -> Self {
        require_root();
        sweep();
        let hub = format!("{PREFIX}{}-hub", std::process::id());
        ip(&["netns", "add", &hub]);
        ip(&["-n", &hub, "link", "set", "lo", "up"]);
        ip(&["-n", &hub, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", &hub, "link", "set", "br0", "up"]);
        Self { hub, nodes: Cell::new(0) }
    }

    /// Adds a node with an address of its own.
    pub fn node(&self) -> Node {
        let number = self.nodes.get() + 1;
        self.nodes.set(number);
        let namespace = format!("{PREFIX}{}-{number}", std::process::id());
        let address = format!("10.77.0.{number}");
        let port = format!("port{number}");
        ip(&["netns", "add", &namespace]);
        ip(&[
            "-n", &self.hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns",
            &namespace,
        ]);
        ip(&["-n", &self.hub, "link", "set", &port, "master", "br0", "up"]);
        ip(&["-n", &namespace, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(&["-n", &namespace, "link", "set", "lo", "up"]);
        ip(&["-n", &namespace, "link", "set", "eth0", "up"]);
        Node { namespace, address }
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(&self.hub);
        for number in 1..=self.nodes.get() {
            remove(&format!("{PREFIX}{}-{number}", std::process::id()));
        }
    }
}

impl Node {
    /// A command that runs here. `ip netns exec` becomes the program, so its id is the program's.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Passes on what is sent to a port here to a port of this machine, as long as the test lasts.
    #[track_caller]
    pub fn passes_on(&self, port: u16, to: u16) {
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace)).unwrap();
        let address = format!("{}:{port}", self.address);
        // A thread of its own moves there: its socket stays there, and whoever takes it is here.
        let there = thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).unwrap();
            TcpListener::bind(address).unwrap()
        });
        let listener = there.join().unwrap();
        thread::spawn(move || {
            for endpoint in listener.incoming().map_while(Result::ok) {
                let Ok(appliance) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let pairs = [(&endpoint, &appliance), (&appliance, &endpoint)];
                for (from, into) in pairs.map(|(a, b)| (a.try_clone(), b.try_clone())) {
                    let (Ok(mut from), Ok(mut into)) = (from, into) else { continue };
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut into);
                        let _ = into.shutdown(Shutdown::Write);
                    });
                }
            }
        });
    }
}

#[track_caller]
fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments)).ok();
}

fn remove(namespace: &str) {
    let _ = Command::new("ip").args(["netns", "delete", namespace]).status();
}

/// Removes what tests that were killed have left: their process is gone, their namespace is not.
fn sweep() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let owner = owner.and_then(|owner| owner.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            remove(&name);
        }
    }
}
