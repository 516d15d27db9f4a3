//! The pages in a real browser: accessible, at 400 % too, without a script, and asking no other host.
//! With `SCREENS` it leaves a picture of each page there (`just screens`).

use super::{ALL, pages::paths, sample::Sample};
use axum::{extract::Request, middleware};
use ids::PersonId;
use std::path::Path;
use tokio::{net::TcpListener, process::Command};

#[tokio::test(flavor = "multi_thread")]
async fn each_page_is_accessible_narrow_and_alone() {
    let sample = Sample::full();
    let person: PersonId = "oscar".parse().unwrap();
    let console = sample.console().layer(middleware::map_request(move |mut request: Request| {
        request.extensions_mut().insert((person.clone(), ALL.to_vec()));
        async move { request }
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, console).await });
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut node = Command::new("node");
    node.arg(top.join("tests/browser/pages.mjs"))
        .arg(format!("http://localhost:{}", address.port()));
    let ended = node.args(paths(&sample)).output().await.unwrap();
    serving.abort();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
}
