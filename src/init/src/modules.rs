//! Kernel modules: which ones a device asks for, in which order they load, and loading them.
//!
//! The image carries `modules.alias`, `modules.dep` and `modules.softdep` as depmod wrote them for exactly the modules
//! that it holds, and `load`: names that no device announces.

use crate::error::Error;
use rustix::io::Errno;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Where the image has them.
pub(crate) const FOLDER: &str = "/lib/modules";

/// What the image's modules say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// Pattern and module.
    aliases: Vec<(String, String)>,
    /// A module's file, and the modules that load before it, first things first.
    needs: BTreeMap<String, (PathBuf, Vec<String>)>,
    /// Names (of modules or aliases) that go before a module without its code saying so.
    soft: BTreeMap<String, Vec<String>>,
}

impl Catalogue {
    /// From the texts of depmod's three files.
    pub(crate) fn parse(alias: &str, dep: &str, softdep: &str) -> Self {
        let mut catalogue = Self::default();
        for line in alias.lines() {
            if let Some((pattern, module)) =
                line.strip_prefix("alias ").and_then(|rest| rest.rsplit_once(' '))
            {
                catalogue.aliases.push((pattern.to_owned(), plain(module)));
            }
        }
        for (file, before) in dep.lines().filter_map(|line| line.split_once(':')) {
            // depmod lists the nearest first.
            let before = before.split_whitespace().rev().map(name_of).collect();
            catalogue.needs.insert(name_of(file), (PathBuf::from(file), before));
        }
        for line in softdep.lines() {
            let mut words = line.split_whitespace().skip(1);
            let Some(module) = words.next() else { continue };
            let before = words
                .skip_while(|word| *word != "pre:")
                .skip(1)
                .take_while(|word| *word != "post:");
            catalogue.soft.insert(plain(module), before.map(str::to_owned).collect());
        }
        catalogue
    }

    /// The modules for what a device announced, or for a name; in no order, none twice.
    pub(crate) fn named(&self, announced: &str) -> BTreeSet<String> {
        let own = plain(announced);
        if self.needs.contains_key(&own) {
            return BTreeSet::from([own]);
        }
        let fitting = self
            .aliases
            .iter()
            .filter(|(pattern, _)| fits(pattern.as_bytes(), announced.as_bytes()));
        fitting.map(|(_, module)| module.clone()).collect()
    }

    /// The files to load for a module, first things first, without those that are `loaded`.
    pub(crate) fn order(&self, module: &str, loaded: &BTreeSet<String>) -> Vec<(String, PathBuf)> {
        let (mut order, mut seen) = (Vec::new(), loaded.clone());
        self.gather(module, &mut seen, &mut order);
        order
    }

    fn gather(
        &self,
        module: &str,
        seen: &mut BTreeSet<String>,
        order: &mut Vec<(String, PathBuf)>,
    ) {
        let Some((file, before)) = self.needs.get(module) else { return };
        if !seen.insert(module.to_owned()) {
            return;
        }
        for wanted in self.soft.get(module).into_iter().flatten() {
            for soft in self.named(wanted) {
                self.gather(&soft, seen, order);
            }
        }
        for needed in before {
            self.gather(needed, seen, order);
        }
        order.push((module.to_owned(), file.clone()));
    }
}

/// `kernel/fs/ext4/ext4.ko` is the module `ext4`.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    plain(name.split('.').next().unwrap_or(name))
}

/// Hyphens and underscores are one to the kernel.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// Whether a text is of a pattern with `*`, `?` and `[a-f]`, as fnmatch has it.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| fits(rest, &text[skipped..])),
        [b'?', rest @ ..] => !text.is_empty() && fits(rest, &text[1..]),
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let Some((first, after)) = text.split_first() else { return false };
            in_set(&rest[..end], *first) && fits(&rest[end + 1..], after)
        }
        [own, rest @ ..] => text.first() == Some(own) && fits(rest, &text[1..]),
    }
}

fn in_set(set: &[u8], byte: u8) -> bool {
    match set {
        [] => false,
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&byte) || in_set(rest, byte),
        [one, rest @ ..] => *one == byte || in_set(rest, byte),
    }
}

/// Loads modules, each once.
#[derive(Debug)]
pub(crate) struct Loader {
    catalogue: Catalogue,
    loaded: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Loader {
    /// With the image's own files.
    pub(crate) fn open() -> Result<Self, Error> {
        let text = |name: &str| {
            let path = Path::new(FOLDER).join(name);
            fs::read_to_string(&path).map_err(|source| Error::Read { path, source })
        };
        let catalogue = Catalogue::parse(
            &text("modules.alias")?,
            &text("modules.dep")?,
            &text("modules.softdep")?,
        );
        Ok(Self { catalogue, loaded: BTreeSet::new(), asked: BTreeSet::new() })
    }

    /// What is loaded without a device that asks for it.
    pub(crate) fn load_listed(&mut self) -> Vec<Error> {
        let listed = fs::read_to_string(Path::new(FOLDER).join("load")).unwrap_or_default();
        listed.lines().flat_map(|name| self.announce(name)).collect()
    }

    /// Loads what every device that stands in /sys asks for, until no more devices turn up; what did not load.
    pub(crate) fn load_for_devices(&mut self) -> Vec<Error> {
        let mut failed = Vec::new();
        loop {
            let mut announced = BTreeSet::new();
            gather_announcements(Path::new("/sys/devices"), &mut announced);
            let before = self.loaded.len();
            failed.extend(announced.iter().flat_map(|device| self.announce(device)));
            if self.loaded.len() == before {
                return failed;
            }
        }
    }

    /// Loads what one device asks for.
    pub(crate) fn announce(&mut self, device: &str) -> Vec<Error> {
        if !self.asked.insert(device.to_owned()) {
            return Vec::new();
        }
        let modules = self.catalogue.named(device);
        modules.iter().flat_map(|module| self.load(module)).collect()
    }

    /// How many are loaded.
    pub(crate) fn count(&self) -> usize {
        self.loaded.len()
    }

    fn load(&mut self, module: &str) -> Vec<Error> {
        let mut failed = Vec::new();
        for (name, file) in self.catalogue.order(module, &self.loaded) {
            let path = Path::new(FOLDER).join(&file);
            let loaded = match fs::File::open(&path) {
                Err(source) => Err(Error::Read { path, source }),
                Ok(file) => match rustix::system::finit_module(&file, c"", 0) {
                    Ok(()) | Err(Errno::EXIST) => Ok(()),
                    Err(source) => Err(Error::Module { module: name.clone(), source }),
                },
            };
            match loaded {
                Ok(()) => drop(self.loaded.insert(name)),
                // A driver for a device that is not there says so; what needs it will, too.
                Err(Error::Module { source: Errno::NODEV, .. }) => {}
                Err(error) => failed.push(error),
            }
        }
        failed
    }
}

/// The contents of every file `modalias` under a folder of /sys; links are not followed.
fn gather_announcements(folder: &Path, into: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(io::Result::ok) {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            gather_announcements(&entry.path(), into);
        } else if entry.file_name() == "modalias"
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            into.insert(text.trim_end().to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::parse(
            "# Aliases\nalias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e\nalias acpi*:LNXPWRBN:* button\n\
             alias crc32c crc32c_generic\nalias input:b*v*p*e*-e*[0-9a-f],* evdev\nalias usb:v*d[1-9A]* usb-odd\n",
            "e1000e.ko: ptp.ko pps_core.ko\next4.ko: jbd2.ko mbcache.ko\njbd2.ko:\nmbcache.ko:\nptp.ko: pps_core.ko\n\
             pps_core.ko:\ncrc32c_generic.ko:\nbutton.ko:\nevdev.ko:\nusb-odd.ko:\n",
            "# Soft\nsoftdep ext4 pre: crc32c\n",
        )
    }

    fn names(order: &[(String, PathBuf)]) -> Vec<&str> {
        order.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_device_is_answered_with_its_driver_and_no_other() {
        let named = |device: &str| catalogue().named(device).into_iter().collect::<Vec<_>>();
        assert_eq!(named("pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00"), ["e1000e"]);
        assert_eq!(named("acpi:LNXPWRBN:"), ["button"]);
        assert_eq!(named("input:b0019v0000p0001e0000-e0,1,k74,ramlsfw"), ["evdev"]);
        assert_eq!(named("usb:v1d5x"), ["usb_odd"]);
        assert!(named("usb:v1d0x").is_empty());
        assert!(named("pci:v00008086d00001234sv0sd0bc02sc00i00").is_empty());
        assert!(named("").is_empty());
    }

    #[test]
    fn what_a_module_needs_goes_before_it_and_only_once() {
        let order = catalogue().order("e1000e", &BTreeSet::new());
        assert_eq!(names(&order), ["pps_core", "ptp", "e1000e"]);
        let order = catalogue().order("ext4", &BTreeSet::new());
        assert_eq!(names(&order), ["crc32c_generic", "mbcache", "jbd2", "ext4"]);
        let loaded = BTreeSet::from(["jbd2".to_owned(), "crc32c_generic".to_owned()]);
        assert_eq!(names(&catalogue().order("ext4", &loaded)), ["mbcache", "ext4"]);
        assert!(catalogue().order("no-such", &loaded).is_empty());
    }

    #[test]
    fn modules_that_need_each_other_do_not_go_round_for_ever() {
        let circle = Catalogue::parse("", "a.ko: b.ko\nb.ko: a.ko\n", "softdep a pre: a b\n");
        assert_eq!(names(&circle.order("a", &BTreeSet::new())), ["b", "a"]);
    }
}
