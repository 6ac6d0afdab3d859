//! Programs that pretend to be a server of this machine get neither code nor signed headers.

use super::engine::Lab;
use super::server::{HELLO, Server, json};
use super::*;
use bai_protocol::sign::PROVING;
use std::os::unix::fs::PermissionsExt;
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
