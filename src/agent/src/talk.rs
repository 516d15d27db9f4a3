//! Speaking with the appliance: HTTPS with the site's own root certificate, bounded in time and size.

use crate::Error;
use api::{BODY_BYTES_MAX, Problem};
use reqwest::{
    Certificate, Client, ClientBuilder, Identity, Response, redirect::Policy, tls::Version,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, path::Path, time::Duration};
use tokio::runtime::{Builder, Runtime};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time for one question and its answer.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Far longer than any certificate.
const PEM_BYTES_MAX: usize = 1 << 20;

/// A way to the appliance. Calls block.
pub(crate) struct Talk {
    runtime: Runtime,
    client: Client,
}

impl Talk {
    /// The appliance as one who holds a certificate of it, or none.
    ///
    /// # Errors
    /// [`Error::Client`].
    pub(crate) fn new(root_pem: &[u8], own: Option<&[u8]>) -> Result<Self, Error> {
        let root = Certificate::from_pem(root_pem).map_err(Error::Client)?;
        let mut builder = builder().tls_certs_only([root]);
        if let Some(pem) = own {
            builder = builder.identity(Identity::from_pem(pem).map_err(Error::Client)?);
        }
        Self::with(builder)
    }

    /// The root certificate that an address hands out (PEM), from whoever answers there. It is not
    /// believed: the caller holds it against a fingerprint, and nothing else is said on this way.
    pub(crate) fn unbelieved_root(address: &str) -> Result<Vec<u8>, Error> {
        let talk = Self::with(builder().tls_danger_accept_invalid_certs(true))?;
        let address = format!("{address}/ca.pem");
        talk.runtime.block_on(async {
            let asked = talk.client.get(&address).send().await;
            let response =
                asked.map_err(|source| Error::Unreachable { address: address.clone(), source })?;
            if !response.status().is_success() {
                let status = response.status().as_u16();
                return Err(Error::Answer(format!("status {status} for {address}")));
            }
            body(response, &address, PEM_BYTES_MAX).await
        })
    }

    /// Asks a question and hears the answer, or the appliance's reason why there is none.
    pub(crate) fn ask<A: DeserializeOwned>(
        &self,
        address: &str,
        question: &impl Serialize,
    ) -> Result<A, Error> {
        let unsaid = |e: serde_json::Error| Error::Answer(e.to_string());
        let question = serde_json::to_vec(question).map_err(unsaid)?;
        if question.len() > BODY_BYTES_MAX {
            return Err(Error::Answer(format!("{} bytes are too much to say", question.len())));
        }
        let (status, bytes) = self.runtime.block_on(async {
            let request = self.client.post(address).header("content-type", "application/json");
            let response = request.body(question).send().await;
            let unreachable = |source| Error::Unreachable { address: address.to_owned(), source };
            let response = response.map_err(unreachable)?;
            let status = response.status().as_u16();
            Ok::<_, Error>((status, body(response, address, BODY_BYTES_MAX).await?))
        })?;
        if status != 200 {
            return Err(problem(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(unsaid)
    }

    fn with(builder: ClientBuilder) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source: io::Error| Error::File {
            act: "start",
            path: Path::new("a runtime").to_owned(),
            source,
        })?;
        Ok(Self { runtime, client: builder.build().map_err(Error::Client)? })
    }
}

fn builder() -> ClientBuilder {
    // Another part of the program may have chosen already; both choose the same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("patchkeep-agent/", env!("CARGO_PKG_VERSION")))
        .https_only(true)
        .tls_version_min(Version::TLS_1_3)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        // A proxy of the environment is not the site's.
        .no_proxy()
}

async fn body(mut response: Response, address: &str, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let broken = |source| Error::Unreachable { address: address.to_owned(), source };
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        if bytes.len() + piece.len() > bytes_max {
            return Err(Error::Answer(format!("it is longer than {bytes_max} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn problem(status: u16, bytes: &[u8]) -> Error {
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect();
    match serde_json::from_slice::<Problem>(bytes) {
        Ok(Problem { code, message }) => {
            Error::Problem { status, code: short(&code), message: short(&message) }
        }
        Err(_) => {
            let code = format!("status {status}");
            Error::Problem { status, code, message: "it does not say why".into() }
        }
    }
}
