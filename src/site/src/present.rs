//! Media at hand: bundles that lie where media are looked for, and what else is plugged in, for people to choose from.
//!
//! Only names and the bundle's own number are read, and nothing of it is believed: an import judges it.

use crate::{Error, Site, custody, vendor::chain};
use fleet::{Custody, MediaType};
use media::{Medium, PLUGGED_BYTES_MAX, Plugged};
use std::{
    fs::{self, File},
    io::Read as _,
    iter,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Where media are looked for unless the site says otherwise: where desktops and administrators mount them.
pub const MEDIA_PLACES: [&str; 3] = ["/media", "/mnt", "/run/media"];
/// Most folders that are looked into at one place.
const FOLDERS_MAX: usize = 100;

/// Where media are looked for.
#[derive(Debug)]
pub(crate) struct Places {
    folders: Mutex<Vec<PathBuf>>,
    looking: Mutex<()>,
}

impl Default for Places {
    fn default() -> Self {
        let folders = Mutex::new(MEDIA_PLACES.into_iter().map(PathBuf::from).collect());
        Self { folders, looking: Mutex::new(()) }
    }
}

/// A bundle that lies there, or a medium without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentMedium {
    /// What an import takes: a folder, or a device.
    pub path: PathBuf,
    /// Whether it has the look of a bundle.
    pub is_bundle: bool,
    /// The medium's name, as a person gave it; empty where it has none that is known.
    pub label: String,
    /// The number that it says of itself; nothing vouches for it yet.
    pub says: Option<u64>,
    /// Volumes of it that are not there.
    pub missing_volumes: Vec<u32>,
    /// Why it cannot be imported, where it cannot even be looked at or is no bundle.
    pub wrong: Option<String>,
    /// What can be seen of its medium.
    pub seen: Custody,
}

impl Site {
    /// Says where media are looked for: folders, what lies and what is mounted in them.
    pub fn look_for_media_in(&self, places: Vec<PathBuf>) {
        *self.places().folders.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }

    /// Where media are looked for.
    #[must_use]
    pub fn media_places(&self) -> Vec<PathBuf> {
        self.places().folders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is told what is plugged in.
    #[must_use]
    pub fn sees_what_is_plugged_in(&self) -> bool {
        self.first_program().plugged_in.get().is_some()
    }

    /// What is plugged in, as the appliance's first program says.
    pub(crate) fn plugged_in(&self) -> Vec<Plugged> {
        let said = self.first_program().plugged_in.get().and_then(|file| plugged(file));
        said.unwrap_or_default()
    }

    /// The media at hand, by path. A medium that is damaged may hold this up for as long as its device does.
    ///
    /// # Errors
    /// [`Error::Busy`] while an import reads its medium, or somebody else looks: two readers would only slow each other down.
    pub fn present_media(&self) -> Result<Vec<PresentMedium>, Error> {
        // An import may begin while this looks.
        if self.importing.try_lock().is_err() {
            return Err(Error::Busy);
        }
        let Ok(_one) = self.places().looking.try_lock() else {
            return Err(Error::Busy);
        };
        // Before folders are looked into: only of these is it known by then whether a bundle lies on them.
        let mounted_before = self.plugged_in();
        let (places, mounts) = (self.media_places(), custody::mounts());
        let below = |path: &Path| places.iter().any(|place| path.starts_with(place));
        let mounted = mounts.iter().map(|mount| mount.point.clone()).filter(|point| below(point));
        let mut tops: Vec<PathBuf> = places.iter().cloned().chain(mounted).collect();
        tops.sort();
        tops.dedup();
        let mut found: Vec<PresentMedium> = Vec::new();
        for path in tops.iter().flat_map(|top| iter::once(top.clone()).chain(folders(top))) {
            if !found.iter().any(|known| known.path == path) {
                found.extend(look(&path));
            }
        }
        let in_use: Vec<&str> = mounts.iter().map(|mount| mount.device.as_str()).collect();
        found.extend(devices(&in_use).iter().filter_map(|device| look(device)));
        for medium in self.plugged_in() {
            let was_mounted = mounted_before.iter().any(|before| before.at == medium.at);
            add(&mut found, medium, was_mounted);
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// Folders in a folder, sorted; links are not followed.
fn folders(top: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(top).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).take(FOLDERS_MAX).collect();
    folders.sort();
    folders
}

/// What lies at a path, where it has the look of a bundle.
fn look(path: &Path) -> Option<PresentMedium> {
    let opened = Medium::open(&[path.to_owned()]);
    let looks = path.join("metadata/timestamp.json").is_file() || has_volumes(path);
    let (says, missing_volumes, wrong) = match opened {
        Ok(medium) => match medium.offered() {
            Ok(offered) => {
                let says = offered.file("timestamp.json").and_then(says);
                (says, medium.missing_volumes(), None)
            }
            Err(error) => (None, Vec::new(), Some(chain(&error))),
        },
        // What is no bundle is none of our business.
        Err(_) if !looks => return None,
        Err(error) => (None, Vec::new(), Some(chain(&error))),
    };
    let mut seen = Custody::default();
    custody::see(&mut seen, path);
    let (path, is_bundle, label) = (path.to_owned(), true, String::new());
    Some(PresentMedium { path, is_bundle, label, says, missing_volumes, wrong, seen })
}

/// What is plugged in, as the appliance's first program says; it writes that file whole or not at all.
fn plugged(file: &Path) -> Option<Vec<Plugged>> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(PLUGGED_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Adds what is known of a medium that is plugged in to the bundles on it, or itself, where there is none. One that was not
/// mounted yet when folders were looked into may have one.
fn add(found: &mut Vec<PresentMedium>, plugged: Plugged, was_mounted: bool) {
    let path = plugged.at.unwrap_or(plugged.device);
    let mut on_it = found.iter_mut().filter(|medium| medium.path.starts_with(&path)).peekable();
    if on_it.peek().is_some() {
        on_it.for_each(|medium| medium.label.clone_from(&plugged.label));
        return;
    }
    let why = match plugged.holds {
        Some(_) if was_mounted => "no bundle lies on it",
        _ => "it is still looked at",
    };
    let wrong = plugged.wrong.unwrap_or_else(|| why.to_owned());
    found.push(PresentMedium { wrong: Some(wrong), ..bare(path, plugged.label) });
}

/// A medium without a bundle, as it can be seen.
fn bare(path: PathBuf, label: String) -> PresentMedium {
    let mut seen = Custody::default();
    custody::see(&mut seen, &path);
    PresentMedium {
        path,
        is_bundle: false,
        label,
        says: None,
        missing_volumes: Vec::new(),
        wrong: None,
        seen,
    }
}

/// A medium, where a file can be written to it.
pub(crate) fn writable(plugged: Plugged) -> Option<PresentMedium> {
    let path = plugged.at.filter(|_| plugged.is_writable)?;
    let mut medium = bare(path, plugged.label);
    // It is mounted so, and is not while it is written to.
    medium.seen.write_blocked = None;
    Some(medium)
}

fn has_volumes(path: &Path) -> bool {
    let entries = fs::read_dir(path).into_iter().flatten().flatten().take(FOLDERS_MAX);
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().ends_with(media::VOLUME_SUFFIX))
}

/// The version that a timestamp says of itself.
fn says(timestamp: &[u8]) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_slice(timestamp).ok()?;
    json["signed"]["version"].as_u64()
}

/// Removable devices that are not mounted: a volume may have been written straight to one.
fn devices(in_use: &[&str]) -> Vec<PathBuf> {
    let blocks = fs::read_dir("/sys/class/block").into_iter().flatten().flatten();
    let removable = |sys: &Path| {
        let said = fs::read_to_string(sys.join("removable")).unwrap_or_default();
        let mut record = Custody::default();
        custody::see(&mut record, &Path::new("/dev").join(sys.file_name().unwrap_or_default()));
        said.trim() == "1" || record.media_type == Some(MediaType::UsbFlash)
    };
    let devices = blocks.map(|entry| entry.path()).filter(|sys| removable(sys));
    let devices = devices.filter_map(|sys| Some(Path::new("/dev").join(sys.file_name()?)));
    let mut devices: Vec<PathBuf> =
        devices.filter(|device| !in_use.contains(&&*device.to_string_lossy())).collect();
    devices.sort();
    devices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_has_the_look_of_a_bundle_is_found_with_the_number_that_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let stick = folder.path().join("stick");
        fs::create_dir_all(stick.join("metadata")).unwrap();
        assert_eq!(look(&stick), None);
        fs::create_dir_all(stick.join("targets")).unwrap();
        fs::write(stick.join("metadata/timestamp.json"), r#"{"signed":{"version":15}}"#).unwrap();
        let found = look(&stick).unwrap();
        assert_eq!((found.says, found.wrong), (Some(15), None));
        fs::write(stick.join("metadata/timestamp.json"), "nonsense").unwrap();
        assert_eq!(look(&stick).unwrap().says, None);
        // A volume that is none is said to be wrong, not passed over.
        let other = folder.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join(format!("bundle-1{}", media::VOLUME_SUFFIX)), "nonsense").unwrap();
        assert!(look(&other).unwrap().wrong.is_some());
        assert_eq!(folders(folder.path()), [other, stick]);
    }

    #[test]
    fn what_is_plugged_in_is_named_and_shown_without_a_bundle_too() {
        let folder = tempfile::tempdir().unwrap();
        let (stick, empty) = (folder.path().join("sda1-7"), folder.path().join("sdb-8"));
        fs::create_dir_all(stick.join("bundle/metadata")).unwrap();
        fs::create_dir_all(stick.join("bundle/targets")).unwrap();
        fs::create_dir_all(&empty).unwrap();
        let plugged_in =
            |device: &str, at: Option<&Path>, holds: Option<&str>, wrong: Option<&str>| Plugged {
                device: device.into(),
                at: at.map(Path::to_owned),
                label: format!("label of {device}"),
                holds: holds.map(str::to_owned),
                is_writable: false,
                wrong: wrong.map(str::to_owned),
            };
        let said = [
            plugged_in("/dev/sda1", Some(&stick), Some("FAT"), None),
            plugged_in("/dev/sdb", Some(&empty), Some("FAT"), None),
            plugged_in("/dev/sdc", None, None, Some("no file system")),
            plugged_in("/dev/sdd", None, None, None),
        ];
        let late = plugged_in("/dev/sde", Some(&folder.path().join("sde-9")), Some("FAT"), None);
        let file = folder.path().join("media.json");
        fs::write(&file, serde_json::to_vec(&said).unwrap()).unwrap();
        let mut found: Vec<PresentMedium> = look(&stick.join("bundle")).into_iter().collect();
        plugged(&file).unwrap().into_iter().for_each(|medium| add(&mut found, medium, true));
        add(&mut found, late, false);
        let told: Vec<(bool, &str, Option<&str>)> = found
            .iter()
            .map(|medium| (medium.is_bundle, &*medium.label, medium.wrong.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (true, "label of /dev/sda1", None),
                (false, "label of /dev/sdb", Some("no bundle lies on it")),
                (false, "label of /dev/sdc", Some("no file system")),
                (false, "label of /dev/sdd", Some("it is still looked at")),
                (false, "label of /dev/sde", Some("it is still looked at")),
            ]
        );
        assert!(plugged(&folder.path().join("nothing")).is_none());
    }
}
