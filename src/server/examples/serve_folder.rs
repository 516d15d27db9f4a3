//! Serves every file of a folder from a store, for measuring beside another server:
//! `serve_folder <folder> <certificate.pem> <key.pem> <address>`. Everybody may enter.
//!
//! A file `a/b` of the folder is `/view/1/folder/a/b`. It runs until it is ended.
#![allow(clippy::print_stdout, reason = "it is a program")]

use catalogue::{Catalogue, File, FileKind, SCHEMA, Vendor};
use durable::RealDisk;
use ids::{Hasher, Timestamp};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use server::{Clients, Config, Identity, Limits, Port, Tls, start};
use site::{Shelf, ShelfHandle, SourceView};
use std::{
    error::Error,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::Store;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, certificate, key, address] = arguments.as_slice() else {
        return Err("serve_folder <folder> <certificate.pem> <key.pem> <address>".into());
    };
    let kept = tempfile::TempDir::new_in(Path::new(folder).parent().unwrap_or(Path::new(".")))?;
    let store = Store::open(Arc::new(RealDisk), kept.path())?;
    let shelf = ShelfHandle::default();
    shelf.replace(take(&store, Path::new(folder))?);
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_file(key)? else {
        return Err("the key is not PKCS #8".into());
    };
    let certificate = CertificateDer::from_pem_file(certificate)?;
    let identity =
        Identity { certificates: vec![certificate.to_vec()], key: key.secret_pkcs8_der().to_vec() };
    let tls = Tls { identity, clients: Clients::UnsafeEverybody, allow_tls12: false };
    let limits = Limits { connections_per_address: 4096, ..Limits::default() };
    let config = Config {
        endpoints: Port::take(address.parse()?)?,
        people: None,
        names: Vec::new(),
        limits,
        agents: std::sync::Weak::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let serving = start(config, shelf, store, tls, Arc::new(|_| {})).await?;
        println!("{}", serving.endpoints().ok_or("the door is shut")?);
        std::future::pending::<Result<(), Box<dyn Error>>>().await
    })
}

fn take(store: &Store, folder: &Path) -> Result<Shelf, Box<dyn Error>> {
    let incoming = store.begin(&"01ARZ3NDEKTSV4RRFFQ69G5FAV".parse()?, 0)?;
    let mut files = Vec::new();
    for path in all_files(folder)? {
        let (mut hasher, mut chunk) = (Hasher::default(), vec![0; 1 << 20]);
        let mut file = std::fs::File::open(&path)?;
        while let n @ 1.. = file.read(&mut chunk)? {
            hasher.update(&chunk[..n]);
        }
        let (sha256, length) = (hasher.finish(), file.metadata()?.len());
        incoming.write(&sha256, length, &mut std::fs::File::open(&path)?)?;
        let path = path.strip_prefix(folder)?.to_string_lossy().into_owned();
        files.push(File { path, sha256, length, kind: FileKind::Payload });
    }
    incoming.promote()?;
    let date = Timestamp::from_second(1_700_000_000)?;
    let catalogue = Catalogue {
        schema: SCHEMA,
        source: "folder".parse()?,
        vendor: Vendor::Apt {
            origin: String::new(),
            suite: String::new(),
            codename: String::new(),
            components: Vec::new(),
            architectures: Vec::new(),
        },
        collected_at: date,
        release_date: date,
        valid_until: None,
        files,
        updates: Vec::new(),
        notes: Vec::new(),
        advice: None,
    };
    let mut shelf = Shelf::default();
    shelf.add(Arc::new(SourceView::new(1, &catalogue, None)));
    Ok(shelf)
}

fn all_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort_unstable();
    Ok(files)
}
