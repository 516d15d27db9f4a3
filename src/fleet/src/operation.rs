//! What people ask of an appliance, and in which role each of it is done.

use crate::Role;

/// The one table: an operation, and the role in which its event names whoever did it. What has no role
/// changes nothing and leaves no event.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident: $role:expr,)*) => {
        /// Something that people ask of an appliance.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Operation { $($(#[$doc])* $name,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word for it in events, e.g. `point-ring`.
            #[must_use]
            pub fn word(self) -> String {
                let mut word = String::new();
                for letter in format!("{self:?}").chars() {
                    if letter.is_ascii_uppercase() && !word.is_empty() {
                        word.push('-');
                    }
                    word.push(letter.to_ascii_lowercase());
                }
                word
            }

            /// The role in which it is done; `None` for what leaves no event.
            #[must_use]
            pub const fn role(self) -> Option<Role> {
                match self { $(Self::$name => $role,)* }
            }
        }
    };
}

const OPERATOR: Option<Role> = Some(Role::Operator);
const APPROVER: Option<Role> = Some(Role::Approver);
const ASSESSOR: Option<Role> = Some(Role::Assessor);
const ADMINISTRATOR: Option<Role> = Some(Role::Administrator);

operations! {
    /// Make a ring.
    CreateRing: OPERATOR,
    /// Make a maintenance window, or change it.
    SetWindow: OPERATOR,
    /// Do away with a maintenance window.
    RemoveWindow: OPERATOR,
    /// Point a ring at a view.
    PointRing: OPERATOR,
    /// Put a ring behind another.
    PlaceRing: OPERATOR,
    /// Name a version that may not be left out.
    SetFloor: OPERATOR,
    /// Plan a run.
    PlanRun: OPERATOR,
    /// Hand out a certificate for stock apt or dnf.
    ClientConfig: OPERATOR,
    /// Take in what an approver said of a ring.
    SubmitStatement: APPROVER,
    /// Let a run's endpoints begin.
    StartRun: OPERATOR,
    /// Let none begin any more.
    PauseRun: OPERATOR,
    /// Let a paused run go on.
    ResumeRun: OPERATOR,
    /// Decide about an endpoint whose job failed.
    ResolveJob: OPERATOR,
    /// End a run.
    CancelRun: OPERATOR,
    /// Read bundles in.
    Import: OPERATOR,
    /// Leave a version out.
    Decline: APPROVER,
    /// Take in an approver's waiver.
    SubmitWaiver: APPROVER,
    /// Write an audit bundle.
    ExportAudit: ASSESSOR,
    /// Look at the log.
    ShowLog: ASSESSOR,
    /// Found a site.
    Found: ADMINISTRATOR,
    /// Take in a site root: people and keys.
    AcceptSiteRoot: ADMINISTRATOR,
    /// Say which scanner imports ask.
    SetScanner: ADMINISTRATOR,
    /// Write a backup.
    Backup: ADMINISTRATOR,
    /// Let an endpoint ask to join.
    IssueToken: ADMINISTRATOR,
    /// Let an endpoint join.
    Confirm: ADMINISTRATOR,
    /// Ask for an exception.
    RequestException: OPERATOR,
    /// Approve an exception that somebody else asked for.
    ApproveException: APPROVER,
    /// Say by which calendar the site goes.
    SetCalendar: ADMINISTRATOR,
    /// Put a policy in force.
    SetPolicy: ADMINISTRATOR,
    /// Put a policy out of force.
    RemovePolicy: ADMINISTRATOR,
    /// Say what an endpoint is, who owns it and what snapshots it.
    Describe: ADMINISTRATOR,
    /// Take in the register of the site's machines.
    RegisterAssets: ADMINISTRATOR,
    /// Elect an endpoint in or out.
    Elect: ADMINISTRATOR,
    /// Put an endpoint out.
    Retire: ADMINISTRATOR,
    /// Open an account, or change its name and roles.
    SetAccount: ADMINISTRATOR,
    /// Give an account a new one-time code: its password and authenticator no longer count.
    ResetAccount: ADMINISTRATOR,
    /// End the sessions of an account.
    EndSessions: ADMINISTRATOR,
    /// Close an account.
    CloseAccount: ADMINISTRATOR,
    /// Make a security key of one's browser known.
    AddSecurityKey: APPROVER,
    /// Have it known no more.
    RemoveSecurityKey: APPROVER,
    /// Issue a token for a person's scripts.
    IssueApiToken: ADMINISTRATOR,
    /// Revoke a token.
    RevokeApiToken: ADMINISTRATOR,
    /// Start an image of the appliance on trial.
    StartImage: ADMINISTRATOR,
    /// Ask for another way to reach the appliance, to be taken on trial.
    AskNetworkChange: ADMINISTRATOR,
    /// Confirm it.
    ConfirmNetworkChange: ADMINISTRATOR,
    /// Write the site's receipt to a medium.
    WriteReceipt: OPERATOR,
    /// How the appliance is reached.
    Network: None,
    /// Images that are held, and which one runs.
    Images: None,
    /// Tokens for scripts.
    ApiTokens: None,
    /// Accounts and who is signed in.
    Accounts: None,
    /// Rings and where they point.
    Rings: None,
    /// Exceptions.
    Exceptions: None,
    /// The calendar that the site goes by.
    Calendar: None,
    /// Policies.
    Policies: None,
    /// How the service levels stand.
    ReportLevels: None,
    /// What is open under a policy.
    ReportPolicy: None,
    /// Maintenance windows.
    Windows: None,
    /// When a maintenance window opens, and for whom.
    PreviewWindow: None,
    /// What a ring's endpoints lack of a view.
    RingNeed: None,
    /// What applies to an endpoint.
    Missing: None,
    /// What applies to the endpoints of a ring.
    MissingIn: None,
    /// What an endpoint said that it has installed.
    InventoryOf: None,
    /// The newest site root.
    SiteRoot: None,
    /// Draw a site root up.
    DraftSiteRoot: None,
    /// The scanner that imports ask.
    Scanner: None,
    /// How the appliance is.
    Status: None,
    /// What the collecting side is told.
    Receipt: None,
    /// The key that audit bundles are signed with.
    AuditKey: None,
    /// Endpoints with an agent.
    Endpoints: None,
    /// What a ring's endpoints would apply.
    Updates: None,
    /// Runs.
    Runs: None,
    /// A run, endpoint by endpoint.
    RunReport: None,
    /// The approval of a planned run.
    RunDraft: None,
    /// What the linter says of an approval.
    Lint: None,
    /// Draw a statement up.
    DraftStatement: None,
    /// Draw a waiver up.
    DraftWaiver: None,
}
