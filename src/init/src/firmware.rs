//! The firmware's variables: which file was started, and what is to be started next.

use crate::error::Error;
use rustix::mount::MountFlags;
use slots::{Partition, Slot, Started};
use std::{fs, io, path::PathBuf};

const EFI: &str = "/sys/firmware/efi";
const VARIABLES: &str = "/sys/firmware/efi/efivars";
/// Whose variables these are: UEFI's own, and those of the boot stub.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
const LOADER: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
/// Kept without power, for boot services and for us (7); it stands before each value.
const ATTRIBUTES: [u8; 4] = [7, 0, 0, 0];

/// Makes the variables readable; whether the machine has such firmware, and was started by it.
pub(crate) fn open() -> Result<bool, Error> {
    if !PathBuf::from(EFI).exists() {
        return Ok(false);
    }
    if fs::read_dir(VARIABLES).is_ok_and(|mut all| all.next().is_some()) {
        return Ok(true);
    }
    let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount("efivarfs", VARIABLES, "efivarfs", flags, None).map_err(|source| {
        Error::Mount { what: "efivarfs".to_owned(), at: VARIABLES.to_owned(), source }
    })?;
    Ok(true)
}

/// Whether it starts only what is signed.
pub(crate) fn has_secure_boot() -> bool {
    open().is_ok_and(|there| there) && value("SecureBoot", GLOBAL).is_some_and(|value| value == [1])
}

/// Which file was started, as the boot stub says.
pub(crate) fn started() -> Option<Started> {
    Started::by(&text("LoaderImageIdentifier")?)
}

/// The id of the partition that was started from, as the boot stub says.
pub(crate) fn partition_id() -> Option<[u8; 16]> {
    slots::partition_id(&text("LoaderDevicePartUUID")?)
}

/// Sees to it that each slot has an entry, and that the default one is the first; their numbers, A's first.
pub(crate) fn settle(partition: &Partition, default: Slot) -> Result<[u16; 2], Error> {
    let mut numbers = [0; 2];
    for (number, slot) in numbers.iter_mut().zip(Slot::ALL) {
        *number = entry(&slots::load_option(partition, slot))?;
    }
    set_order(numbers, default)?;
    Ok(numbers)
}

/// Has the entries (A's first) tried in this order: the default slot's, the other's, and then whatever there was.
pub(crate) fn set_order([a, b]: [u16; 2], default: Slot) -> Result<(), Error> {
    let ours = if default == Slot::A { [a, b] } else { [b, a] };
    let before = words(&value("BootOrder", GLOBAL).unwrap_or_default());
    let wanted = slots::order(ours, &before);
    if wanted == before { Ok(()) } else { set("BootOrder", &bytes(&wanted)) }
}

/// Whether the firmware would start another slot the next time than it did now, whatever else is known: the first entry of its
/// order names another file.
pub(crate) fn starts_another_next() -> bool {
    let Some(Started::Slot(slot)) = started() else { return false };
    let order = words(&value("BootOrder", GLOBAL).unwrap_or_default());
    let first = order.first().and_then(|number| value(&format!("Boot{number:04X}"), GLOBAL));
    first.is_some_and(|option| slots::names(&option, slot.other()))
}

/// Has an entry started once, at the next start.
pub(crate) fn start_once(number: u16) -> Result<(), Error> {
    set("BootNext", &number.to_le_bytes())
}

/// The number of the entry that is so; it is made where there is none.
fn entry(option: &[u8]) -> Result<u16, Error> {
    let mut taken = Vec::new();
    let entries =
        fs::read_dir(VARIABLES).map_err(|source| Error::Read { path: VARIABLES.into(), source })?;
    for name in
        entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok())
    {
        let number =
            name.strip_prefix("Boot").and_then(|rest| rest.strip_suffix(GLOBAL)?.strip_suffix('-'));
        let Some(number) = number.filter(|digits| digits.len() == 4) else { continue };
        let Ok(number) = u16::from_str_radix(number, 16) else { continue };
        if value(&format!("Boot{number:04X}"), GLOBAL).is_some_and(|value| value == option) {
            return Ok(number);
        }
        taken.push(number);
    }
    let number = slots::free_number(&taken).unwrap_or(u16::MAX);
    set(&format!("Boot{number:04X}"), option)?;
    Ok(number)
}

fn path(name: &str, whose: &str) -> PathBuf {
    PathBuf::from(VARIABLES).join(format!("{name}-{whose}"))
}

/// A variable's value, without its attributes.
fn value(name: &str, whose: &str) -> Option<Vec<u8>> {
    fs::read(path(name, whose)).ok()?.get(ATTRIBUTES.len()..).map(<[u8]>::to_vec)
}

/// One of the boot stub's, as text.
fn text(name: &str) -> Option<String> {
    let text = String::from_utf16_lossy(&words(&value(name, LOADER)?));
    Some(text.trim_end_matches('\0').to_owned())
}

/// Sets a variable, in one write as the kernel wants it.
fn set(name: &str, value: &[u8]) -> Result<(), Error> {
    let path = path(name, GLOBAL);
    let done = fs::File::options().write(true).create(true).truncate(false).open(&path).and_then(
        |mut file| {
            let all = [&ATTRIBUTES, value].concat();
            let written = io::Write::write(&mut file, &all)?;
            if written == all.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
        },
    );
    done.map_err(|source| Error::Firmware { what: name.to_owned(), source })
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().copied().map(u16::from_le_bytes).collect()
}

fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_firmware_has_them() {
        assert_eq!(words(&[1, 0, 0x0a, 0x10]), [1, 0x100a]);
        assert_eq!(bytes(&words(&[1, 0, 0x0a, 0x10])), [1, 0, 0x0a, 0x10]);
    }
}
