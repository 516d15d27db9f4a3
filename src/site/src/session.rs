//! Who is signed in at the console: sessions in memory, the way into one, and the one check of rights.
//!
//! A session ends with the process, after half an hour without a request, and after twelve hours. Its token is known
//! to the browser only; here is its SHA-256. Whoever guesses is slowed down, person by person; an administrator at the
//! appliance itself is not held up by that, since `patchkeep account reset` asks for no password.

use crate::{
    Error, SessionStatus, Site,
    account::{
        secrets::{self, Authenticator, Secrets},
        security_key::Asked,
    },
    keys,
};
use fleet::{AccountCommand, Actor, Command, Credential, Door, Operation, Role, SignOutCause};
use ids::{Digest, PersonId, RecordId, Timestamp};
use jiff::SignedDuration;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How long a session lasts without a request.
pub const SESSION_IDLE: SignedDuration = SignedDuration::from_mins(30);
/// How long a session lasts however busy it is.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(12);
/// How long somebody may take to choose a password.
const CHOOSING_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// From this failure on a person waits, first so long, then twice as long each time, at most so long.
const FREE_FAILURES: u32 = 3;
const WAIT_FIRST_SECONDS: i64 = 30;
const WAIT_SECONDS_MAX: i64 = 15 * 60;
/// Most tries to sign in that wait for their turn.
const WAITING_MAX: usize = 16;
/// Most sessions, people who choose, and people who are slowed down.
const KEPT_MAX: usize = 10_000;

/// Somebody who is signed in, as of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, as events name it.
    pub id: RecordId,
    /// Who.
    pub person: PersonId,
    /// Their name, or their id where that was erased.
    pub name: String,
    /// In which roles they act now.
    pub roles: BTreeSet<Role>,
    /// What each form has to bring back, so that no other page can send one.
    pub form_token: String,
    /// When it ends however busy it is.
    pub until: Timestamp,
}

impl Session {
    /// Whether a form brought back what its page was given.
    #[must_use]
    pub fn is_form_token(&self, token: &str) -> bool {
        secrets::is_same(token, &self.form_token)
    }
}

/// Somebody who used a one-time code and is to choose what they sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choosing {
    /// Who.
    pub person: PersonId,
    /// The secret to type into an authenticator, base 32.
    pub secret: String,
    /// The same as authenticators read it from a QR code.
    pub address: String,
}

/// A session that is open.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    id: RecordId,
    person: PersonId,
    form_token: String,
    began: Timestamp,
    used: Timestamp,
    denied: BTreeSet<Operation>,
}

impl Open {
    pub(crate) fn status(&self) -> SessionStatus {
        SessionStatus { session: self.id.clone(), began: self.began, used: self.used }
    }

    fn over(&self, now: Timestamp) -> Option<SignOutCause> {
        if now.duration_since(self.began) >= SESSION_LIFE {
            Some(SignOutCause::TooOld)
        } else {
            (now.duration_since(self.used) >= SESSION_IDLE).then_some(SignOutCause::Idle)
        }
    }
}

#[derive(Debug)]
struct Pending {
    person: PersonId,
    /// The name of somebody who opens the site's first account.
    first: Option<String>,
    authenticator: Authenticator,
    until: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Slow {
    failures: u32,
    until: Timestamp,
}

#[derive(Debug, Default)]
struct Inner {
    open: BTreeMap<Digest, Open>,
    choosing: BTreeMap<Digest, Pending>,
    slow: BTreeMap<PersonId, Slow>,
    /// Browsers that were asked for a new security key, by session.
    asked: BTreeMap<RecordId, Asked>,
    first_code: Option<String>,
}

/// Who is signed in.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
    /// One password is hashed at a time: each takes 19 MiB and a core. Whoever signs in holds it from the first look at
    /// what is kept until it is written, so that no guess and no number counts twice.
    hashing: Mutex<()>,
    /// Tries that wait for it.
    waiting: AtomicUsize,
}

/// A try to sign in that has its turn.
struct Turn<'a>(&'a AtomicUsize, #[allow(dead_code, reason = "it is held")] MutexGuard<'a, ()>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sessions {
    /// Waits for one's turn; too many that wait would hold up the pages of others.
    fn turn(&self) -> Result<Turn<'_>, Error> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::SlowDown { seconds: 1 });
        }
        Ok(Turn(&self.waiting, self.hashing.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn held(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The code for the screen, made when it is first asked for.
    pub(crate) fn first_code(&self) -> Option<String> {
        let mut held = self.held();
        if held.first_code.is_none() {
            held.first_code = secrets::new_code().ok();
        }
        held.first_code.clone()
    }

    pub(crate) fn set_first_code(&self, code: String) {
        self.held().first_code = Some(code);
    }

    pub(crate) fn of(&self, person: &PersonId) -> Vec<Open> {
        self.held().open.values().filter(|open| open.person == *person).cloned().collect()
    }

    /// Forgets that somebody guessed.
    pub(crate) fn forgive(&self, person: &PersonId) {
        self.held().slow.remove(person);
    }

    /// Keeps what a session's browser was asked; what it was asked before counts no more.
    pub(crate) fn ask(&self, session: RecordId, asked: Asked, now: Timestamp) {
        let mut held = self.held();
        held.asked.retain(|_, asked| now < asked.until);
        if held.asked.len() < KEPT_MAX {
            held.asked.insert(session, asked);
        }
    }

    /// What a session's browser was asked, if that is not too long ago: once.
    pub(crate) fn asked(&self, session: &RecordId, now: Timestamp) -> Option<Asked> {
        self.held().asked.remove(session).filter(|asked| now < asked.until)
    }

    fn may_try(&self, person: &PersonId, now: Timestamp) -> Result<(), Error> {
        match self.held().slow.get(person) {
            Some(slow) if now < slow.until => {
                Err(Error::SlowDown { seconds: slow.until.duration_since(now).as_secs().max(1) })
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, person: &PersonId, now: Timestamp) -> Error {
        let mut held = self.held();
        if held.slow.len() >= KEPT_MAX && !held.slow.contains_key(person) {
            held.slow.retain(|_, slow| now < slow.until);
        }
        let slow = held.slow.entry(person.clone()).or_insert(Slow { failures: 0, until: now });
        slow.failures += 1;
        if let Some(doublings) = slow.failures.checked_sub(FREE_FAILURES) {
            let seconds =
                WAIT_FIRST_SECONDS.saturating_mul(1_i64 << doublings.min(16)).min(WAIT_SECONDS_MAX);
            slow.until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        }
        Error::SignIn
    }
}

/// A new secret of 256 bits as text, and the digest by which it is known.
fn secret() -> Result<(String, Digest), Error> {
    let text = Digest::of(&keys::random()?).to_hex();
    let known = Digest::of(text.as_bytes());
    Ok((text, known))
}

impl Site {
    /// Signs somebody in with password and authenticator; gives the session's token.
    ///
    /// # Errors
    /// [`Error::SignIn`], the same whatever was wrong; [`Error::SlowDown`] after too many of these.
    pub fn sign_in(&self, person: &str, password: &str, number: &str) -> Result<String, Error> {
        let person: PersonId = person.trim().to_lowercase().parse().map_err(|_| Error::SignIn)?;
        let _turn = self.sessions().turn()?;
        let now = self.now();
        self.sessions().may_try(&person, now)?;
        let site = self.name()?;
        let ready = self.state().accounts.get(&person).is_some_and(fleet::Account::is_ready);
        let kept = if ready {
            secrets::read(self.disk(), self.folder(), &person)?
        } else {
            Secrets::default()
        };
        let is_theirs = secrets::is_password(password, kept.password.as_deref());
        let known = kept.authenticator.clone();
        let step = known.as_ref().and_then(|known| known.step(site.as_str(), &person, number, now));
        let (true, Some(mut known), Some(step)) = (is_theirs, known, step) else {
            return Err(self.sessions().failed(&person, now));
        };
        known.used = step;
        let kept = Secrets { authenticator: Some(known), ..kept };
        secrets::write(self.disk(), self.folder(), &person, &kept)?;
        self.sessions().forgive(&person);
        self.begin_session(person)
    }

    fn begin_session(&self, person: PersonId) -> Result<String, Error> {
        let now = self.now();
        let role =
            self.state().accounts.get(&person).and_then(|known| known.roles.first().copied());
        let actor = Actor::Person {
            person: person.clone(),
            role: role.ok_or(Error::SignIn)?,
            door: Door::Console,
        };
        let id = keys::record_id(now)?;
        let begin = AccountCommand::BeginSession { person: person.clone(), session: id.clone() };
        self.heart().ask(actor, Command::Account(begin))?;
        let ((token, known), (form_token, _)) = (secret()?, secret()?);
        let open = Open { id, person, form_token, began: now, used: now, denied: BTreeSet::new() };
        self.sessions().held().open.insert(known, open);
        Ok(token)
    }

    /// Takes a one-time code: from here on its owner chooses what they sign in with. Gives a token for that.
    /// Without an account on the site it is the code on the screen, and `name` is theirs.
    ///
    /// # Errors
    /// [`Error::SignIn`] and [`Error::SlowDown`]; [`Error::Input`] for the first one's id or name.
    pub fn use_code(&self, person: &str, code: &str, name: &str) -> Result<String, Error> {
        let now = self.now();
        let first = self.first_code();
        let parsed = person.trim().to_lowercase().parse::<PersonId>();
        let person = match (parsed, &first) {
            (Ok(person), _) => person,
            (Err(e), Some(_)) => return Err(Error::Input(e.to_string())),
            (Err(_), None) => return Err(Error::SignIn),
        };
        let _turn = self.sessions().turn()?;
        self.sessions().may_try(&person, now)?;
        let given = secrets::code_digest(code);
        let counts = match &first {
            Some(shown) => secrets::code_digest(shown) == given,
            None => {
                let until = self.state().accounts.get(&person).and_then(|known| known.code_until);
                let kept = secrets::read(self.disk(), self.folder(), &person)?.code;
                until.is_some_and(|until| now < until)
                    && kept.is_some_and(|kept| kept.sha256 == given && now < kept.until)
            }
        };
        if !counts {
            return Err(self.sessions().failed(&person, now));
        }
        if first.is_some() && name.trim().is_empty() {
            return Err(Error::Input("say your name as reports should have it".to_owned()));
        }
        let (token, known) = secret()?;
        let pending = Pending {
            person,
            first: first.map(|_| name.trim().to_owned()),
            authenticator: Authenticator::make()?,
            until: now.checked_add(CHOOSING_LIFE).unwrap_or(now),
        };
        let mut held = self.sessions().held();
        held.choosing.retain(|_, pending| now < pending.until);
        if held.choosing.len() < KEPT_MAX {
            held.choosing.insert(known, pending);
        }
        Ok(token)
    }

    /// Who chooses with this token, and the authenticator that is offered.
    #[must_use]
    pub fn choosing(&self, token: &str) -> Option<Choosing> {
        let (site, now) = (self.name().ok()?, self.now());
        let held = self.sessions().held();
        let pending = held.choosing.get(&Digest::of(token.as_bytes())).filter(|p| now < p.until)?;
        let Pending { person, authenticator, .. } = pending;
        Some(Choosing {
            person: person.clone(),
            secret: authenticator.secret.clone(),
            address: authenticator.address(site.as_str(), person)?,
        })
    }

    /// Takes what somebody chose, and signs them in. A one-time code that led here counts no more.
    ///
    /// # Errors
    /// [`Error::SignIn`] for a token that does not count, [`Error::Input`] for a password that may not be or a number
    /// that is not the authenticator's: both can be tried again.
    pub fn choose(&self, token: &str, password: &str, number: &str) -> Result<String, Error> {
        let now = self.now();
        let known = Digest::of(token.as_bytes());
        let (person, first, mut authenticator) = {
            let held = self.sessions().held();
            let pending =
                held.choosing.get(&known).filter(|p| now < p.until).ok_or(Error::SignIn)?;
            (pending.person.clone(), pending.first.clone(), pending.authenticator.clone())
        };
        secrets::may_choose(&person, password)?;
        let site = self.name()?;
        let Some(step) = authenticator.step(site.as_str(), &person, number, now) else {
            let message = "this is not the number that the authenticator shows for this appliance's clock: look \
                whether both clocks are right, and type the number that is shown now";
            return Err(Error::Input(message.to_owned()));
        };
        authenticator.used = step;
        // Whoever comes second with the same token chooses nothing.
        self.sessions().held().choosing.remove(&known).ok_or(Error::SignIn)?;
        if let Some(name) = first {
            self.open_first_account(&person, &name)?;
        }
        let password = {
            let _one = self.sessions().hashing.lock().unwrap_or_else(PoisonError::into_inner);
            secrets::hash(password)?
        };
        let chosen = Secrets {
            code: None,
            password: Some(password),
            authenticator: Some(authenticator),
            keys: secrets::read(self.disk(), self.folder(), &person)?.keys,
        };
        secrets::write(self.disk(), self.folder(), &person, &chosen)?;
        for credential in [Credential::Password, Credential::Authenticator] {
            let set = AccountCommand::SetCredential { person: person.clone(), credential };
            self.heart().ask(Actor::Appliance, Command::Account(set))?;
        }
        self.end_sessions_of(&Actor::Appliance, &person, SignOutCause::AccountChanged)?;
        self.begin_session(person)
    }

    /// The first account of a site is an administrator's.
    fn open_first_account(&self, person: &PersonId, name: &str) -> Result<(), Error> {
        if !self.state().accounts.is_empty() {
            return Err(Error::SignIn);
        }
        let record = self.commit(json!({ "person": person, "name": name }))?;
        let roles = BTreeSet::from([Role::Administrator]);
        let now = self.now();
        let code_until = now.checked_add(CHOOSING_LIFE).unwrap_or(now);
        let set = AccountCommand::Set { person: person.clone(), roles, record };
        let reset = AccountCommand::Reset { person: person.clone(), code_until };
        for command in [set, reset] {
            self.heart().ask(Actor::Appliance, Command::Account(command))?;
        }
        self.sessions().held().first_code = None;
        Ok(())
    }

    /// Who is signed in with this token; that they asked is kept as of now.
    #[must_use]
    pub fn session(&self, token: &str) -> Option<Session> {
        let session = self.watching_session(token)?;
        let mut held = self.sessions().held();
        if let Some(open) = held.open.get_mut(&Digest::of(token.as_bytes())) {
            open.used = self.now();
        }
        Some(session)
    }

    /// The same for a page that asks by itself: nobody need sit before it, so it is no use of the session.
    #[must_use]
    pub fn watching_session(&self, token: &str) -> Option<Session> {
        let now = self.now();
        let open = self.sessions().held().open.get(&Digest::of(token.as_bytes())).cloned()?;
        if open.over(now).is_some() {
            return None; // the sweep ends it, and says so in the log
        }
        let state = self.state();
        let account = state.accounts.get(&open.person)?;
        Some(Session {
            id: open.id,
            name: self.person_name(account).unwrap_or_else(|| open.person.to_string()),
            roles: account.roles.clone(),
            form_token: open.form_token,
            until: open.began.checked_add(SESSION_LIFE).unwrap_or(now),
            person: open.person,
        })
    }

    /// The one check of rights: as whom `session` does `operation`, if their roles allow it now. That they asked
    /// for what these do not allow is an event, once for each session and operation.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub fn acting(&self, session: &Session, operation: Operation) -> Result<Actor, Error> {
        let state = self.state();
        let account = state.accounts.get(&session.person).filter(|known| known.is_ready());
        let roles = account.map(|known| known.roles.clone()).unwrap_or_default();
        self.acting_in(&session.person, &roles, Door::Console, operation, || {
            let mut held = self.sessions().held();
            let open = held.open.values_mut().find(|open| open.id == session.id);
            open.is_some_and(|open| open.denied.insert(operation))
        })
    }

    /// As whom somebody with these roles does `operation`; `is_fresh` says whether a refusal is not in the log yet.
    pub(crate) fn acting_in(
        &self,
        person: &PersonId,
        roles: &BTreeSet<Role>,
        door: Door,
        operation: Operation,
        is_fresh: impl FnOnce() -> bool,
    ) -> Result<Actor, Error> {
        let actor = |role| Actor::Person { person: person.clone(), role, door };
        let wanted = operation.role().or_else(|| roles.first().copied());
        if let Some(role) = wanted.filter(|role| roles.contains(role)) {
            return Ok(actor(role));
        }
        if let (true, Some(role)) = (is_fresh(), roles.first()) {
            let deny = AccountCommand::Deny { person: person.clone(), operation: operation.word() };
            self.heart().ask(actor(*role), Command::Account(deny))?;
        }
        Err(Error::NotAllowed { role: operation.role().map_or("any", Role::word) })
    }

    /// Ends a session by its token; nothing where there is none.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn sign_out(&self, token: &str) -> Result<(), Error> {
        let ended = self.sessions().held().open.remove(&Digest::of(token.as_bytes()));
        let Some(open) = ended else { return Ok(()) };
        self.say_ended(&self.in_person(&open.person), open, SignOutCause::SignedOut)
    }

    /// Ends another session of one's own; says whether there was one.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn sign_out_elsewhere(&self, mine: &Session, other: &RecordId) -> Result<bool, Error> {
        let ended = self.end_sessions_that(&self.in_person(&mine.person), |open| {
            (open.person == mine.person && open.id == *other).then_some(SignOutCause::SignedOut)
        })?;
        Ok(ended > 0)
    }

    /// Somebody who signs out, which asks for no role.
    fn in_person(&self, person: &PersonId) -> Actor {
        let role = self.state().accounts.get(person).and_then(|known| known.roles.first().copied());
        role.map_or(Actor::Appliance, |role| Actor::Person {
            person: person.clone(),
            role,
            door: Door::Console,
        })
    }

    /// Ends sessions whose time is over. To be called now and then.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn end_old_sessions(&self) -> Result<(), Error> {
        let now = self.now();
        let over = self.take_sessions(|open| open.over(now));
        over.into_iter()
            .try_for_each(|(open, cause)| self.say_ended(&Actor::Appliance, open, cause))
    }

    /// Ends one session of a person; says whether there was one.
    ///
    /// # Errors
    /// [`Error::Ledger`] or [`Error::Stopped`].
    pub fn end_session(
        &self,
        actor: &Actor,
        person: &PersonId,
        session: &RecordId,
    ) -> Result<bool, Error> {
        self.end_sessions_that(actor, |open| {
            (open.person == *person && open.id == *session).then_some(SignOutCause::Ended)
        })
        .map(|ended| ended > 0)
    }

    /// Ends every session of a person; says how many there were.
    pub(crate) fn end_sessions_of(
        &self,
        actor: &Actor,
        person: &PersonId,
        cause: SignOutCause,
    ) -> Result<usize, Error> {
        self.end_sessions_that(actor, |open| (open.person == *person).then_some(cause))
    }

    /// Ends the sessions for which there is a cause; says how many there were.
    fn end_sessions_that(
        &self,
        actor: &Actor,
        cause: impl Fn(&Open) -> Option<SignOutCause>,
    ) -> Result<usize, Error> {
        let ended = self.take_sessions(cause);
        let count = ended.len();
        ended.into_iter().try_for_each(|(open, cause)| self.say_ended(actor, open, cause))?;
        Ok(count)
    }

    fn take_sessions(
        &self,
        ends: impl Fn(&Open) -> Option<SignOutCause>,
    ) -> Vec<(Open, SignOutCause)> {
        let mut held = self.sessions().held();
        let over: Vec<_> =
            held.open.iter().filter_map(|(key, open)| Some((*key, ends(open)?))).collect();
        over.into_iter().filter_map(|(key, cause)| Some((held.open.remove(&key)?, cause))).collect()
    }

    fn say_ended(&self, actor: &Actor, open: Open, cause: SignOutCause) -> Result<(), Error> {
        let end = AccountCommand::EndSession { person: open.person, session: open.id, cause };
        self.heart().ask(actor.clone(), Command::Account(end)).map(drop)
    }
}
