//! `patchkeep scanner`: the malware scanner that imports ask.

use crate::{
    appliance::Appliance,
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
        #[command(flatten)]
        appliance: Appliance,
    },
    /// Have every import scanned by the clamd that listens at a socket.
    Set {
        #[command(flatten)]
        appliance: Appliance,
        /// clamd's LocalSocket, e.g. /run/clamav/clamd.ctl.
        socket: PathBuf,
        #[command(flatten)]
        person: Person,
    },
    /// Scan imports no more.
    Off {
        #[command(flatten)]
        appliance: Appliance,
        #[command(flatten)]
        person: Person,
    },
}

impl Scanner {
    pub(crate) fn run(self, screen: &Screen) -> Result<(), Failure> {
        let (request, appliance) = match self {
            Self::Show { appliance } => (Request::Scanner, appliance),
            Self::Set { appliance, socket, person } => {
                let socket = std::path::absolute(&socket)
                    .map_err(|e| Failure::file("find", &socket, &e))?
                    .into_os_string()
                    .into_string()
                    .map_err(|_| Failure::say(Fault::Input, "the socket's path is not UTF-8"))?;
                (
                    Request::SetScanner { socket: Some(socket), person: person.id(&appliance)? },
                    appliance,
                )
            }
            Self::Off { appliance, person } => {
                (Request::SetScanner { socket: None, person: person.id(&appliance)? }, appliance)
            }
        };
        let Reply::Scanner(status) = ask(&appliance, request, screen)? else {
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
