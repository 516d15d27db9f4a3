//! Before there is a site: the people's door alone, with one page that founds it, behind the code that is shown here.

use super::{Opening, names, open_site};
use crate::{failure::Failure, init::DEBIAN_KEYRING, screen::Screen};
use durable::RealDisk;
use fleet::Actor;
use ids::Fault;
use server::{Clients, Identity, People, Revoked, Tls, start_for_people};
use site::{Before, Folder, Founding, Site};
use std::{fs, net::SocketAddr, path::Path, sync::Arc};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

/// Waits until somebody founds the site in a browser; the code is theirs to go on with. `None` where the program is
/// told to stop first.
pub(super) async fn wait(
    data: &Path,
    opening: &Opening,
    screen: &Screen,
) -> Result<Option<(Site, String)>, Failure> {
    let folder = Folder::at(data);
    let Before { code, authority } = site::before_founding(&folder)?;
    let identity = authority
        .server(&RealDisk, &folder.keys(), &names(opening), site::now())
        .map_err(|e| Failure::new(Fault::Broken, &e))?;
    let founded = Arc::new(Notify::new());
    let (told, fingerprint) = (Arc::clone(&founded), authority.fingerprint());
    let routes = console::first_start(console::FirstStart {
        code: code.clone(),
        authority: fingerprint.clone(),
        root_pem: authority.certificate_pem(),
        debian_keyring: fs::read(DEBIAN_KEYRING).ok(),
        found: Box::new(move |founding| {
            let audit_key = found(&folder, founding)?;
            told.notify_one();
            Ok(audit_key)
        }),
    });
    let tls = Tls {
        identity: Identity { certificates: vec![identity.certificate], key: identity.key },
        clients: Clients::Certified {
            roots: vec![authority.certificate().to_vec()],
            revoked: Revoked::default(),
        },
        allow_tls12: false,
    };
    let (port, redirect) = (opening.people.clone(), opening.redirect.clone());
    let people = People { port, redirect, routes };
    let serving = start_for_people(people, tls, Arc::new(|_| {})).await?;
    say(screen, opening.people.address(), &fingerprint, &code);
    let stopping = |e| Failure::say(Fault::Unavailable, format!("cannot wait for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(stopping)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(stopping)?;
    let is_founded = tokio::select! {
        () = founded.notified() => true,
        _ = interrupt.recv() => false,
        _ = terminate.recv() => false,
    };
    // Whoever founded it still gets their page.
    serving.stop().await;
    match is_founded {
        true => Ok(open_site(data)?.map(|site| (site, code))),
        false => Ok(None),
    }
}

fn say(screen: &Screen, people: SocketAddr, fingerprint: &str, code: &str) {
    screen.result(
        // The appliance's first program shows the code: there is no other screen for it.
        &serde_json::json!({ "people": people, "authority": fingerprint, "first_code": code }),
        format!("This is no site yet.\n  people   https://{people}\n  site CA  {fingerprint}"),
    );
    screen.note(format!(
        "Whoever founds the site opens https://{people}/first-start, compares the fingerprint and types this code \
         there: {code}"
    ));
}

/// Founds the site; gives its audit key's fingerprint. The appliance itself does: nobody has an account yet.
fn found(folder: &Folder, founding: &Founding) -> Result<String, site::Error> {
    site::found(folder, founding, Actor::Appliance)?;
    let site = Site::open(folder, None)?;
    let audit_key = site.audit_fingerprint();
    site.close()?;
    audit_key
}
