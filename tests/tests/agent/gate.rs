//! The gate: each way in which an approval does not permit, in one sentence, and the machine untouched.

use crate::lab::{Lab, OFFERED, wanted};
use crate::people::{draft, minutes, withdrawal};
use std::fs;
use tests::Package;
use trust::{APPROVAL, Approval, Envelope, Interval};

/// What the agent does with this approval of all that is offered: it says these words, and no more.
#[track_caller]
fn refuses(lab: &Lab, change: impl FnOnce(&mut Approval), words: &str) {
    let packages = lab.vendor.offer(OFFERED);
    let mut approval = draft(1, wanted(packages));
    change(&mut approval);
    lab.say_approval(&approval);
    let said = lab.run();
    assert!(said.has(words), "expected to read: {words}\n{said}");
    lab.is_untouched();
}

#[test]
fn an_unsigned_approval_or_one_by_a_stranger_is_refused() {
    let lab = Lab::approved();
    let payload = draft(1, Vec::new()).to_payload().unwrap();
    for envelope in [
        Envelope::unsigned(APPROVAL, &payload),
        lab.people.sign(APPROVAL, &payload, &["mallory"]),
        // An offline administrator is no approver.
        lab.people.sign(APPROVAL, &payload, &["ann"]),
    ] {
        lab.lying.says().approval = Some(envelope);
        lab.run().exits(4).says("the approval is refused");
    }
    lab.lying.says().approval = None;
    lab.run().ok().says("there is no approval for this ring");
    lab.is_untouched();
}

#[test]
fn an_approval_of_another_site_ring_or_host_is_refused() {
    let lab = Lab::enrolled();
    refuses(&lab, |a| a.site = "elsewhere".parse().unwrap(), "about site elsewhere");
    refuses(&lab, |a| a.ring = "pilot".parse().unwrap(), "about ring pilot");
    refuses(&lab, |a| a.endpoints = vec!["db1".parse().unwrap()], "does not name web1");
}

#[test]
fn outside_its_windows_and_after_its_end_nothing_is_applied() {
    let lab = Lab::enrolled();
    let later = Interval { opens: minutes(60), closes: minutes(90) };
    refuses(&lab, |a| a.windows = vec![later], "no window is open; the next opens");
    assert_eq!(lab.memory()["job"]["phase"], "waiting-for-window");
    let ended = |a: &mut Approval| {
        (a.generation, a.not_after) = (2, minutes(-1));
    };
    refuses(&lab, ended, "it ended");
    assert_eq!(lab.end(), "expired");
    let past = Interval { opens: minutes(-9), closes: minutes(-5) };
    let closed = |a: &mut Approval| {
        (a.generation, a.windows) = (3, vec![past]);
    };
    refuses(&lab, closed, "no window is open, and none will");
    assert_eq!(lab.end(), "expired");
}

#[test]
fn an_old_generation_does_not_come_back_after_a_withdrawal() {
    let lab = Lab::enrolled();
    let packages = wanted(lab.vendor.offer(OFFERED));
    let later = Interval { opens: minutes(60), closes: minutes(90) };
    let waiting = Approval { windows: vec![later], ..draft(1, packages.clone()) };
    lab.say_approval(&waiting);
    lab.run().ok().says("no window is open");
    lab.say_approval(&withdrawal(2));
    lab.run().says("has been withdrawn");
    lab.say_approval(&draft(1, packages.clone()));
    lab.run().exits(4).says("generation 1 of ring broad, and 2 has been seen");
    // Nor another statement under the number of the withdrawal.
    lab.say_approval(&draft(2, packages.clone()));
    lab.run().exits(4).says("another statement of generation 2");
    lab.is_untouched();
    lab.say_approval(&draft(3, packages));
    lab.run().ok();
    lab.is_patched();
}

#[test]
fn what_the_vendor_signed_and_nobody_approved_is_not_applied() {
    let lab = Lab::enrolled();
    refuses(&lab, |a| drop(a.packages.pop()), "gamma 1 amd64");
    assert_eq!(lab.end(), "refused");
    // Approved, in other bytes: the vendor built the same version again.
    let approved = wanted(lab.vendor.offer(OFFERED));
    let again = OFFERED.iter().map(|p| Package { own: "other bytes", ..*p }).collect::<Vec<_>>();
    lab.vendor.offer(&again);
    lab.say_approval(&draft(2, approved));
    lab.run().says("is not approved");
    assert_eq!(lab.end(), "refused");
    lab.is_untouched();
}

#[test]
fn an_approved_digest_with_other_bytes_is_not_installed() {
    let lab = Lab::approved();
    let pool = lab.vendor.repository().join("pool/beta_2_amd64.deb");
    let mut bytes = fs::read(&pool).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pool, &bytes).unwrap();
    lab.run().fails().says("Hash Sum mismatch");
    // Nor when they lie in apt's own folder already, under the right name and of the right length.
    let archives = lab.machine.path("/var/lib/patchkeep/apt/archives");
    fs::write(archives.join("beta_2_amd64.deb"), &bytes).unwrap();
    lab.run().fails();
    lab.is_untouched();
}

#[test]
fn the_appliance_cannot_turn_the_vendors_signature_off() {
    let lab = Lab::approved();
    let sources = lab.lying.says().sources.clone();
    lab.lying.says().sources = format!("{}Trusted: yes\n", sources);
    lab.run().exits(4).says("Trusted: yes is not the appliance's to say");
    // A repository whose signature does not hold, with the check left on.
    lab.lying.says().sources = sources;
    let release = lab.vendor.repository().join("dists/stable/InRelease");
    let text = fs::read_to_string(&release).unwrap();
    fs::write(&release, text.replace("Origin: Vendor", "Origin: Robber")).unwrap();
    lab.run().fails().says("apt-get update");
    lab.is_untouched();
}
