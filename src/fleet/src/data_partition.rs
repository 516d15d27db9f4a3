//! How the appliance keeps its data, as its first program says at each start.

use serde::{Deserialize, Serialize};

/// How the data partition is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPartition {
    /// A TPM opens it for the image that was blessed, or one on trial, started under Secure Boot.
    Encrypted,
    /// Secure Boot is off: the TPM opens it for whoever starts the same.
    EncryptedWithoutSecureBoot,
    /// A person types its passphrase at each start.
    EncryptedWithPassphrase,
    /// Whoever has the disk reads it.
    NotEncrypted,
}

impl DataPartition {
    /// In words for people.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::Encrypted => {
                "encrypted (LUKS2); the TPM opens it for this image alone, under Secure Boot"
            }
            Self::EncryptedWithoutSecureBoot => {
                "encrypted (LUKS2), but Secure Boot is off: whoever starts another system on this machine may open it too"
            }
            Self::EncryptedWithPassphrase => {
                "encrypted (LUKS2) with a passphrase, which is typed at each start"
            }
            Self::NotEncrypted => "not encrypted: whoever has the disk reads it",
        }
    }
}
