//! What the appliance does with the machine that it runs on: media, and the network.

use super::{ALL, get, post_as, sample::Sample};
use axum::http::{StatusCode, header};
use fleet::Role;

#[tokio::test]
async fn a_medium_at_hand_is_offered_with_what_it_says_of_itself() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/imports/new").await.text;
    assert!(
        page.contains("Bundle 15, as it says itself: newer than what is trusted here"),
        "{page}"
    );
    assert!(page.contains("media/stick"), "{page}");
    // What is plugged in is shown without one, too.
    sample.site.look_for_media_in(Vec::new());
    let page = get(&console, "/imports/new").await.text;
    assert!(page.contains("A medium without a bundle") && page.contains("evidence, at"), "{page}");
    let founded = Sample::founded();
    founded.site.look_for_media_in(Vec::new());
    let page = get(&founded.console(), "/imports/new").await.text;
    assert!(page.contains("No bundle is at hand"), "{page}");
}

#[tokio::test]
async fn a_change_of_the_network_is_asked_for_and_the_one_on_trial_is_kept() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/network").await.text;
    assert!(page.contains("A change is on trial") && page.contains("192.0.2.20/24"), "{page}");
    assert!(page.contains("nobody confirmed it within 10 min"), "{page}");
    let change = page.split("name=\"change\" value=\"").nth(1).unwrap();
    let form = format!("token=stand-in&change={}", change.split('"').next().unwrap());
    let refused = post_as(&console, "/network/confirm", &form, "oscar", &[Role::Operator]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let another = "token=stand-in&address=192.0.2.9%2F24&vlan=7";
    let meanwhile = post_as(&console, "/network", another, "oscar", &ALL).await;
    assert!(meanwhile.text.contains("another change is on trial"), "{}", meanwhile.text);
    let kept = post_as(&console, "/network/confirm", &form, "oscar", &ALL).await;
    assert_eq!(kept.headers[header::LOCATION], "/network?done=network-confirmed", "{}", kept.text);

    sample.ends_trial();
    let wrong = "token=stand-in&address=192.0.2.9%2F24&gateway=198.51.100.1";
    let wrong = post_as(&console, "/network", wrong, "oscar", &ALL).await;
    assert!(wrong.text.contains("is not in the network of 192.0.2.9/24"), "{}", wrong.text);
    let asked = post_as(&console, "/network", another, "oscar", &ALL).await;
    assert_eq!(asked.headers[header::LOCATION], "/network?done=network-asked", "{}", asked.text);
    let page = get(&console, "/network").await.text;
    assert!(page.contains("A change is taken in a moment") && page.contains("Change it"), "{page}");
    let tasks = get(&console, "/getting-started").await.text;
    assert!(tasks.contains("DHCP lends it an address"), "{tasks}");
}

#[tokio::test]
async fn an_audit_bundle_is_written_to_a_medium_and_what_became_of_it_is_said() {
    let sample = Sample::full();
    let console = sample.console();
    let page = get(&console, "/media").await.text;
    assert!(page.contains("Not written") && page.contains("No space is left on it."), "{page}");
    let stick = page.split("name=\"medium\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = |what: &str| format!("token=stand-in&what={what}&medium={stick}");
    let assessor = [Role::Assessor];
    let refused = post_as(&console, "/media", &form("receipt"), "ada", &assessor).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let other = "token=stand-in&what=summary&medium=/media/other";
    let other = post_as(&console, "/media", other, "ada", &assessor).await;
    assert!(other.text.contains("it is not there any more"), "{}", other.text);
    let before = sample.site.state().entries;
    let asked = post_as(&console, "/media", &form("summary"), "ada", &assessor).await;
    assert_eq!(asked.headers[header::LOCATION], "/media", "{}", asked.text);
    assert!(sample.handed_over().starts_with(b"PK"), "no zip was handed over");
    let page = get(&console, "/media").await.text;
    assert!(page.contains("is being written since"), "{page}");
    let waiting = sample.site.state().entries;
    let again = post_as(&console, "/media", &form("full"), "ada", &assessor).await;
    assert!(again.text.contains("still being written"), "{}", again.text);
    assert_eq!(sample.site.state().entries, waiting, "an export that went nowhere is in the log");
    sample.has_written(None);
    let page = get(&console, "/media").await.text;
    assert!(page.contains("Written and read back"), "{page}");
    let record = page.split("href=\"/custody/").nth(1).unwrap().split('"').next().unwrap();
    let record = get(&console, &format!("/custody/{record}")).await.text;
    assert!(record.contains("Out: it was written here") && record.contains("ada"), "{record}");
    assert!(record.contains("As it was written here"), "{record}");
    // The export, the medium, and the outcome.
    let log = get(&console, "/audit?type=medium-write-settled").await.text;
    assert!(log.contains("read back whole"), "{log}");
    assert!(sample.site.state().entries >= before + 3);
}
