//! Terminals, tunnels and apps against a genuine cluster. Not part of the ordinary suite, because it needs one. Run it
//! with
//!
//! ```sh
//! BACKEND_ENDPOINT=… BACKEND_ACCESS_KEY=… BACKEND_SECRET_KEY=… cargo test --test cluster_pty [-- PART-OF-A-NAME]
//! ```
//!
//! The session has the services `rig-echo` (TCP echo) and `rig-http` in addition to the ordinary ones. Every scenario
//! prints one line. The session is destroyed at the end, also after a failure.

mod suite;

use bai_client::pty::{LinkState, NotSent};
use bai_client::*;
use bai_protocol::create::CreateRequest;
use bytes::Bytes;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use suite::{Outcome, Scenario, Suite, ensure, image};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SCENARIOS: &[(&str, Scenario<ComputeSession>)] = &[
    ("apps", |s| Box::pin(apps(s))),
    ("tunnel echoes", |s| Box::pin(echo(s))),
    ("tunnel refused", |s| Box::pin(refused_tunnels(s))),
    ("app at a local address", |s| Box::pin(local_address(s))),
    ("app without a service", |s| Box::pin(app_without_service(s))),
    ("terminal", |s| Box::pin(terminal(s))),
    ("terminal reconnects", |s| Box::pin(reconnects(s))),
    ("big paste", |s| Box::pin(big_paste(s))),
    ("slow reader", |s| Box::pin(slow_reader(s))),
    ("stream without a terminal", |s| Box::pin(silent_stream(s))),
    ("terminal ends", |s| Box::pin(ends(s))),
];
const PREOPEN: u16 = 8190;

fn main() -> ExitCode {
    suite::run(Duration::from_secs(120), all)
}

async fn all(api: &Api, suite: &Suite) -> bool {
    let request = CreateRequest {
        name: format!("bai-pty-{:04x}", fastrand::u16(..)),
        image: image(),
        preopen_ports: vec![PREOPEN],
        ..CreateRequest::default()
    };
    let session = match ComputeSession::create(api, request, |status| eprintln!("{status}")).await {
        Ok((session, _)) => session,
        Err(error) => {
            println!("FAIL create: {error}");
            return false;
        }
    };
    let mut ok = suite.run_all(SCENARIOS, &session).await;
    if let Err(error) = session.destroy(DestroyOptions { forced: true, ..DestroyOptions::default() }).await {
        println!("FAIL destroy: {error}");
        ok = false;
    }
    ok
}

fn fail(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn apps(session: &ComputeSession) -> Outcome {
    let apps = session.apps().await.map_err(fail)?;
    let list: Vec<_> = apps.iter().map(|a| format!("{}/{}/{:?}", a.name, a.protocol, a.ports)).collect();
    ensure(apps.iter().any(|app| app.name == "ttyd"), "there is no ttyd")?;
    Ok(list.join(" "))
}

async fn echo(session: &ComputeSession) -> Outcome {
    const SIZE: usize = 32 * 1024 * 1024;
    let tunnel = Tunnel::open(session, &TunnelOptions::new("rig-echo")).await.map_err(fail)?;
    let (mut reader, mut writer) = tokio::io::split(tunnel);
    let start = Instant::now();
    writer.write_all(b"ping").await.map_err(fail)?;
    let mut four = [0; 4];
    reader.read_exact(&mut four).await.map_err(fail)?;
    ensure(&four == b"ping", format!("{four:?}"))?;
    let round_trip = start.elapsed();
    let data: Vec<u8> = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let expected = data.clone();
    let start = Instant::now();
    let sending = tokio::spawn(async move {
        let result = writer.write_all(&data).await;
        (writer, result)
    });
    let mut back = vec![0; SIZE];
    reader.read_exact(&mut back).await.map_err(fail)?;
    let took = start.elapsed().as_secs_f64();
    sending.await.map_err(fail)?.1.map_err(fail)?;
    ensure(back == expected, "other bytes came back")?;
    Ok(format!("round trip {round_trip:.1?}, 32 MiB there and back at {:.0} MiB/s", 32.0 / took))
}

async fn refused_tunnels(session: &ComputeSession) -> Outcome {
    let unknown = Tunnel::open(session, &TunnelOptions::new("nope")).await.err().ok_or("nope opened")?;
    ensure(unknown.kind() == ErrorKind::NotFound, format!("{unknown}"))?;
    let port = TunnelOptions { port: Some(9999), ..TunnelOptions::new("rig-echo") };
    let port = Tunnel::open(session, &port).await.err().ok_or("port 9999 opened")?;
    ensure(port.kind() == ErrorKind::BadRequest, format!("{port}"))?;
    let preopen = TunnelOptions::new(PREOPEN.to_string());
    let mut tunnel = Tunnel::open(session, &preopen).await.map_err(fail)?;
    // Docker's own proxy accepts the connection and closes it. Without a proxy the connection is refused.
    let refused = match tunnel.read(&mut [0; 10]).await {
        Ok(0) => "it closes".to_owned(),
        Ok(_) => return Err("no program listens, but the tunnel returned data".into()),
        Err(error) => error.to_string(),
    };
    Ok(format!("{unknown} | {port} | {refused}"))
}

async fn get(address: std::net::SocketAddr) -> Result<String, String> {
    let mut socket = TcpStream::connect(address).await.map_err(fail)?;
    socket.write_all(b"GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n").await.map_err(fail)?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply).await.map_err(fail)?;
    Ok(reply)
}

async fn local_address(session: &ComputeSession) -> Outcome {
    let mut options = TunnelOptions::new("rig-http");
    options.parameters.add_argument("--title from-here").map_err(fail)?;
    options.parameters.add_env("RIG_GREETING=hello").map_err(fail)?;
    let listener = AppListener::bind(session, options, "127.0.0.1:0").await.map_err(fail)?;
    let (address, url) = (listener.address(), listener.url());
    let mut events = Vec::new();
    let reply = tokio::select! {
        () = listener.serve(|event| events.push(format!("{event:?}"))) => Err("it stopped".into()),
        reply = async { tokio::try_join!(get(address), get(address), get(address)) } => reply,
    }?;
    ensure(reply.0.contains("200 OK") && reply.0.contains("from-here"), reply.0.clone())?;
    Ok(format!("{url} {} {} events", reply.0.lines().last().unwrap_or_default(), events.len()))
}

async fn app_without_service(session: &ComputeSession) -> Outcome {
    let options = TunnelOptions::new(PREOPEN.to_string());
    let listener = AppListener::bind(session, options, "127.0.0.1:0").await.map_err(fail)?;
    let address = listener.address();
    let reply = tokio::select! {
        () = listener.serve(|_| {}) => Err("it stopped".into()),
        reply = get(address) => reply,
    }?;
    ensure(reply.starts_with("HTTP/1.1 503"), reply.clone())?;
    Ok(reply.lines().last().unwrap_or_default().to_owned())
}

async fn open(session: &ComputeSession, rows: u16, columns: u16) -> Result<Pty, String> {
    Pty::open(session, PtyOptions { source: PtySource::Auto, rows, columns }).await.map_err(fail)
}

async fn wait_for(pty: &mut Pty, what: &str) -> Result<String, String> {
    let mut text = String::new();
    let found = timeout(Duration::from_secs(60), async {
        while !text.contains(what) {
            match pty.next().await {
                Some(PtyEvent::Output(bytes)) => text.push_str(&String::from_utf8_lossy(&bytes)),
                other => return Err(format!("{other:?} instead of {what:?}")),
            }
        }
        Ok(())
    });
    match found.await {
        Ok(result) => result.map(|()| text),
        Err(_) => Err(format!(
            "no {what:?} in {:?}",
            text.chars().rev().take(500).collect::<Vec<_>>().iter().rev().collect::<String>()
        )),
    }
}

async fn type_in(pty: &Pty, text: &str) -> Result<(), String> {
    pty.handle().send(Bytes::copy_from_slice(text.as_bytes())).await.map_err(fail)
}

async fn terminal(session: &ComputeSession) -> Outcome {
    let start = Instant::now();
    let mut pty = open(session, 24, 80).await?;
    let opened = start.elapsed();
    type_in(&pty, "echo =$((6*7))=\r").await?;
    wait_for(&mut pty, "=42=").await?;
    pty.handle().resize(37, 101);
    // tmux passes the size on a moment later.
    type_in(&pty, "clear; until stty size | grep 101; do sleep .1; done; echo =$(stty size | tr ' ' x)=\r")
        .await?;
    let screen = wait_for(&mut pty, "x101=").await?;
    let size = screen.rsplit('=').nth(1).unwrap_or_default().to_owned();
    let mut handle = pty.handle();
    let round_trip = loop {
        match handle.status().link {
            LinkState::Up { round_trip: Some(time) } => break time,
            _ => handle.changed().await.map_err(fail)?,
        };
    };
    let status = handle.status();
    Ok(format!("{} opened in {opened:.1?}, size {size}, round trip {round_trip:.1?}", status.service))
}

async fn reconnects(session: &ComputeSession) -> Outcome {
    let mut pty = open(session, 24, 80).await?;
    type_in(&pty, "clear; KEPT=ye; echo =$KEPT=\r").await?;
    wait_for(&mut pty, "=ye=").await?;
    let start = Instant::now();
    pty.handle().drop_link();
    let mut seen = Vec::new();
    loop {
        match pty.next().await {
            Some(PtyEvent::Output(_)) => {}
            Some(PtyEvent::LinkDown(why)) => {
                seen.push(format!("down: {why}"));
                let sent = pty.handle().send(Bytes::from_static(b"rm -rf /\r")).await;
                ensure(sent == Err(NotSent::LinkDown), format!("{sent:?}"))?;
            }
            Some(PtyEvent::LinkUp) => break,
            other => return Err(format!("{other:?} after {seen:?}")),
        }
    }
    let back = start.elapsed();
    wait_for(&mut pty, "=ye=").await.map_err(|why| format!("not repainted: {why}"))?;
    type_in(&pty, "clear; echo =${KEPT}s=\r").await?;
    wait_for(&mut pty, "=yes=").await?;
    Ok(format!("{seen:?}, back in {back:.1?}"))
}

/// Pastes text into a shell that reads it only later. The sender waits and all data arrives.
async fn big_paste(session: &ComputeSession) -> Outcome {
    const SIZE: usize = 2_000_000;
    let mut pty = open(session, 24, 80).await?;
    type_in(
        &pty,
        "clear; stty raw -echo; echo =rea''dy=; sleep 3; head -c 2000000 | cksum; stty sane; echo =do''ne=\r",
    )
    .await?;
    wait_for(&mut pty, "=ready=").await?;
    let data: Vec<u8> = (0..SIZE).map(|at| b'a' + (at % 26) as u8).collect();
    let handle = pty.handle();
    let start = Instant::now();
    let sending = tokio::spawn(async move { handle.send(data.into()).await });
    let text = wait_for(&mut pty, "=done=").await?;
    let took = start.elapsed();
    sending.await.map_err(fail)?.map_err(fail)?;
    let sum = text.split_whitespace().find(|word| word.contains("2000000")).is_some();
    ensure(sum, format!("cksum printed something else: {text:?}"))?;
    Ok(format!("2 MB in {took:.1?}"))
}

/// Leaves output unread for longer than ttyd's own timeout.
async fn slow_reader(session: &ComputeSession) -> Outcome {
    let mut pty = open(session, 24, 80).await?;
    type_in(&pty, "clear; seq 1 3000000; echo =do''ne=\r").await?;
    let mut events = Vec::new();
    // This scenario tests the pause.
    tokio::time::sleep(Duration::from_secs(25)).await;
    let mut bytes = 0;
    let mut tail = String::new();
    while !tail.contains("=done=") {
        match pty.next().await {
            Some(PtyEvent::Output(output)) => {
                bytes += output.len();
                tail.push_str(&String::from_utf8_lossy(&output));
                tail = tail.chars().rev().take(4000).collect::<Vec<_>>().into_iter().rev().collect();
            }
            Some(other) => events.push(format!("{other:?}")),
            None => return Err(format!("over after {bytes} bytes: {events:?}")),
        }
    }
    Ok(format!("{bytes} bytes, {events:?}"))
}

async fn silent_stream(session: &ComputeSession) -> Outcome {
    let options = PtyOptions { source: PtySource::Stream, rows: 24, columns: 80 };
    match Pty::open(session, options).await {
        Ok(_) => Err("it says something".into()),
        Err(error) => Ok(format!("{error}; {}", error.hint().unwrap_or_default())),
    }
}

async fn ends(session: &ComputeSession) -> Outcome {
    let mut pty = open(session, 24, 80).await?;
    type_in(&pty, "exit 3\r").await?;
    loop {
        match pty.next().await {
            Some(PtyEvent::Output(_)) => {}
            Some(PtyEvent::Exited { code }) => {
                ensure(pty.next().await.is_none(), "something came after the end")?;
                return Ok(format!("{code:?}"));
            }
            other => return Err(format!("{other:?}")),
        }
    }
}
