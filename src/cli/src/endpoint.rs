//! `patchkeep endpoint`: agents that join and leave; what a stock Debian endpoint needs; what one has.

mod describe;
mod enrol;
mod missing;

use crate::{
    appliance::Appliance,
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::{Args, Subcommand};
use ids::{EndpointName, RingName};
use site::{ClientConfig, EndpointFile, PackageManager};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Endpoint {
    /// Print a script that sets up apt on an endpoint, with a fresh client certificate in it.
    AptConfig(ClientConfigWords),
    /// Make a client certificate and dnf's settings for an endpoint without our agent
    DnfConfig(ClientConfigWords),
    /// Issue a one-time token for an endpoint's agent to join with.
    Token(enrol::TokenWords),
    /// Endpoints with an agent: how they stand, what they vouch for, how far they are.
    List(enrol::ListWords),
    /// Let a pending endpoint join, after you have compared its key on its own screen.
    Confirm(enrol::ConfirmWords),
    /// Put an endpoint out: it is refused from now on.
    Retire(enrol::RetireWords),
    /// Say what an endpoint is, who owns it, and what snapshots it.
    Set(describe::SetWords),
    /// Elect an endpoint in or out: whether it is patched and counted.
    Elect(describe::ElectWords),
    /// Take in the register of the site's machines, so that those without an agent are known.
    Register(describe::RegisterWords),
    /// What applies to an endpoint with an agent, as its own apt would list it; to each of a ring.
    Missing(missing::MissingWords),
    /// Print the inventory that an endpoint's agent sent last, for `collect --for`.
    InventoryOf(missing::InventoryOfWords),
    /// Print what a Debian machine has installed, with its pins and holds, for `collect --for`. Needs
    /// no appliance and changes nothing.
    Inventory(InventoryWords),
}

#[derive(Args)]
pub(crate) struct InventoryWords {
    /// The machine's root directory.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// Its host name; what its /etc/hostname says unless given.
    #[arg(long)]
    name: Option<EndpointName>,
}

#[derive(Args)]
pub(crate) struct ClientConfigWords {
    #[command(flatten)]
    appliance: Appliance,
    /// The endpoint's host name.
    name: EndpointName,
    /// Its ring.
    #[arg(long, default_value = "broad")]
    ring: RingName,
    /// How the endpoint reaches the endpoints' door.
    #[arg(long, value_name = "https://HOST:8443")]
    address: String,
    /// Write the files into this root directory instead of printing a script.
    #[arg(long, value_name = "ROOT")]
    write: Option<PathBuf>,
    #[command(flatten)]
    person: Person,
}

impl Endpoint {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        match self {
            Self::AptConfig(words) => words.run(PackageManager::Apt, screen),
            Self::DnfConfig(words) => words.run(PackageManager::Dnf, screen),
            Self::Token(words) => words.run(screen),
            Self::List(words) => words.run(screen),
            Self::Confirm(words) => words.run(screen),
            Self::Retire(words) => words.run(screen),
            Self::Set(words) => words.run(screen),
            Self::Elect(words) => words.run(screen),
            Self::Register(words) => words.run(screen),
            Self::Missing(words) => words.run(screen),
            Self::InventoryOf(words) => words.run(screen),
            Self::Inventory(words) => words.run(screen),
        }
    }
}

impl InventoryWords {
    fn run(self, screen: &Screen) -> Result<(), Failure> {
        let name = self.name.map(|name| name.to_string());
        let taken = client::take_inventory(&self.root, name, site::now())?;
        // A file for the collector, so people and scripts get the same.
        screen.result(&taken, serde_json::to_string(&taken)?);
        Ok(())
    }
}

impl ClientConfigWords {
    fn run(self, manager: PackageManager, screen: &Screen) -> Result<(), Failure> {
        let words = self;
        let person = words.person.id(&words.appliance)?;
        let (name, ring, address) = (words.name, words.ring, words.address);
        let request = Request::ClientConfig { manager, name, ring, address, person };
        let Reply::ClientConfig(config) = ask(&words.appliance, request, screen)? else {
            return Err(unexpected());
        };
        match &words.write {
            None => screen.result(&config, config.script()),
            Some(root) => {
                write(root, &config)?;
                let paths: Vec<&str> = config.files.iter().map(|f| f.path.as_str()).collect();
                let text = format!(
                    "Written below {}:\n  {}\nThe client certificate ends {}.",
                    root.display(),
                    paths.join("\n  "),
                    config.not_after
                );
                screen.result(&paths, text);
            }
        }
        Ok(())
    }
}

/// Writes the files below `root`.
pub(crate) fn write(root: &Path, config: &ClientConfig) -> Result<(), Failure> {
    for file in &config.files {
        let path = root.join(file.path.trim_start_matches('/'));
        write_one(root, &path, file).map_err(|e| Failure::file("write", &path, &e))?;
    }
    Ok(())
}

fn write_one(root: &Path, path: &Path, file: &EndpointFile) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    drop(fs::remove_file(path));
    let mut options = fs::File::options();
    let mut out = options.write(true).create_new(true).mode(0o600).open(path)?;
    out.write_all(file.text.as_bytes())?;
    if file.for_apt {
        chown(path, Some(apt_user(root)?), None)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(file.mode))
}

/// The number of the user `_apt` in the root's own list of users.
fn apt_user(root: &Path) -> std::io::Result<u32> {
    let users = fs::read_to_string(root.join("etc/passwd"))?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some("_apt")).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    user.ok_or_else(|| std::io::Error::other("there is no user _apt in its etc/passwd"))
}
