//! Starting and stopping.

use crate::{
    Clients, Config, Door, Error, Identity, Limits, OnRefusal, People, Revoked, Tls,
    agents::Agents,
    door::{Behind, Doorway, serve},
    files::Files,
    line::Cap,
    tls::{self, Shown},
};
use site::ShelfHandle;
use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{Arc, Weak},
};
use store::Store;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: u32 = 1024;

/// A server that is up. It goes on when this is dropped only as long as its runtime does; call
/// [`stop`](Self::stop) to end it in order.
pub struct Serving {
    endpoints: Option<SocketAddr>,
    people: Option<SocketAddr>,
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

/// What doors have in common.
struct Doors {
    shown: Arc<Shown>,
    limits: Limits,
    names: HashSet<String>,
    revoked: Revoked,
    on_refusal: OnRefusal,
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

    fn open(
        self,
        ways: Vec<(Arc<Doorway>, TcpListener)>,
        endpoints: Option<SocketAddr>,
        people: Option<SocketAddr>,
    ) -> Serving {
        let (stop, stopped) = watch::channel(());
        let open = |(way, listener)| tokio::spawn(serve(way, listener, stopped.clone()));
        let doors = ways.into_iter().map(open).collect();
        Serving { endpoints, people, shown: self.shown, stop, doors }
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
    let doors = Doors::new(&tls, config.limits, &config.names, on_refusal)?;
    let cap = rate.map(|rate| Arc::new(Cap::new(rate, Instant::now())));
    let agents = Agents::new(config.agents);
    let files = Behind::Files(Files::new(shelf, store), agents.clone());
    let endpoints_tls = tls::for_endpoints(&tls, Arc::clone(&doors.shown))?;
    let people_tls = tls::for_people(&tls, Arc::clone(&doors.shown))?;
    let (listener, endpoints) = listen(config.endpoints)?;
    let mut ways = vec![(doors.way(Door::Endpoints, files, endpoints_tls, cap), listener)];
    let mut people_at = None;
    if let Some(People { address, routes }) = config.people {
        let (listener, address) = listen(address)?;
        let routes = Behind::People(routes, agents);
        ways.push((doors.way(Door::People, routes, people_tls, None), listener));
        people_at = Some(address);
    }
    Ok(doors.open(ways, Some(endpoints), people_at))
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
    let doors = Doors::new(&tls, Limits::default(), &[], on_refusal)?;
    let people_tls = tls::for_people(&tls, Arc::clone(&doors.shown))?;
    let (listener, address) = listen(people.address)?;
    let routes = Behind::People(people.routes, Agents::new(Weak::new()));
    let ways = vec![(doors.way(Door::People, routes, people_tls, None), listener)];
    Ok(doors.open(ways, None, Some(address)))
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|source| Error::Listen { address, source })
}
