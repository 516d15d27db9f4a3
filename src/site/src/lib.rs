//! The appliance's use cases: one file each.
//!
//! [`Site`] is the open appliance; its methods are spread over the files that bear the use case's
//! name (`import.rs`, `ring.rs`, `endpoint.rs`, ...). Doors and the command line are thin faces of
//! these. Start with `site.rs` (what is open) and `heart.rs` (how anything changes).
//!
//! **Invariant:** state changes only by a command through [`Heart`]. **Invariant:** no HTTP, no
//! terminal: callers draw what [`Progress`] and the outcomes say.

mod account;
mod anchor;
mod api_token;
mod applies;
mod approval;
mod asset;
pub mod audit;
mod backup;
mod ca;
mod check_in;
mod choice;
mod clock;
mod closure;
mod custody;
mod days;
mod deadline;
mod description;
mod dnf;
mod endpoint;
mod endpoint_list;
mod enrolment;
mod epoch;
mod error;
mod exception;
mod folder;
mod found;
mod heart;
mod history;
mod image;
mod import;
mod keys;
mod lacks;
mod level;
mod lint;
mod look;
mod machine;
mod medium_write;
mod monthly;
mod network;
mod policy_part;
mod present;
mod preview;
mod progress;
mod prove;
mod provider;
mod radar;
mod recovery;
mod refusals;
mod reopened;
mod restore;
mod revoked;
mod ring;
mod roster;
mod rows;
mod run;
#[cfg(test)]
mod sample;
mod scanner;
mod session;
mod shelf;
mod site;
mod site_root;
mod snapshot;
mod standing;
mod status;
mod update;
mod vendor;
mod vendor_text;
mod waiting;
mod window;
mod witness;

pub use account::{
    AccountStatus, IssuedCode, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, SessionStatus,
    secrets::code_digest,
    security_key::{
        Answer, NewKey, NewKeyAsked, SecurityKey, Signing, Unsigned, parse_attestation,
    },
};
pub use anchor::{Anchor, TrustedRoot};
pub use api_token::{API_TOKEN_PREFIX, ApiTokenStatus, Bearer, IssuedApiToken};
pub use applies::{EndpointMissing, MissingUpdate};
pub use approval::{RingUpdate, RingUpdates, Wish};
pub use asset::{Asset, MACHINES_MAX, REGISTER_BYTES_MAX, parse_register};
pub use backup::{BackedUp, BackupOrder};
pub use ca::{CaError, EndpointCertificate, ServerIdentity, SiteCa, fingerprint};
pub use choice::{CHOSEN_MAX, Choice, RingChoice, UpdateKey};
pub use clock::{Clock, now};
pub use closure::{LackingPackage, NeedList, StaysBehind};
pub use days::{DaysReport, DaysRow};
pub use deadline::UpdateDeadline;
pub use description::{Change, Describe, PROVIDER_BYTES_MAX};
pub use endpoint::{ClientConfig, EndpointFile, PackageManager, VALID_UNTIL_MIN_SECS};
pub use endpoint_list::{EndpointQuery, EndpointSort, EndpointState, Part};
pub use enrolment::{EndpointStatus, IssuedToken, TOKEN_HOURS_MAX};
pub use error::Error;
pub use exception::{ExceptionStatus, ExceptionWish};
pub use folder::{Folder, Lock};
pub use found::{Before, Founding, before_founding, found, found_on};
pub use heart::{Done, Heart, is_fatal};
pub use history::{CustodyStatus, ImportRow, KeptOutRow};
pub use image::{HeldImage, ImageStatus, StartedImage};
pub use import::{Figures, ImportOrder, ImportOutcome, KEEP_FREE_BYTES, what_to_do};
pub use level::{LevelReport, PolicyReport, PolicyRow};
pub use look::{LogEntry, LogFilter, LogPage, Looked};
pub use monthly::{MachineList, MachineRow, MonthlyStatement};
pub use network::NetworkStatus;
pub use policy_part::PolicyPart;
pub use present::{MEDIA_PLACES, PresentMedium};
pub use preview::{ExceptionPreview, OfferChange, ProviderPreview, RingPreview, provider_preview};
pub use progress::{Progress, Report};
pub use radar::{Ending, RADAR_REACH};
pub use recovery::Restored;
pub use refusals::{Refusals, WINDOW};
pub use restore::{RestoreOrder, restore};
pub use revoked::Revoked;
pub use ring::{RingPointer, RingStays};
pub use roster::{CHECK_IN_SECONDS, Held, Seen};
pub use rows::{IMPORTS, KINDS, REFUSALS};
pub use run::{PlannedRun, RunEndpoint, RunReport, RunStatus};
pub use scanner::ScannerStatus;
pub use session::{Choosing, SESSION_IDLE, SESSION_LIFE, Session};
pub use shelf::{Found, Served, Shelf, ShelfHandle, SourceView};
pub use site::{Ground, Site};
pub use site_root::{RootDraft, SiteRootStatus};
pub use standing::{DEADLINE_DAYS, PolicyStanding, SeverityStanding, Standings};
pub use status::{Receipt, SourceStatus, Status};
pub use update::{UpdateDetail, UpdateInRing, UpdateQuery, UpdateRow, UpdateSort};
pub use vendor::chain;
pub use vendor_text::VendorText;
pub use waiting::Waiting;
pub use window::{Opening, WindowStatus};
pub use witness::{HandedOut, HeldCheckpoint};
