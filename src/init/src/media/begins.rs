//! What a medium holds, by how it begins: marks at fixed places, as the standards have them.

use crate::data::EXT4_MAGIC;

/// How much of it must be read to know.
pub(crate) const BYTES: usize = 64 << 10;
/// Where ISO 9660 and UDF begin, and how large their sectors are.
const FIRST_SECTOR: usize = 16;
const SECTOR_BYTES: usize = 2048;
/// Sectors in which UDF may say that it is there (ECMA-167 2/9.1), besides the first.
const UDF_SECTORS: std::ops::Range<usize> = FIRST_SECTOR..FIRST_SECTOR + 8;

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// FAT12, FAT16, FAT32.
    Fat,
    /// ext2, ext3, ext4.
    Ext,
    ExFat,
    Iso,
    Udf,
    /// A volume of a bundle, written straight to the device.
    Volume,
}

impl Holds {
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let has =
            |at: usize, mark: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(mark));
        let sector = |number: usize, mark| has(number * SECTOR_BYTES + 1, mark);
        if has(3, b"EXFAT   ") {
            Some(Self::ExFat)
        } else if has(510, &[0x55, 0xaa]) && (has(54, b"FAT") || has(82, b"FAT32")) {
            Some(Self::Fat)
        } else if has(EXT4_MAGIC.0, &EXT4_MAGIC.1) {
            Some(Self::Ext)
        } else if UDF_SECTORS.into_iter().any(|number| sector(number, b"NSR0")) {
            Some(Self::Udf)
        } else if sector(FIRST_SECTOR, b"CD001") {
            Some(Self::Iso)
        } else if has(257, b"ustar") {
            Some(Self::Volume)
        } else {
            None
        }
    }

    /// As people call it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Fat => "FAT",
            Self::Ext => "ext2, ext3 or ext4",
            Self::ExFat => "exFAT",
            Self::Iso => "ISO 9660",
            Self::Udf => "UDF",
            Self::Volume => "a volume without a file system",
        }
    }
}

/// The name of a disc, which ISO 9660 has at a fixed place.
pub(crate) fn iso_label(head: &[u8]) -> String {
    let at = FIRST_SECTOR * SECTOR_BYTES + 40;
    let label = String::from_utf8_lossy(head.get(at..at + 32).unwrap_or_default()).into_owned();
    let plain: String = label.chars().filter(|c| !c.is_control()).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes at a place.
    type Mark<'a> = (usize, &'a [u8]);

    fn head(marks: &[Mark<'_>]) -> Vec<u8> {
        let mut head = vec![0; BYTES];
        for (at, mark) in marks {
            head[*at..*at + mark.len()].copy_from_slice(mark);
        }
        head
    }

    #[test]
    fn each_kind_is_known_by_its_mark() {
        let boot: Mark<'_> = (510, &[0x55, 0xaa]);
        let (iso, udf): (Mark<'_>, Mark<'_>) = ((32769, b"CD001"), (36865, b"NSR02"));
        for (marks, holds) in [
            (&[boot, (82, b"FAT32   ")][..], Some(Holds::Fat)),
            (&[boot, (54, b"FAT16   ")], Some(Holds::Fat)),
            (&[boot, (3, b"EXFAT   ")], Some(Holds::ExFat)),
            (&[(1080, &[0x53, 0xef])], Some(Holds::Ext)),
            (&[iso, (32808, b"PATCHES  ")], Some(Holds::Iso)),
            // A disc that is both: its files may be longer as UDF has them.
            (&[iso, udf], Some(Holds::Udf)),
            (&[(257, b"ustar\x0000")], Some(Holds::Volume)),
            (&[boot], None),
            (&[boot, (3, b"NTFS    ")], None),
            (&[], None),
        ] {
            assert_eq!(Holds::of(&head(marks)), holds, "{marks:?}");
        }
        assert_eq!(Holds::of(&[]), None);
        assert_eq!(iso_label(&head(&[iso, (32808, b"PATCHES \x1b ")])), "PATCHES");
    }
}
