//! `patchkeep scanner`: the malware scanner that imports ask.

use crate::{
    control::{Reply, Request, ask, unexpected},
    failure::Failure,
    person::Person,
    screen::Screen,
};
use clap::Subcommand;
use ids::Fault;
use site::ScannerStatus;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Scanner {
    /// Which scanner is set, and whether it answers.
    Show {
        /// The appliance's data folder.
        #[arg(long)]
        data: PathBuf,
    },
    /// Have every import scanned by the clamd that listens at a socket.
    Set {
        /// The appliance's data folder.
        #[arg(long)]
        data: PathBuf,
        /// clamd's LocalSocket, e.g. /run/clamav/clamd.ctl.
        socket: PathBuf,
        #[command(flatten)]
        person: Person,
    },
    /// Scan imports no more.
    Off {
        /// The appliance's data folder.
        #[arg(long)]
        data: PathBuf,
        #[command(flatten)]
        person: Person,
    },
}

impl Scanner {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (data, request) = match self {
            Self::Show { data } => (data, Request::Scanner),
            Self::Set { data, socket, person } => {
                let socket = std::path::absolute(&socket)
                    .map_err(|e| Failure::file("find", &socket, &e))?
                    .into_os_string()
                    .into_string()
                    .map_err(|_| Failure::say(Fault::Input, "the socket's path is not UTF-8"))?;
                (data, Request::SetScanner { socket: Some(socket), person: person.id()? })
            }
            Self::Off { data, person } => {
                (data, Request::SetScanner { socket: None, person: person.id()? })
            }
        };
        let Reply::Scanner(status) = ask(&data, request, screen)? else {
            return Err(unexpected());
        };
        screen.result(&status, line(&status));
        Ok(())
    }
}

/// The scanner in a line.
pub(crate) fn line(status: &ScannerStatus) -> String {
    match &status.socket {
        None => "malware scanner: none is set; imports are not scanned".to_owned(),
        Some(socket) if status.answers => format!("malware scanner: {} at {socket}", status.says),
        Some(socket) => format!("malware scanner: {socket} does not answer ({})", status.says),
    }
}
