//! Proving: the audit bundle written out, and looks at the log, each of which is itself an event.

use crate::{
    Error, Site,
    audit::{Export, Exported, Filter, KeptEvidence, Line, Scope, show},
    keys,
};
use fleet::{Actor, Command};
use merkle::VerifierKey;
use std::{fs::File, path::Path};

/// Largest kept file that an audit bundle takes up, in bytes.
const BLOB_BYTES_MAX: u64 = 64 << 20;

impl Site {
    /// Writes an audit bundle to `into`, which must not be there yet, and says so in the ledger.
    ///
    /// # Errors
    /// [`Error::Folder`] when it cannot be written, [`Error::Audit`] for what cannot be exported.
    pub fn export_audit(&self, actor: Actor, scope: Scope, into: &Path) -> Result<Exported, Error> {
        self.writable()?;
        if into.exists() {
            let path = into.display();
            return Err(Error::Input(format!("{path} is there already; nothing was written")));
        }
        let fail = |source| Error::Folder { path: into.to_owned(), source };
        let (entries, checkpoint, log) = self.published()?;
        let key = keys::load(self.disk(), self.folder(), keys::Purpose::Audit)?;
        let blob = |digest: &ids::Digest| self.store().read(digest, BLOB_BYTES_MAX).ok();
        let evidence = |commitment: &ids::Digest| {
            let (salt, value) = self.evidence().get(commitment).ok()?;
            Some(KeptEvidence { salt, value })
        };
        let export = Export {
            entries: &entries,
            checkpoint: &checkpoint,
            log: &log,
            key: &key,
            scope,
            witnesses: &self.witnesses(),
            generated_at: self.now(),
            patchkeep: env!("CARGO_PKG_VERSION"),
            blob: &blob,
            evidence: &evidence,
        };
        let partial = into.with_extension("partial");
        let file = File::create(&partial).map_err(fail)?;
        let exported = export.write(std::io::BufWriter::new(&file)).map_err(Error::Audit)?;
        file.sync_all().map_err(fail)?;
        std::fs::rename(&partial, into).map_err(fail)?;
        let manifest = exported.manifest;
        let scope = scope.as_str().to_owned();
        self.heart().ask(actor, Command::ExportAudit { scope, manifest })?;
        Ok(exported)
    }

    /// An audit bundle for whoever asked for it elsewhere: the bytes of the zip, and what is in it. It is an event as
    /// the other is.
    ///
    /// # Errors
    /// As [`Site::export_audit`].
    pub fn audit_bundle(&self, actor: Actor, scope: Scope) -> Result<(Vec<u8>, Exported), Error> {
        let fail = |source| Error::Folder { path: self.folder().path().to_owned(), source };
        let folder = tempfile::tempdir_in(self.folder().path()).map_err(fail)?;
        let file = folder.path().join("audit.zip");
        let exported = self.export_audit(actor, scope, &file)?;
        Ok((std::fs::read(&file).map_err(fail)?, exported))
    }

    /// The events that `filter` takes, newest last; the look is an event, but on a restored appliance,
    /// which writes none.
    ///
    /// # Errors
    /// [`Error::Audit`], [`Error::Ledger`].
    pub fn show_log(&self, actor: Actor, filter: &Filter) -> Result<Vec<Line>, Error> {
        let (entries, _, _) = self.published()?;
        let lines = show(0, &entries, filter).map_err(Error::Audit)?;
        let mut said = filter.types.join(",");
        if let Some(since) = filter.since {
            said.push_str(&format!(" since {since}"));
        }
        let said = if said.is_empty() { "everything".to_owned() } else { said };
        let entries = lines.len() as u64;
        self.record_look(actor, said, entries)?;
        Ok(lines)
    }

    /// Every published entry, the checkpoint over them, and the log's key.
    fn published(&self) -> Result<(Vec<Vec<u8>>, String, VerifierKey), Error> {
        let checkpoint = self.heart().publish()?;
        let log = self.published_log()?;
        let entries = log.entries(0..log.checkpoint().size).map_err(Error::OpenLedger)?;
        Ok((entries, checkpoint, self.log_key().clone()))
    }

    /// Fingerprint of the key that signs audit bundles, to be handed over apart from them.
    ///
    /// # Errors
    /// [`Error::Key`] or [`Error::Folder`].
    pub fn audit_fingerprint(&self) -> Result<String, Error> {
        let key = keys::load(self.disk(), self.folder(), keys::Purpose::Audit)?;
        Ok(crate::audit::fingerprint(&key.verifying_key()))
    }
}
