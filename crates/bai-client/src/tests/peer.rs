//! Programs that pretend to be a server of this machine get neither code nor signed headers.

use super::engine::Lab;
use super::server::{HELLO, Server, json};
use super::*;
use bai_protocol::sign::PROVING;
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_server_without_the_proof_of_its_key_gets_nothing() {
    let impostor = Server::start(|_, stream| json(stream, r#"{"status": "RUNNING"}"#)).await;
    let credentials = Credentials::keypair("AKIATESTTESTTEST0001", format!("{PROVING}the-secret-key"));
    let api = Api::new(ApiOptions::new(&impostor.endpoint).with_credentials(credentials)).unwrap();
    let session = ComputeSession::new(&api, "work".into(), None);
    let error = session.info().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
    assert!(error.to_string().contains("does not prove that it knows the secret key"), "{error}");
    assert!(impostor.asked().is_empty());
    // A cluster has no such key, and is used as before.
    assert!(impostor.session().info().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_took_the_port_of_an_engine_gets_nothing() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    finish(&mut begin(&session, "secret = 1", Transport::Auto).await, &[]).await;
    let address = lab.engine.endpoint().trim_start_matches("http://").to_owned();
    lab.engine.shutdown().await;
    let listener = TcpListener::bind(address).await.unwrap();
    let impostor = Server::on(listener, HELLO, |_, stream| json(stream, "{}"));
    for transport in [Transport::WebSocket, Transport::Poll] {
        let run = session.execute(Cell::Query("print(secret)".into()), RunOptions::over(transport)).await;
        let outcome = match run {
            Ok(mut run) => format!("{:?}", finish(&mut run, &[]).await),
            Err(error) => error.to_string(),
        };
        assert!(outcome.contains("does not prove"), "{outcome}");
    }
    assert!(impostor.asked().is_empty(), "{:?}", impostor.asked());
}

/// The name `localhost` leads to `::1` first on most machines, where another user can listen and pass on what comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_another_address_passes_on_is_refused() {
    let lab = Lab::start().await;
    let address = lab.engine.endpoint().trim_start_matches("http://").to_owned();
    let port = address.rsplit(':').next().unwrap();
    let listener = TcpListener::bind(format!("[::1]:{port}")).await.unwrap();
    let relayed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = relayed.clone();
    let target = address.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(&target).await.unwrap();
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut first = vec![0; 4096];
                let length = client.read(&mut first).await.unwrap();
                seen.lock().unwrap().push(String::from_utf8_lossy(&first[..length]).into_owned());
                server.write_all(&first[..length]).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let api = lab.api_at(&format!("http://[::1]:{port}"));
    let error = ComputeSession::attach(&api, "work").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
    assert!(error.to_string().contains("it listens at another address"), "{error}");
    let seen = relayed.lock().unwrap().clone();
    assert!(!seen.is_empty() && seen.iter().all(|head| !head.contains("authorization")), "{seen:?}");
    let named = lab.api_at(&format!("http://localhost:{port}"));
    assert!(ComputeSession::attach(&named, "work").await.is_err(), "it can lead to another program");
    lab.engine.shutdown().await;
}

#[tokio::test]
async fn a_socket_of_another_user_gets_nothing() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let path = folder.path().join("engine.sock");
    let script = "use IO::Socket::UNIX; $s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 9) or die $!; \
        $| = 1; print qq(listens\\n); while ($c = $s->accept) { $c->recv($asked, 9999); print $asked; }";
    let Some(mut impostor) = bai_testkit::as_another_user("perl") else { return };
    impostor.args(["-MIO::Socket", "-e", script]).arg(&path).stdout(std::process::Stdio::piped());
    let mut impostor = impostor.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(impostor.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "listens");
    let mut options = ApiOptions::new("http://localhost");
    options.socket = Some(path);
    let error = Api::new(options).unwrap().version().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Untrusted, "{error}");
    assert!(error.to_string().contains("another user listens"), "{error}");
    impostor.kill().unwrap();
    impostor.wait().unwrap();
    assert_eq!(lines.next().transpose().unwrap(), None);
}
