//! A founded site on a real disk, for unit tests of what it says to the machine that it runs on.
#![allow(clippy::unwrap_used)]

use crate::{Clock, Folder, Founding, Ground, Site, found_on};
use durable::{Disk, RealDisk};
use fleet::{Actor, Door, Role};
use ids::Digest;
use std::{fs, path::Path, sync::Arc};

/// Somebody at the console.
pub(crate) fn person(name: &str, role: Role) -> Actor {
    Actor::Person { person: name.parse().unwrap(), role, door: Door::Console }
}

/// A site in `data` of a folder, founded by Ann.
pub(crate) fn founded(folder: &Path) -> Site {
    let data = Folder::at(&folder.join("data"));
    fs::create_dir_all(data.path()).unwrap();
    let root = br#"{"signed":{"expires":"2027-11-01T00:00:00Z"},"signatures":[]}"#.to_vec();
    let founding = Founding {
        site: "lab".parse().unwrap(),
        root_fingerprint: Digest::of(&root),
        publisher_root: root,
        vendor_keyrings: Vec::new(),
        ring: "broad".parse().unwrap(),
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let ground = Ground { disk, clock: Clock::system() };
    found_on(&data, &founding, person("ann", Role::Administrator), ground.clone()).unwrap();
    Site::open_on(&data, None, ground).unwrap()
}
