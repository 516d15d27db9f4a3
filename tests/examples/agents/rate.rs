//! Check-ins a second, each on a connection of its own: the appliance beside nginx, which checks the same
//! certificates and answers with as many bytes, turn and turn about.

use api::{CHECK_IN_PATH, CheckIn};
use reqwest::{Certificate, Client, Identity};
use rustix::process::{Pid, Signal, kill_process};
use rustls::crypto::aws_lc_rs;
use serde_json::json;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tests::{Appliance, Drone, Here, Swarm, Workshop, scratch, swarm};
use tokio::runtime::{Builder, Runtime};

/// Agents that check in, and how many of them at the same time.
/// The appliance publishes its log every half a minute.
const PUBLISHED_AFTER: Duration = Duration::from_secs(35);
const AGENTS: usize = 64;
const AT_ONCE: usize = 32;
/// Clock ticks a second, as `/proc` counts.
const TICKS: f64 = 100.0;

/// A client for each agent, and what it says.
type Agents = Arc<Vec<(Client, Vec<u8>)>>;

/// Prints one line: both rates, their ratio over the rounds, and the processor's time of either.
pub(crate) fn measure(rounds: usize, seconds: u64, plain: bool) {
    if plain {
        // What an nginx without ML-KEM can do, so that both do the same.
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        provider.install_default().unwrap();
    }
    let (workshop, people) = (Workshop::new(), scratch());
    let appliance = workshop.appliance();
    appliance.give_people(people.path(), &[]);
    let here = Here::serve(&appliance);
    let swarm = Swarm::new(&appliance, &here.people, &here.endpoints);
    let drones = swarm.joined((0..AGENTS).map(|number| format!("m{number}")));
    let drones = swarm.all(drones, |mut drone| async {
        let inventory = Some(swarm::inventory(&drone.name));
        let plan = Some(swarm::plan(
            ["package-0", "package-1"].map(|name| ids::Digest::of(name.as_bytes())),
        ));
        drone.check_in(&CheckIn { inventory, plan, ..swarm::quiet() }).await.map(|_| drone)
    });
    // Until all that was said is published: from then on the log rests, and every answer is as long.
    std::thread::sleep(PUBLISHED_AFTER);
    let drones = swarm
        .all(drones, |mut drone| async { drone.check_in(&swarm::quiet()).await.map(|_| drone) });
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let root = fs::read(appliance.data().join("keys/ca.pem")).unwrap();
    let body = |drone: &Drone| serde_json::to_vec(&drone.quiet()).unwrap();
    let agents = drones.iter().map(|drone| (client(drone, &root), body(drone)));
    let agents: Agents = Arc::new(agents.collect());
    let ours = format!("https://{}{CHECK_IN_PATH}", here.endpoints);
    let (_, length) = runtime.block_on(once(&agents[0], &ours));
    let nginx = Nginx::start(&appliance, length);
    let theirs = format!("https://{}{CHECK_IN_PATH}", nginx.address);
    let ask = |address: &str, seconds| run(&runtime, &agents, address, length, seconds);
    ask(&ours, 1);
    ask(&theirs, 1);
    let (mut pairs, mut cpu) = (Vec::new(), [0.0, 0.0]);
    for _ in 0..rounds {
        let before = [cpu_seconds(here.id()), cpu_seconds(nginx.child.id())];
        pairs.push((ask(&ours, seconds), ask(&theirs, seconds)));
        cpu[0] += cpu_seconds(here.id()) - before[0];
        cpu[1] += cpu_seconds(nginx.child.id()) - before[1];
    }
    let exchange = if plain { "X25519" } else { "X25519MLKEM768 where the server has it" };
    let middle = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut rates: [Vec<f64>; 2] = [
        pairs.iter().map(|(a, _)| a / seconds as f64).collect(),
        pairs.iter().map(|(_, b)| b / seconds as f64).collect(),
    ];
    let mut ratios: Vec<f64> = pairs.iter().map(|(a, b)| a / b).collect();
    let (ours, theirs) = (middle(&mut rates[0]), middle(&mut rates[1]));
    let middle_ratio = middle(&mut ratios);
    let asked: (f64, f64) = pairs.iter().fold((0.0, 0.0), |(x, y), (a, b)| (x + a, y + b));
    println!(
        "{}",
        json!({
            "what": format!("check-ins a second, a TLS 1.3 handshake each ({exchange})"),
            "ours": ours, "nginx": theirs,
            "ratio": {"min": ratios[0], "median": middle_ratio, "max": ratios[rounds - 1]},
            "cpu_milliseconds_each":
                {"ours": 1e3 * cpu[0] / asked.0, "nginx": 1e3 * cpu[1] / asked.1},
            "answer_bytes": length, "rounds": rounds,
        })
    );
}

/// A client that keeps no connection.
fn client(drone: &Drone, root: &[u8]) -> Client {
    let text = String::from_utf8_lossy(root);
    let end = text.find("-----BEGIN PRIVATE").unwrap_or(text.len());
    let builder = Client::builder().https_only(true).no_proxy().http1_only();
    let builder = builder.pool_max_idle_per_host(0).timeout(Duration::from_secs(30));
    let builder = builder.tls_certs_only([Certificate::from_pem(&root[..end]).unwrap()]);
    builder.identity(Identity::from_pem(drone.pair().as_bytes()).unwrap()).build().unwrap()
}

/// One check-in; whether it was answered, and the length of the answer.
async fn once((client, body): &(Client, Vec<u8>), address: &str) -> (u16, usize) {
    let request = client.post(address).header("content-type", "application/json");
    let response = request.body(body.clone()).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.bytes().await.unwrap().len())
}

/// How many check-ins are answered in so many seconds.
fn run(runtime: &Runtime, agents: &Agents, address: &str, length: usize, seconds: u64) -> f64 {
    let answered = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..AT_ONCE {
            let (agents, answered) = (Arc::clone(agents), Arc::clone(&answered));
            let address = address.to_owned();
            tasks.spawn(async move {
                for turn in 0.. {
                    let agent = &agents[(number + turn * AT_ONCE) % agents.len()];
                    let said = once(agent, &address).await;
                    assert!(said.0 == 200 && said.1.abs_diff(length) < 64, "{said:?} of {length}");
                    if Instant::now() >= end {
                        return;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
    });
    answered.load(Ordering::Relaxed) as f64
}

/// Processor time of a process and its children so far.
fn cpu_seconds(id: u32) -> f64 {
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    let one = |id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields: Vec<f64> = (stat.rsplit(") ").next().unwrap_or_default().split(' '))
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        fields.get(11).unwrap_or(&0.0) + fields.get(12).unwrap_or(&0.0)
    };
    children.chain([id]).map(one).sum::<f64>() / TICKS
}

/// nginx with the appliance's own certificate, asking for its endpoints' certificates.
struct Nginx {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Nginx {
    fn start(appliance: &Appliance, length: usize) -> Self {
        let folder = scratch();
        let path = folder.path().display().to_string();
        let answer = "x".repeat(length);
        // nginx cannot tell a free port, so it gets one that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let keys = appliance.data().join("keys").display().to_string();
        let config = format!(
            "worker_processes auto; daemon off; pid {path}/pid; error_log {path}/error.log; user root;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; client_body_temp_path {path}/t; proxy_temp_path {path}/t;\n\
             fastcgi_temp_path {path}/t; uwsgi_temp_path {path}/t; scgi_temp_path {path}/t;\n\
             default_type application/json;\n\
             server {{ listen {free} ssl backlog=1024;\n\
             ssl_certificate {keys}/server.pem; ssl_certificate_key {keys}/server.pem;\n\
             ssl_client_certificate {keys}/ca.pem; ssl_verify_client on;\n\
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
             ssl_session_tickets off; ssl_session_cache off;\n\
             location / {{ return 200 {answer}; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config).unwrap();
        let errors = Path::new(&path).join("error.log");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(&path).arg("-e").arg(&errors).arg("-c").arg(&file);
        let child = command.spawn().unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(free).is_err() {
            let said = || fs::read_to_string(&errors).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(20), "nginx: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address: free.to_string(), _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it only when it is asked.
        if let Some(id) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(id, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
