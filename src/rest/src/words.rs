//! Words that many nouns use: names, times, digests, choices, lists in parts. What a schema says of each is what the
//! appliance takes.

use crate::problem::Problem;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type},
};

/// How a word of the appliance becomes one of the API.
pub(crate) trait Of<T> {
    fn of(from: T) -> Self;
}

impl<T, U: Of<T>> Of<Option<T>> for Option<U> {
    fn of(from: Option<T>) -> Self {
        from.map(U::of)
    }
}

impl<T, U: Of<T>> Of<Vec<T>> for Vec<U> {
    fn of(from: Vec<T>) -> Self {
        from.into_iter().map(U::of).collect()
    }
}

impl<T, U: Of<T>> Of<BTreeSet<T>> for Vec<U> {
    fn of(from: BTreeSet<T>) -> Self {
        from.into_iter().map(U::of).collect()
    }
}

impl<K: Serialize, T, U: Of<T>> Of<BTreeMap<K, T>> for BTreeMap<String, U> {
    fn of(from: BTreeMap<K, T>) -> Self {
        from.into_iter().map(|(key, value)| (text_of(&key), U::of(value))).collect()
    }
}

/// The word for a name or a choice.
pub(crate) fn text_of(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

macro_rules! as_it_is {
    ($($name:ty),*) => { $(impl Of<$name> for $name { fn of(from: $name) -> Self { from } })* };
}
as_it_is!(String, bool, u8, u16, u32, u64, i64, Value);

impl Of<&'static str> for String {
    fn of(from: &'static str) -> Self {
        from.to_owned()
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn label(dots: bool) -> ObjectBuilder {
    let pattern = if dots {
        "^[a-z0-9]([a-z0-9-]|\\.[a-z0-9-])*$"
    } else {
        "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
    };
    text().pattern(Some(pattern)).min_length(Some(1)).max_length(Some(63))
}

macro_rules! leaves {
    ($($(#[$doc:meta])* $name:ident($inner:ty) = $schema:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(transparent)]
            pub(crate) struct $name(pub(crate) $inner);

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }

            impl ToSchema for $name {}

            impl Of<$inner> for $name {
                fn of(from: $inner) -> Self {
                    Self(from)
                }
            }
        )*

        /// The schemas of all these, by name.
        pub(crate) fn leaves() -> Vec<(String, RefOr<Schema>)> {
            vec![$((stringify!($name).to_owned(), <$name as PartialSchema>::schema()),)*
                (Search::name().into_owned(), Search::schema()),
            ]
        }
    };
}

leaves! {
    /// A vendor's stream.
    Source(ids::SourceId) = label(false).description(Some("A vendor's stream, as the publisher names it."));
    /// A ring.
    Ring(ids::RingName) = label(false).description(Some("A group of endpoints that is patched together."));
    /// The site.
    SiteWord(ids::SiteName) = label(false);
    /// A host.
    Endpoint(ids::EndpointName) = label(true).description(Some("A server or workstation, by host name."));
    /// A person.
    Person(ids::PersonId) = label(true).description(Some("A person, by the id that the log names them by."));
    /// A window.
    WindowWord(ids::WindowName) = label(false);
    /// A policy.
    PolicyWord(ids::PolicyName) = label(false);
    /// A record.
    Record(ids::RecordId) = text().pattern(Some("^[0-7][0-9A-HJKMNP-TV-Z]{25}$")).description(Some("A ULID."));
    /// A digest.
    Sha256(ids::Digest) = text().pattern(Some("^[0-9a-f]{64}$")).description(Some("SHA-256, in hexadecimal."));
    /// A time.
    At(ids::Timestamp) =
        text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).description(Some("A time, in UTC."));
    /// Anything with fields.
    Document(Value) = ObjectBuilder::new().schema_type(Type::Object)
        .description(Some("A document as the appliance keeps it; it may get more fields."));
}

impl Document {
    /// A document as it is kept.
    pub(crate) fn from(kept: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_value(kept)
            .map(Self)
            .map_err(|e| Problem::broken(format!("a document cannot be written: {e}")))
    }
}

/// Text of `MIN` to `MAX` characters: the schema says so, and what is longer or shorter is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Text<const MIN: usize, const MAX: usize>(pub(crate) String);

/// A name, a version, a word to look for.
pub(crate) type Words = Text<1, 200>;
/// What to look for.
pub(crate) type Search = Text<0, 63>;
/// A sentence of a person.
pub(crate) type Sentence = Text<1, 1000>;

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if (MIN..=MAX).contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err(de::Error::custom(format!("text here is {MIN} to {MAX} characters long")))
        }
    }
}

impl<const MIN: usize, const MAX: usize> PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        text().min_length(Some(MIN)).max_length(Some(MAX)).into()
    }
}

impl<const MIN: usize, const MAX: usize> ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("Text{MIN}To{MAX}"))
    }
}

/// A list that has at most so many items.
pub(crate) fn at_most<T>(items: Vec<T>, most: usize) -> Result<Vec<T>, Problem> {
    let many = || Problem::input(format!("a list here has at most {most} items"));
    if items.len() <= most { Ok(items) } else { Err(many()) }
}

/// Declares words that come out, field by field from what they are in the appliance.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident of $from:ty { $($(#[$fdoc:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
            pub(crate) struct $name { $($(#[$fdoc])* pub(crate) $field: $kind,)* }

            impl $crate::words::Of<$from> for $name {
                fn of(from: $from) -> Self {
                    Self { $($field: $crate::words::Of::of(from.$field),)* }
                }
            }
        )*
    };
}
pub(crate) use words;

/// Declares a choice of words, which go in and come out.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident of $from:ty { $($word:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
            #[serde(rename_all = "kebab-case")]
            #[allow(missing_docs, reason = "the words say it")]
            pub(crate) enum $name { $($word,)* }

            impl $crate::words::Of<$from> for $name {
                fn of(from: $from) -> Self {
                    match from { $(<$from>::$word => Self::$word,)* }
                }
            }

            impl $name {
                /// What it is in the appliance.
                #[allow(dead_code, reason = "some only come out")]
                pub(crate) fn own(self) -> $from {
                    match self { $(Self::$word => <$from>::$word,)* }
                }
            }
        )*
    };
}
pub(crate) use choices;

choices! {
    /// One of the four roles.
    RoleWord of fleet::Role { Operator, Approver, Assessor, Administrator, }
    /// Whether an endpoint has joined.
    EndpointStanding of fleet::Standing { Pending, Active, Retired, }
    /// What an approver says of a ring.
    DecisionWord of trust::Decision { Approve, Withdraw, }
    /// What is decided about an endpoint whose job failed.
    ResolutionWord of fleet::Resolution { Restore, Keep, }
    /// How severe a vendor says that something is.
    VendorSeverity of catalogue::VendorSeverity { Low, Medium, High, Critical, }
}

/// Most rows of a part of a list.
pub(crate) const LIMIT_MAX: usize = 500;

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// How many rows to leave out before the first.
    #[serde(default)]
    #[param(minimum = 0, maximum = 1_000_000_000, default = 0)]
    pub(crate) from: u32,
    /// At most so many rows.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: u32,
}

/// How many rows come where nobody says.
pub(crate) const fn usual() -> u32 {
    100
}

/// Where a list is cut: rows to leave out, and rows to take.
pub(crate) fn cut(from: u32, limit: u32) -> Result<(usize, usize), Problem> {
    let (from, limit) = (from as usize, limit as usize);
    if limit == 0 || limit > LIMIT_MAX || from > 1_000_000_000 {
        return Err(Problem::input(format!("limit is 1 to {LIMIT_MAX}, and from 0 to 1000000000")));
    }
    Ok((from, limit))
}

/// A part of a list.
#[derive(Debug, Serialize)]
pub(crate) struct Part<T> {
    /// How many rows there are.
    pub(crate) total: u64,
    /// How many were left out before the first one here.
    pub(crate) from: u64,
    /// The rows.
    pub(crate) rows: Vec<T>,
}

// By hand, so that each kind of rows has a name of its own and brings its schema.
impl<T: ToSchema> PartialSchema for Part<T> {
    fn schema() -> RefOr<Schema> {
        let rows = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        ObjectBuilder::new()
            .property("total", u64::schema())
            .required("total")
            .property("from", u64::schema())
            .required("from")
            .property("rows", rows)
            .required("rows")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Part<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("PartOf{}", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

impl<T> Part<T> {
    /// The part of all rows that was asked for.
    pub(crate) fn of<S>(all: Vec<S>, place: &Place) -> Result<Self, Problem>
    where
        T: Of<S>,
    {
        let (from, limit) = cut(place.from, place.limit)?;
        let total = all.len() as u64;
        let rows = all.into_iter().skip(from).take(limit).map(T::of).collect();
        Ok(Self { total, from: from as u64, rows })
    }
}

/// An envelope (DSSE 1.0.2) with SSH signatures, as `ssh-keygen -Y sign` makes them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Envelope {
    /// What the payload is.
    #[schema(max_length = 200)]
    payload_type: String,
    /// The statement, base 64.
    #[schema(max_length = 4_000_000, pattern = "^[A-Za-z0-9+/]*={0,2}$")]
    payload: String,
    /// Who signed it.
    #[schema(max_items = 32)]
    signatures: Vec<EnvelopeSignature>,
}

/// A signature of an envelope.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvelopeSignature {
    /// The key's fingerprint.
    #[schema(max_length = 200)]
    keyid: String,
    /// The signature, base 64.
    #[schema(max_length = 20_000)]
    sig: String,
}

/// The same thing in words of another room, by its JSON.
pub(crate) fn through<T: DeserializeOwned>(value: &impl Serialize) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(value)?)
}

impl Envelope {
    /// An envelope of the appliance.
    pub(crate) fn out(envelope: &trust::Envelope) -> Result<Self, Problem> {
        through(envelope)
            .map_err(|e| Problem::broken(format!("the envelope cannot be written: {e}")))
    }

    /// The envelope that was sent.
    pub(crate) fn own(&self) -> Result<trust::Envelope, Problem> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        trust::Envelope::parse(&bytes).map_err(|denial| Problem::input(denial.to_string()))
    }
}

/// Whether something was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    /// False where all was so already.
    pub(crate) changed: bool,
}
