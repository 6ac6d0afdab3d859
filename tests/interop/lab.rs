//! An engine with a session and a terminal in it, for tests of terminals and services.

use bai_client::*;
use bai_engine::{Engine, EngineOptions, Workdirs};
use bai_protocol::create::CreateRequest;
use bytes::Bytes;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// Waits with a time limit, so that a test fails and does not hang.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("{what} never came"))
}

pub struct Lab {
    pub engine: Engine,
    pub api: Api,
    pub folder: TempDir,
}

impl Lab {
    pub async fn new() -> Lab {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions::on_loopback(Workdirs::Own(folder.path().join("sessions")));
        let engine = Engine::start(options).await.unwrap();
        let key = engine.keypair();
        let credentials = Credentials::keypair(key.access_key(), key.secret_key().expose_secret());
        let api = Api::new(ApiOptions::new(engine.endpoint()).with_credentials(credentials)).unwrap();
        Lab { engine, api, folder }
    }

    /// Creates a session with a shell whose output does not depend on the user who runs the tests.
    pub async fn session(&self) -> ComputeSession {
        self.session_with(Vec::new()).await
    }

    pub async fn session_with(&self, preopen_ports: Vec<u16>) -> ComputeSession {
        let home = self.folder.path().to_str().unwrap();
        let environ = [("SHELL", "/bin/bash"), ("PS1", "$ "), ("HOME", home), ("HISTFILE", "")];
        let environ: BTreeMap<_, _> = environ.map(|(name, value)| (name.into(), value.into())).into();
        let name = format!("term-{:06x}", fastrand::u32(..0x1_000_000));
        let request = CreateRequest {
            name,
            image: "python".into(),
            environ,
            preopen_ports,
            ..CreateRequest::default()
        };
        soon("the session", ComputeSession::create(&self.api, request, |_| {})).await.unwrap().0
    }
}

pub async fn open(session: &ComputeSession) -> Pty {
    let options = PtyOptions { source: PtySource::Auto, rows: 24, columns: 80 };
    soon("the terminal", Pty::open(session, options)).await.unwrap()
}

pub async fn until(pty: &mut Pty, what: &str) -> String {
    let mut text = String::new();
    soon(what, async {
        while !text.contains(what) {
            match pty.next().await {
                Some(PtyEvent::Output(bytes)) => text.push_str(&String::from_utf8_lossy(&bytes)),
                other => panic!("{other:?} instead of {what:?} after {text:?}"),
            }
        }
    })
    .await;
    text
}

pub async fn type_in(pty: &Pty, text: &str) {
    soon("room for typing", pty.handle().send(Bytes::copy_from_slice(text.as_bytes()))).await.unwrap();
}

pub async fn event(pty: &mut Pty) -> Option<PtyEvent> {
    soon("an event", async {
        loop {
            match pty.next().await {
                Some(PtyEvent::Output(_)) => {}
                other => return other,
            }
        }
    })
    .await
}
