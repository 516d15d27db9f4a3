//! The power button, and what the kernel says of devices while the appliance runs.

use crate::Event;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_KOBJECT_UEVENT};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::mpsc::Sender,
    thread,
};

/// `struct input_event` on 64 bits: two words of time, then type, code (16 bits each) and value (32 bits).
const INPUT_EVENT_BYTES: usize = 24;
/// `EV_KEY`, `KEY_POWER`, pressed.
const POWER_PRESSED: (u16, u16, i32) = (1, 116, 1);

/// Whether the power button was pressed, by one event of an input device.
fn is_power_button(event: &[u8; INPUT_EVENT_BYTES]) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *event;
    (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]), i32::from_ne_bytes([e, f, g, h]))
        == POWER_PRESSED
}

/// Listens to an input device until it goes away.
pub(crate) fn listen(device: PathBuf, events: Sender<Event>) {
    thread::spawn(move || {
        let Ok(mut input) = fs::File::open(device) else { return };
        let mut event = [0; INPUT_EVENT_BYTES];
        while input.read_exact(&mut event).is_ok() {
            if is_power_button(&event) && events.send(Event::PowerButton).is_err() {
                return;
            }
        }
    });
}

/// The input devices that are there.
pub(crate) fn inputs() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/dev/input") else { return Vec::new() };
    let named = |entry: fs::DirEntry| {
        entry.file_name().to_string_lossy().starts_with("event").then(|| entry.path())
    };
    entries.filter_map(io::Result::ok).filter_map(named).collect()
}

/// What is to be done about one message of the kernel's (a uevent).
fn events_of(message: &[u8]) -> Vec<Event> {
    let mut fields =
        message.split(|byte| *byte == 0).filter_map(|field| std::str::from_utf8(field).ok());
    let Some((action, path)) = fields.next().and_then(|first| first.split_once('@')) else {
        return Vec::new();
    };
    let fields: BTreeMap<&str, &str> = fields.filter_map(|field| field.split_once('=')).collect();
    let is = |key: &str, value: &str| fields.get(key) == Some(&value);
    let mut events = Vec::new();
    if is("SUBSYSTEM", "block") {
        let disc = fields.get("DEVNAME").filter(|_| is("DISK_MEDIA_CHANGE", "1"));
        events.push(disc.map_or(Event::Blocks, |drive| Event::Disc((*drive).to_owned())));
    }
    if action != "add" {
        return events;
    }
    if is("DEVTYPE", "usb_interface") {
        events.push(Event::Interface(path.to_owned()));
    }
    events.extend(fields.get("MODALIAS").map(|device| Event::Device((*device).to_owned())));
    let input = fields.get("DEVNAME").filter(|name| name.starts_with("input/event"));
    events.extend(input.map(|name| Event::Input(Path::new("/dev").join(name))));
    events
}

/// Passes on what turns up from now on.
pub(crate) fn watch_devices(events: Sender<Event>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_KOBJECT_UEVENT)?;
    socket.bind(&SocketAddr::new(0, 1))?;
    thread::spawn(move || {
        while let Ok((message, from)) = socket.recv_from_full() {
            // Programs could send such messages too: only the kernel is port 0.
            if from.port_number() != 0 {
                continue;
            }
            for event in events_of(&message) {
                if events.send(event).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_press_of_the_power_button_is_one() {
        let event = |kind: u16, code: u16, value: i32| {
            let mut event = [7; INPUT_EVENT_BYTES];
            event[16..18].copy_from_slice(&kind.to_ne_bytes());
            event[18..20].copy_from_slice(&code.to_ne_bytes());
            event[20..].copy_from_slice(&value.to_ne_bytes());
            event
        };
        assert!(is_power_button(&event(1, 116, 1)));
        for other in [event(1, 116, 0), event(1, 30, 1), event(0, 116, 1), event(4, 116, 1)] {
            assert!(!is_power_button(&other));
        }
    }

    #[test]
    fn a_device_says_what_it_wants_when_it_is_added_and_a_disk_when_it_goes_too() {
        let told = |message: &[u8]| format!("{:?}", events_of(message));
        let message = b"add@/devices/x\0ACTION=add\0MODALIAS=usb:v1d2\0SEQNUM=7\0";
        assert_eq!(told(message), r#"[Device("usb:v1d2")]"#);
        let message = b"add@/devices/y\0DEVNAME=input/event3\0";
        assert_eq!(told(message), r#"[Input("/dev/input/event3")]"#);
        let message = b"add@/devices/x/1-1:1.0\0DEVTYPE=usb_interface\0MODALIAS=usb:v1d2\0";
        assert_eq!(told(message), r#"[Interface("/devices/x/1-1:1.0"), Device("usb:v1d2")]"#);
        for action in ["add", "remove", "change"] {
            let message = format!("{action}@/devices/z\0SUBSYSTEM=block\0DEVNAME=sda\0");
            assert_eq!(told(message.as_bytes()), "[Blocks]");
        }
        let message = b"change@/devices/z\0SUBSYSTEM=block\0DEVNAME=sr0\0DISK_MEDIA_CHANGE=1\0";
        assert_eq!(told(message), r#"[Disc("sr0")]"#);
        assert_eq!(told(b"remove@/devices/x\0ACTION=remove\0MODALIAS=usb:v1d2\0"), "[]");
        assert_eq!(told(b""), "[]");
    }
}
