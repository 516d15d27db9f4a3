//! What firmware is told: boot entries (UEFI 2.10, `EFI_LOAD_OPTION`) and the order in which they are tried.
//!
//! Entries are written and compared, never read apart: ours are those whose bytes are as we would write them.

use crate::Slot;

/// The EFI partition as an entry names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the partition table, from 1.
    pub number: u32,
    /// Where it begins, in the disk's logical blocks.
    pub first_block: u64,
    /// How long it is, in the disk's logical blocks.
    pub blocks: u64,
    /// Its unique id, in the order of bytes that the partition table has ([`partition_id`]).
    pub id: [u8; 16],
}

/// A partition's id from its text, `7A0C5C4E-5B1F-...`: the first three groups are little-endian.
#[must_use]
pub fn partition_id(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b'-')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    let mut id: [u8; 16] = bytes.try_into().ok().filter(|_| digits.len() == 32)?;
    id[..4].reverse();
    id[4..6].reverse();
    id[6..8].reverse();
    Some(id)
}

/// The entry of a slot: active, its name, and the path of its file.
#[must_use]
pub fn load_option(partition: &Partition, slot: Slot) -> Vec<u8> {
    let mut path = Vec::new();
    // A partition of a hard disk: type 4, subtype 1, 42 bytes; a GUID partition table (2), named by a GUID (2).
    path.extend([4, 1, 42, 0]);
    path.extend(partition.number.to_le_bytes());
    path.extend(partition.first_block.to_le_bytes());
    path.extend(partition.blocks.to_le_bytes());
    path.extend(partition.id);
    path.extend([2, 2]);
    // A file: type 4, subtype 4; its path in UTF-16 with backslashes.
    let file = path_of(slot);
    path.extend([4, 4]);
    path.extend(length(file.len() + 4));
    path.extend(file);
    // The end of the whole path.
    path.extend([0x7f, 0xff, 4, 0]);
    let mut option = 1_u32.to_le_bytes().to_vec();
    option.extend(length(path.len()));
    option.extend(utf16(&format!("Patchkeep {slot}")));
    option.extend(path);
    option
}

/// Whether an entry is one that starts this slot, of whatever disk.
#[must_use]
pub fn names(option: &[u8], slot: Slot) -> bool {
    let path = path_of(slot);
    option.windows(path.len()).any(|window| window == path)
}

fn path_of(slot: Slot) -> Vec<u8> {
    utf16(&format!("\\{}", slot.file().replace('/', "\\")))
}

/// Text as firmware has it, with its end.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// A length of 16 bits; ours are all short.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes()
}

/// The order in which entries are tried: ours first, and then whatever there was.
#[must_use]
pub fn order(ours: [u16; 2], before: &[u16]) -> Vec<u16> {
    let others = before.iter().copied().filter(|number| !ours.contains(number));
    ours.into_iter().chain(others).collect()
}

/// The lowest number that no entry has.
#[must_use]
pub fn free_number(taken: &[u16]) -> Option<u16> {
    (0..=u16::MAX).find(|number| !taken.contains(number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_as_the_partition_table_has_it() {
        let id = partition_id("7A0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A02").unwrap();
        let expected = [
            0x4e, 0x5c, 0x0c, 0x7a, 0x1f, 0x5b, 0x0b, 0x4e, 0x9c, 0x55, 0x0c, 0x1f, 0x0e, 0x4b,
            0x6a, 2,
        ];
        assert_eq!(id, expected);
        for wrong in [
            "",
            "7A0C5C4E",
            "7A0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A0",
            "zA0C5C4E-5B1F-4E0B-9C55-0C1F0E4B6A02",
        ] {
            assert!(partition_id(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_is_laid_out_as_firmware_reads_it() {
        let partition = Partition { number: 1, first_block: 2048, blocks: 0x10000, id: [7; 16] };
        let option = load_option(&partition, Slot::B);
        let name = "Patchkeep B".len() * 2 + 2;
        let file = "\\EFI\\patchkeep\\b.efi".len() * 2 + 2 + 4;
        assert_eq!(option[..4], [1, 0, 0, 0]);
        assert_eq!(usize::from(option[4]), 42 + file + 4);
        assert_eq!(option.len(), 6 + name + 42 + file + 4);
        let path = &option[6 + name..];
        assert_eq!(path[..8], [4, 1, 42, 0, 1, 0, 0, 0]);
        assert_eq!(path[24..42], [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 2]);
        assert_eq!(path[path.len() - 4..], [0x7f, 0xff, 4, 0]);
        assert!(names(&option, Slot::B) && !names(&option, Slot::A));
    }

    #[test]
    fn ours_come_first_and_nobody_elses_is_lost() {
        assert_eq!(order([3, 4], &[0, 4, 1, 3]), [3, 4, 0, 1]);
        assert_eq!(order([4, 3], &[]), [4, 3]);
        assert_eq!(free_number(&[0, 1, 3]), Some(2));
    }
}
