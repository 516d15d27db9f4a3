//! The site's rules: commands in, facts out, state from facts.
//!
//! `decide(&State, Command, now) -> facts` and `State::evolve(&Event)` are the whole of what the
//! appliance may do; everything around them carries bytes. **Invariant:** no clock, disk, network,
//! randomness or async: `now` is a parameter, and whatever may change with a version is written
//! into the fact and never computed again by `evolve`.
//!
//! Read in this order: [`Fact`] (what can be said), [`Command`] (what can be asked), [`State`].

mod account;
mod api_token;
mod appliance;
mod calendar;
mod codec;
mod custody;
mod data_partition;
mod days;
mod decide;
mod description;
mod endpoint;
mod epoch;
mod event;
mod exception;
mod image;
mod job;
mod lint;
mod medium;
mod operation;
mod pages;
mod policy;
mod provided;
mod run;
mod service_level;
mod state;
mod statement;
mod window;
mod zone;

pub use account::{Account, AccountCommand, Credential, SignOutCause};
pub use api_token::{API_TOKEN_DAYS_MAX, ApiToken};
pub use appliance::ApplianceCommand;
pub use calendar::Calendar;
pub use codec::{CodecError, ENTRY_BYTES_MAX, KINDS, decode, encode};
pub use custody::{AvEngine, Custody, CustodyOutcome, MediaType, ScanResult, Verdict};
pub use data_partition::DataPartition;
pub use days::{Moment, Party, PartyTotal, Spent, Way, totals};
pub use decide::{
    CarriedCommit, Command, Commit, HeldBack, Lack, Refused, decide, effective_now,
    site_root_accepted,
};
pub use description::{Description, Election, EndpointKind, NeverBack};
pub use endpoint::{Endpoint, EndpointCommand, Standing, TakenOut, Token};
pub use epoch::{Epoch, NotCarried};
pub use event::{
    Actor, AnchorKind, Door, Event, Fact, ImportedSource, RefusalKind, Role, SourceFacts,
};
pub use exception::{Excepted, Exception, ExceptionCommand};
pub use image::{ImageEnd, OLDER_IMAGE_WITHIN, OlderImage, SettledImage};
pub use job::{Job, JobEnd, JobPhase, Resolution, WayBack};
pub use lint::{
    Code, EndpointFacts, Finding, NOT_SEEN_DAYS, PlanFacts, RingBefore, Severity, WayBackFacts,
    estimate, gravest, lint,
};
pub use medium::{MediumWrite, SettledWrite};
pub use operation::Operation;
pub use pages::Pages;
pub use policy::{
    Clock, Condition, Deadline, Exposure, FactAsked, Judgement, Limit, Policy, PolicyCommand,
    PolicyRule, PolicyStatus, Step, UpdateFacts, built_in,
};
pub use provided::{KeptSnapshot, ProviderDue, SnapshotCommand};
pub use run::{
    Brake, Hold, LastRun, NewRun, PauseCause, RingPlace, Run, RunCommand, RunEnd, RunStanding,
    Tally,
};
pub use service_level::{
    CONTENT_DAYS, ElectedFacts, FIRST_RUN_WORKING_DAYS, Level, LevelAlarm, LevelRow, LevelStatus,
    ServedFacts, is_attempt, levels,
};
pub use state::{KeptView, OpenImport, State, Stayed, VIEWS_KEPT};
pub use statement::{
    Declined, KeptWaiver, RingStatement, Said, StatementCommand, statement_accepted,
};
pub use window::{WINDOW_MINUTES_MAX, Window, WindowCommand, WindowError, spans};
pub use zone::{Odd, Zone};
