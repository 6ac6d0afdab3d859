//! TLS, clocks and busy servers in the whole program, with certificates made here and a real engine behind them.

use super::bad_inputs::{CONNECT, REFUSED, canned, expect_failure, with_keypair};
use super::daemon::Daemon;
use bai_testkit::Sandbox;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A certificate authority that is not trusted by default.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Returns the configuration of a server for `name` whose certificate is valid until this year.
    fn server(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        Arc::new(config.with_single_cert(chain, key.into()).unwrap())
    }
}

/// Accepts TLS for the server behind it, one request per connection. Returns its endpoint by name.
fn tls_proxy(config: Arc<ServerConfig>, target: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, config) = (client.unwrap(), config.clone());
            // A client that does not trust the certificate disconnects in the middle of the handshake. This is tested.
            std::thread::spawn(move || drop(copy_both_ways(client, config, target)));
        }
    });
    endpoint
}

/// Copies bytes both ways on one thread, because the TLS state belongs to both directions.
fn copy_both_ways(client: TcpStream, config: Arc<ServerConfig>, target: SocketAddr) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = rustls::StreamOwned::new(connection, client);
    tls.flush()?;
    let mut server = TcpStream::connect(target)?;
    // Short reads in turn. A read that times out loses no data.
    let slice = Some(std::time::Duration::from_millis(5));
    tls.sock.set_read_timeout(slice)?;
    server.set_read_timeout(slice)?;
    let mut buffer = [0; 1 << 14];
    loop {
        if let Some(read) = read_or_timeout(tls.read(&mut buffer))? {
            server.write_all(&buffer[..read])?;
        }
        if let Some(read) = read_or_timeout(server.read(&mut buffer))? {
            tls.write_all(&buffer[..read])?;
        }
    }
}

/// Returns the number of bytes read, or `None` after a timeout. The end of the stream is an error, which ends the
/// copying.
fn read_or_timeout(read: std::io::Result<usize>) -> std::io::Result<Option<usize>> {
    match read {
        Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => Ok(Some(read)),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[test]
fn a_private_authority_is_trusted_only_when_it_is_named() {
    let home = Sandbox::new();
    let engine = Daemon::start(&home);
    let authority = Authority::new();
    let endpoint = tls_proxy(authority.server("localhost", 2090), engine.address);
    let mut sandbox = Sandbox::new();
    engine.use_in(&mut sandbox, &endpoint);
    expect_failure(
        &sandbox,
        &["-c", "1", "python"],
        CONNECT,
        &["certificate", "SSL_CERT_FILE", "--insecure"],
    );
    let file = sandbox.write("ca.pem", &authority.pem);
    sandbox.set("SSL_CERT_FILE", file.to_str().unwrap());
    sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
    sandbox.unset("SSL_CERT_FILE");
    let run = sandbox.run(&["--insecure", "-c", "print(6 * 7)", "python"]);
    run.expect(0, "42\n");
    assert!(run.stderr.contains("is not checked"), "{}", run.stderr);
}

#[test]
fn the_file_of_a_folder_does_not_switch_off_certificate_checks() {
    let home = Sandbox::new();
    let engine = Daemon::start(&home);
    let endpoint = tls_proxy(Authority::new().server("localhost", 2090), engine.address);
    let mut sandbox = Sandbox::new();
    let (access_key, secret_key) = engine.keys();
    let file = sandbox.write(
        ".env",
        format!(
            "BACKEND_ENDPOINT={endpoint}\nBACKEND_ACCESS_KEY={access_key}\nBACKEND_SECRET_KEY={secret_key}\n\
             BACKEND_SKIP_SSLCERT_VALIDATION=yes\n"
        ),
    );
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let words = ["certificate", ".env cannot switch off certificate checks"];
    expect_failure(&sandbox, &["-c", "1", "python"], CONNECT, &words);
    sandbox.set("BACKEND_SKIP_SSLCERT_VALIDATION", "yes");
    sandbox.run(&["-c", "print(6 * 7)", "python"]).expect(0, "42\n");
}

#[test]
fn a_wrong_host_and_a_wrong_time_of_a_certificate_are_different_errors() {
    let home = Sandbox::new();
    let engine = Daemon::start(&home);
    let authority = Authority::new();
    let mut sandbox = Sandbox::new();
    let file = sandbox.write("ca.pem", &authority.pem);
    sandbox.set("SSL_CERT_FILE", file.to_str().unwrap());
    for (name, until, words) in [
        ("other.example", 2090, ["localhost", "other.example"]),
        ("localhost", 2021, ["localhost", "expired"]),
    ] {
        let endpoint = tls_proxy(authority.server(name, until), engine.address);
        engine.use_in(&mut sandbox, &endpoint);
        expect_failure(&sandbox, &["-c", "1", "python"], CONNECT, &words);
    }
}

#[test]
fn a_server_without_tls_at_an_https_address_is_reported() {
    let home = Sandbox::new();
    let engine = Daemon::start(&home);
    let mut sandbox = Sandbox::new();
    engine.use_in(&mut sandbox, &format!("https://{}", engine.address));
    expect_failure(&sandbox, &["-c", "1", "python"], CONNECT, &["answers without TLS", "http://"]);
}

#[test]
fn a_wrong_clock_is_reported_with_the_difference() {
    let answer = "HTTP/1.1 400 Bad Request\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 105\r\nConnection: close\r\n\r\n\
                  {\"type\": \"https://api.backend.ai/probs/invalid-auth-params\", \"title\": \"x\", \"msg\": \"Date/time sync error\"}   ";
    expect_failure(
        &with_keypair(&canned(answer)),
        &["-c", "1", "python"],
        REFUSED,
        &["clock is", "days ahead", "set this machine's clock"],
    );
}

#[test]
fn a_server_that_stays_busy_is_reported() {
    let answer = "HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    expect_failure(
        &with_keypair(&canned(answer)),
        &["-c", "1", "python"],
        REFUSED,
        &["429", "wait a little"],
    );
}

#[test]
fn a_missing_profile_is_reported() {
    expect_failure(&Sandbox::new(), &["--profile", "lab", "-c", "1", "python"], 2, &["no profile \"lab\""]);
}
