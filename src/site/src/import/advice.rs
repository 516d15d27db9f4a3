//! What people do about a bundle that was kept out, by the code of the reason.

/// What to do about a bundle that was kept out with this code: one or two plain sentences.
#[must_use]
pub fn what_to_do(code: &str) -> &'static str {
    match code {
        "expired" => {
            "Have the publisher build a new bundle, and carry that one here. If this appliance’s clock is wrong, \
             set it right first."
        }
        "far-future" => {
            "Compare this appliance’s clock and the collector’s: one of them is wrong. Set it right, then import \
             again or have the bundle built again."
        }
        "rollback-timestamp" | "rollback-snapshot" | "rollback-targets" => {
            "This is older than what is trusted already. Import the publisher’s newest bundle; if this one was said \
             to be the newest, ask the publisher, and keep the medium."
        }
        "equivocation" | "mix-and-match" => {
            "Two different things go by one name. Keep the medium, ask the publisher which one they signed, and have a \
             fresh bundle built."
        }
        "signature-invalid"
        | "signature-threshold"
        | "signature-repeated"
        | "root-chain"
        | "root-fingerprint"
        | "delegation" => {
            "This is not what the publisher’s keys vouch for. Keep the medium, tell the publisher, and do not copy \
             anything from it."
        }
        "no-publisher" => "An administrator founds the site with the publisher’s root first.",
        "other-site" => {
            "Send the medium to the site that it was made for, and have a bundle built for this one."
        }
        "vendor-signature" => {
            "The vendor’s own signature does not hold under the keys that this site accepts. If the vendor has new \
             keys, compare their fingerprints with the vendor’s own page and have an administrator accept them."
        }
        "vendor-release-missing"
        | "vendor-not-vouched"
        | "vendor-index-missing"
        | "vendor-index-unreadable" => {
            "The collector’s mirror was not whole. Have it collect again, and build a new bundle."
        }
        "malware-found" => {
            "Keep the medium apart, tell whoever looks after security, and look at what was found in the custody \
             record. If the scanner is mistaken, renew its signatures and import again."
        }
        "payload-altered" | "cut-short" | "volume-damaged" | "wrong-target" | "missing-target"
        | "missing-file" | "malformed" => {
            "The copy on the medium is damaged or not whole. Copy the bundle again, with `patchkeep bundle verify` \
             afterwards, and use another medium if it happens twice."
        }
        "volume-of-another-bundle" | "volume-repeated" => {
            "Volumes of more than one bundle were given. Import those of one bundle only."
        }
        "no-bundle" => {
            "There is no bundle at this path. Give the folder that holds `metadata` and `targets`, or the volume files."
        }
        "not-a-plain-file" | "too-many-files" | "oversized" => {
            "The medium holds what no publisher’s bundle does. Keep it, and ask who wrote it."
        }
        "trusted-root" => "What this appliance keeps is damaged: restore it from a backup.",
        _ => "Keep the medium, and ask the publisher for a new bundle.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_cause_has_its_own_advice() {
        assert!(what_to_do("expired").contains("clock"));
        assert!(what_to_do("no-bundle").contains("no bundle at this path"));
        assert_ne!(what_to_do("vendor-signature"), what_to_do("signature-invalid"));
        assert!(what_to_do("never-heard-of").contains("ask the publisher"));
    }
}
