//! Which appliance a verb asks: the one whose data folder is here, or one on another machine, over its API.

use crate::remote::{Address, Remote};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind, parser::ValueSource};
use std::{
    env, fmt,
    path::{Path, PathBuf},
    rc::Rc,
};

/// The id of `--data` where an appliance is asked, and of nothing else.
const FOLDER: &str = "appliance-data";

/// Words for an appliance on another machine: before the verb or after it.
#[derive(Args, Debug, Clone)]
pub(crate) struct RemoteWords {
    /// Ask the appliance at this address over its API, from another machine, in the place of `--data`; or
    /// the environment's PATCHKEEP_APPLIANCE.
    #[arg(long, global = true, value_name = "https://HOST[:PORT]")]
    appliance: Option<Address>,
    /// A file of yours alone (chmod 600) with your API token, for `--appliance`; or PATCHKEEP_TOKEN_FILE.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The site's root certificate (PEM, the appliance's `/ca.pem`), for `--appliance`; or PATCHKEEP_CA. What
    /// this machine trusts anyway unless given.
    #[arg(long, global = true, value_name = "FILE.pem")]
    ca: Option<PathBuf>,
}

/// The appliance that a verb asks.
#[derive(Debug, Clone)]
pub(crate) enum Appliance {
    /// Its data folder is on this machine.
    Here(PathBuf),
    /// It is asked over its API.
    There(Rc<Remote>),
}

impl Appliance {
    /// Its data folder, where that is on this machine.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Here(folder) => Some(folder),
            Self::There(_) => None,
        }
    }
}

/// The words with which another verb asks the same one.
impl fmt::Display for Appliance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(folder) => write!(f, "--data {}", folder.display()),
            Self::There(remote) => write!(f, "--appliance {}", remote.address()),
        }
    }
}

impl Args for Appliance {
    fn augment_args(command: Command) -> Command {
        let data = Arg::new(FOLDER).long("data").value_name("DIR");
        let data = data.value_parser(clap::value_parser!(PathBuf));
        command.arg(data.help("The appliance's data folder; or say --appliance"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Appliance {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let RemoteWords { appliance, token_file, ca } = RemoteWords::from_arg_matches(matches)?;
        let said = appliance.is_some() || token_file.is_some() || ca.is_some();
        match (matches.get_one::<PathBuf>(FOLDER), said) {
            (Some(folder), false) => return Ok(Self::Here(folder.clone())),
            (Some(_), true) => {
                let why = "--data is an appliance on this machine, and --appliance, --token-file and --ca are for \
                    one on another: say which you mean";
                return Err(clap::Error::raw(ErrorKind::ArgumentConflict, why));
            }
            (None, _) => {}
        }
        let missing = |why: &str| clap::Error::raw(ErrorKind::MissingRequiredArgument, why);
        let address = match (appliance, env::var("PATCHKEEP_APPLIANCE")) {
            (Some(address), _) => address,
            (None, Ok(text)) => text.parse().map_err(|why| {
                let why = format!("PATCHKEEP_APPLIANCE is {text:?}: {why}");
                clap::Error::raw(ErrorKind::ValueValidation, why)
            })?,
            (None, Err(_)) => {
                return Err(missing(
                    "say which appliance: --data DIR on its own machine, or --appliance https://HOST from another",
                ));
            }
        };
        let file =
            |said: Option<PathBuf>, name| said.or_else(|| env::var_os(name).map(PathBuf::from));
        let token_file = file(token_file, "PATCHKEEP_TOKEN_FILE").ok_or_else(|| {
            missing("--appliance is asked with your API token: say --token-file FILE")
        })?;
        Ok(Self::There(Rc::new(Remote::new(address, token_file, file(ca, "PATCHKEEP_CA")))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Says so where somebody names an appliance for a verb that asks none, rather than passing it over.
pub(crate) fn check(command: &Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let (mut command, mut verb, mut names) = (Some(command), matches, Vec::new());
    while let Some((name, inner)) = verb.subcommand() {
        names.push(name);
        command = command.and_then(|command| command.find_subcommand(name));
        verb = inner;
    }
    let asks = command.is_some_and(|verb| verb.get_arguments().any(|arg| arg.get_id() == FOLDER));
    let on_the_line = |id| verb.value_source(id) == Some(ValueSource::CommandLine);
    if asks || !["appliance", "token_file", "ca"].into_iter().any(on_the_line) {
        return Ok(());
    }
    let why = format!(
        "`{}` is done on the machine itself and asks no appliance elsewhere: leave --appliance, --token-file and \
         --ca out",
        names.join(" ")
    );
    Err(clap::Error::raw(ErrorKind::ArgumentConflict, why))
}
