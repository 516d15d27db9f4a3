//! The OpenAPI document, made of the same table that answers.

use crate::{
    BASE,
    act::{Act, EXPORTED, Table},
    problem::{PROBLEM, Problem},
    table, words,
};
use std::collections::BTreeMap;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, ContentBuilder, Header, InfoBuilder, KnownFormat, LicenseBuilder,
        ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref, RefOr, Required, Response,
        ResponseBuilder, Schema, SchemaFormat, Server, Type,
        path::{HttpMethod, Operation, OperationBuilder, ParameterIn, PathItem},
        request_body::RequestBodyBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

const BEARER: &str = "token";

const ABOUT: &str = "What people do at the console, for their scripts. A script shows a token that an administrator \
    issued (`Authorization: Bearer pk_...`); it acts as the token's person in the token's one role, and what it does \
    is in the log like everything else. Sizes are bytes, times RFC 3339 in UTC. Lists come in parts: `total` says how \
    many there are, `from` and `limit` which are shown. What is not known here (a field, a word of a query) is refused.";

/// An act as the document has it, and the schemas that it speaks of.
pub(crate) struct Described {
    operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Described {
    fn schema_of<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        let schema = T::schema();
        // A bare list has no name of its own.
        if matches!(schema, RefOr::T(Schema::Array(_))) {
            return schema;
        }
        self.schemas.push((T::name().into_owned(), schema));
        Ref::from_schema_name(T::name()).into()
    }

    fn good(mut self, code: &str, response: Response) -> Self {
        self.operation.responses.responses.insert(code.to_owned(), response.into());
        self
    }

    fn answers(self, kind: &str, schema: RefOr<Schema>) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        self.good("200", ResponseBuilder::new().description("Done.").content(kind, content).build())
    }
}

/// Which answers besides the good one an act has.
fn problems(act: &Act, takes_body: bool) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("400", "Something that was given cannot be used."),
        ("401", "No token that counts was shown."),
        ("403", "The token's role, or a rule of the site, does not allow this."),
        ("405", "This path is asked with another method."),
        ("500", "The appliance itself is at fault."),
        ("503", "It cannot be now: try again later."),
    ];
    // A site may have no root yet.
    if act.path.contains('{') || act.method != "GET" || act.path == "/site-root" {
        all.push(("404", "There is nothing under this name."));
    }
    if act.method != "GET" {
        all.push(("409", "Somebody else was first: look again, and decide anew."));
        all.push(("413", "The body is too long."));
    }
    if takes_body {
        all.push(("415", "The body is not said to be JSON."));
        all.push(("422", "The body is JSON, but not what this takes."));
    }
    all
}

fn problem(code: &str, why: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(why).content(PROBLEM, content);
    let text = || Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    match code {
        "401" => response.header("WWW-Authenticate", text()),
        "405" => response.header("Allow", text()),
        _ => response,
    }
    .build()
}

/// The beginning of an act's description: its name, what it does, and what else it may answer.
pub(crate) fn begin(act: &Act, takes_body: bool) -> Described {
    let plain = act.path.replace(['{', '}'], "").replace('/', "-");
    let tag = act.path.split('/').nth(1).unwrap_or_default();
    let role = act.operation.role().map_or("any", fleet::Role::word);
    let mut operation = OperationBuilder::new()
        .operation_id(Some(format!("{}{plain}", act.method.to_lowercase())))
        .tag(tag)
        .summary(Some(act.summary))
        .description(Some(format!("Role: {role}.")));
    for (code, why) in problems(act, takes_body) {
        operation = operation.response(code, problem(code, why));
    }
    Described { operation: operation.build(), schemas: Vec::new() }
}

pub(crate) fn with_parameters<P: IntoParams>(
    mut described: Described,
    place: ParameterIn,
) -> Described {
    let mut parameters = P::into_params(|| Some(place.clone()));
    described.operation.parameters.get_or_insert_default().append(&mut parameters);
    described
}

pub(crate) fn with_body<T: ToSchema>(mut described: Described) -> Described {
    let content = ContentBuilder::new().schema(Some(described.schema_of::<T>())).build();
    let body = RequestBodyBuilder::new().content("application/json", content);
    described.operation.request_body = Some(body.required(Some(Required::True)).build());
    described
}

pub(crate) fn with_json<T: ToSchema>(mut described: Described) -> Described {
    let schema = described.schema_of::<T>();
    described.answers("application/json", schema)
}

/// An answer that is a file.
pub(crate) fn with_file(described: Described, kind: &str) -> Described {
    let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(binary));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut about = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    about.description =
        Some("What is in it: manifest, files, bytes, entries, key and absent, as JSON.".to_owned());
    let response = ResponseBuilder::new().description("Done.").content(kind, content);
    described.good("200", response.header(EXPORTED, about).build())
}

pub(crate) fn with_nothing(described: Described) -> Described {
    described
        .good("204", ResponseBuilder::new().description("Done; there is nothing to say.").build())
}

fn made(table: &Table) -> OpenApi {
    let mut paths: BTreeMap<&str, PathItem> = BTreeMap::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = words::leaves().into_iter().collect();
    for (act, described) in table.described() {
        let method = match act.method {
            "POST" => HttpMethod::Post,
            "PUT" => HttpMethod::Put,
            "DELETE" => HttpMethod::Delete,
            _ => HttpMethod::Get,
        };
        let item = PathItem::new(method, described.operation.clone());
        schemas.extend(described.schemas.iter().cloned());
        match paths.get_mut(act.path) {
            Some(known) => known.merge_operations(item),
            None => drop(paths.insert(act.path, item)),
        }
    }
    let paths =
        paths.into_iter().fold(PathsBuilder::new(), |all, (path, item)| all.path(path, item));
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("pk_...").build();
    let mut components =
        ComponentsBuilder::new().security_scheme(BEARER, SecurityScheme::Http(scheme)).build();
    components.schemas.extend(schemas);
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    let licence =
        LicenseBuilder::new().name("Apache-2.0 OR MIT").identifier(Some("Apache-2.0 OR MIT"));
    let info = InfoBuilder::new()
        .title("Patchkeep")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(licence.build()));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(BASE)]))
        .paths(paths)
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])]))
        .build()
}

/// The document of a table, as JSON.
pub(crate) fn text(table: &Table) -> String {
    made(table).to_pretty_json().unwrap_or_default()
}

/// The OpenAPI 3.1 document of this API, as JSON.
#[must_use]
pub fn document() -> String {
    text(&table())
}

/// Names under which acts have different schemas: the document would keep the last of them.
#[cfg(test)]
pub(crate) fn clashes() -> Vec<String> {
    let (table, mut known) = (table(), BTreeMap::new());
    let mut twice = Vec::new();
    for (name, schema) in table.described().flat_map(|(_, described)| described.schemas.iter()) {
        if *known.entry(name).or_insert(schema) != schema {
            twice.push(name.clone());
        }
    }
    twice
}
