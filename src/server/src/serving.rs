//! Starting and stopping.

use crate::{
    Clients, Config, Door, Error, Identity, Limits, OnRefusal, People, Port, Revoked, Tls,
    agents::Agents,
    door::{Behind, Doorway, Takes, serve},
    files::Files,
    line::Cap,
    redirect::Redirect,
    tls::{self, Shown},
};
use futures::{FutureExt as _, future::BoxFuture};
use site::ShelfHandle;
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Weak},
};
use store::Store;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_rustls::TlsAcceptor;

/// A server that is up. It goes on when this is dropped only as long as its runtime does; call
/// [`stop`](Self::stop) to end it in order.
pub struct Serving {
    endpoints: Option<SocketAddr>,
    people: Option<SocketAddr>,
    redirect: Option<SocketAddr>,
    shown: Arc<Shown>,
    stop: watch::Sender<()>,
    doors: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Where the endpoints' door is, if it is open.
    #[must_use]
    pub fn endpoints(&self) -> Option<SocketAddr> {
        self.endpoints
    }

    /// Where the people's door is, if it is open.
    #[must_use]
    pub fn people(&self) -> Option<SocketAddr> {
        self.people
    }

    /// Where people are sent to their door from, if they are.
    #[must_use]
    pub fn redirect(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// Shows another certificate to connections from now on.
    ///
    /// # Errors
    /// [`Error::Identity`] or [`Error::Key`]; the old certificate stays.
    pub fn renew(&self, identity: &Identity) -> Result<(), Error> {
        self.shown.renew(identity)
    }

    /// Takes no more connections, lets requests under way end within the limit, then cuts them off.
    pub async fn stop(self) {
        // Nobody listens any more only when the doors have ended by themselves.
        let _ = self.stop.send(());
        for door in self.doors {
            let _ = door.await;
        }
    }
}

/// Doors that are about to open, and what they have in common.
struct Doors {
    shown: Arc<Shown>,
    limits: Limits,
    names: HashSet<String>,
    revoked: Revoked,
    on_refusal: OnRefusal,
    stop: watch::Sender<()>,
    ready: Vec<BoxFuture<'static, ()>>,
}

impl Doors {
    fn new(
        tls: &Tls,
        limits: Limits,
        names: &[String],
        on_refusal: OnRefusal,
    ) -> Result<Self, Error> {
        let revoked = match &tls.clients {
            Clients::Certified { revoked, .. } => revoked.clone(),
            Clients::UnsafeEverybody => Revoked::default(),
        };
        Ok(Self {
            shown: Arc::new(Shown::new(&tls.identity)?),
            limits,
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
            revoked,
            on_refusal,
            stop: watch::Sender::new(()),
            ready: Vec::new(),
        })
    }

    fn way(
        &self,
        door: Door,
        behind: Behind,
        acceptor: Arc<rustls::ServerConfig>,
        cap: Option<Arc<Cap>>,
    ) -> Arc<Doorway> {
        Arc::new(Doorway {
            door,
            behind,
            acceptor: TlsAcceptor::from(acceptor),
            limits: self.limits.clone(),
            names: self.names.clone(),
            revoked: self.revoked.clone(),
            cap,
            on_refusal: Arc::clone(&self.on_refusal),
        })
    }

    /// Has a door ready at an address.
    fn add<D: Takes>(&mut self, port: &Port, way: Arc<D>) -> Result<SocketAddr, Error> {
        self.ready.push(serve(way, port.open()?, self.stop.subscribe()).boxed());
        Ok(port.address())
    }

    /// Has the people's door ready, and the one that sends there, if there is one.
    fn add_people(
        &mut self,
        people: People,
        agents: Agents,
        people_tls: Arc<rustls::ServerConfig>,
    ) -> Result<(SocketAddr, Option<SocketAddr>), Error> {
        let behind = Behind::People(people.routes, agents);
        let at = self.add(&people.port, self.way(Door::People, behind, people_tls, None))?;
        let redirect = Arc::new(Redirect::new(at.port(), &self.limits));
        let redirect = people.redirect.map(|port| self.add(&port, redirect)).transpose()?;
        Ok((at, redirect))
    }

    fn open(
        self,
        endpoints: Option<SocketAddr>,
        people: Option<SocketAddr>,
        redirect: Option<SocketAddr>,
    ) -> Serving {
        let doors = self.ready.into_iter().map(tokio::spawn).collect();
        Serving { endpoints, people, redirect, shown: self.shown, stop: self.stop, doors }
    }
}

/// Opens the doors. Must be called on a tokio runtime with I/O and time, which does the work.
///
/// # Errors
/// See [`Error`]; no door is open then.
pub async fn start(
    config: Config,
    shelf: ShelfHandle,
    store: Store,
    tls: Tls,
    on_refusal: OnRefusal,
) -> Result<Serving, Error> {
    let rate = config.limits.bytes_per_second;
    let mut doors = Doors::new(&tls, config.limits, &config.names, on_refusal)?;
    let cap = rate.map(|rate| Arc::new(Cap::new(rate, Instant::now())));
    let agents = Agents::new(config.agents);
    let files = Behind::Files(Files::new(shelf, store), agents.clone());
    let endpoints_tls = tls::for_endpoints(&tls, Arc::clone(&doors.shown))?;
    let people_tls = tls::for_people(&tls, Arc::clone(&doors.shown))?;
    let way = doors.way(Door::Endpoints, files, endpoints_tls, cap);
    let endpoints = doors.add(&config.endpoints, way)?;
    let (people, redirect) = match config.people {
        Some(people) => {
            let (people, redirect) = doors.add_people(people, agents, people_tls)?;
            (Some(people), redirect)
        }
        None => (None, None),
    };
    Ok(doors.open(Some(endpoints), people, redirect))
}

/// Opens the people's door alone, before there is a site: nobody is served there, and no agent answered. As
/// [`start`] otherwise.
///
/// # Errors
/// See [`Error`]; no door is open then.
pub async fn start_for_people(
    people: People,
    tls: Tls,
    on_refusal: OnRefusal,
) -> Result<Serving, Error> {
    let mut doors = Doors::new(&tls, Limits::default(), &[], on_refusal)?;
    let people_tls = tls::for_people(&tls, Arc::clone(&doors.shown))?;
    let (people, redirect) = doors.add_people(people, Agents::new(Weak::new()), people_tls)?;
    Ok(doors.open(None, Some(people), redirect))
}
