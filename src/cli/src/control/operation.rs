//! Which operation each request is: what has no row here does not compile.

use super::{PeopleRequest, Request, RunRequest};
use fleet::Operation;

impl Request {
    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Import { .. } => Operation::Import,
            Self::Rings => Operation::Rings,
            Self::RingNeed { .. } => Operation::RingNeed,
            Self::CreateRing { .. } => Operation::CreateRing,
            Self::PointRing { .. } => Operation::PointRing,
            Self::SiteRoot => Operation::SiteRoot,
            Self::DraftSiteRoot { .. } => Operation::DraftSiteRoot,
            Self::AcceptSiteRoot { .. } => Operation::AcceptSiteRoot,
            Self::Scanner => Operation::Scanner,
            Self::SetScanner { .. } => Operation::SetScanner,
            Self::ClientConfig { .. } => Operation::ClientConfig,
            Self::Status => Operation::Status,
            Self::Receipt => Operation::Receipt,
            Self::ExportAudit { .. } => Operation::ExportAudit,
            Self::ShowLog { .. } => Operation::ShowLog,
            Self::AuditKey => Operation::AuditKey,
            Self::Backup { .. } => Operation::Backup,
            Self::Account(request) => request.operation(),
            Self::Report(request) => request.operation(),
            Self::Windows(request) => request.operation(),
            Self::Appliance(request) => request.operation(),
            Self::People(request) => request.operation(),
            Self::Run(request) => request.operation(),
        }
    }
}

impl PeopleRequest {
    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::IssueToken { .. } => Operation::IssueToken,
            Self::Endpoints => Operation::Endpoints,
            Self::Missing { .. } => Operation::Missing,
            Self::MissingIn { .. } => Operation::MissingIn,
            Self::Inventory { .. } => Operation::InventoryOf,
            Self::Confirm { .. } => Operation::Confirm,
            Self::Describe { .. } => Operation::Describe,
            Self::RegisterAssets { .. } => Operation::RegisterAssets,
            Self::Elect { .. } => Operation::Elect,
            Self::Lint { .. } => Operation::Lint,
            Self::Retire { .. } => Operation::Retire,
            Self::Updates { .. } => Operation::Updates,
            Self::DraftStatement { .. } => Operation::DraftStatement,
            Self::SubmitStatement { .. } => Operation::SubmitStatement,
            Self::Decline { .. } => Operation::Decline,
            Self::DraftWaiver { .. } => Operation::DraftWaiver,
            Self::SubmitWaiver { .. } => Operation::SubmitWaiver,
        }
    }
}

impl RunRequest {
    /// What is asked, as the table of roles has it.
    pub(super) const fn operation(&self) -> Operation {
        match self {
            Self::Plan { .. } => Operation::PlanRun,
            Self::Draft { .. } => Operation::RunDraft,
            Self::Start { .. } => Operation::StartRun,
            Self::Pause { .. } => Operation::PauseRun,
            Self::Resume { .. } => Operation::ResumeRun,
            Self::Cancel { .. } => Operation::CancelRun,
            Self::Resolve { .. } => Operation::ResolveJob,
            Self::Runs => Operation::Runs,
            Self::Report { .. } => Operation::RunReport,
            Self::SetFloor { .. } => Operation::SetFloor,
            Self::PlaceRing { .. } => Operation::PlaceRing,
        }
    }
}
