//! Terminals, tunnels and apps: the client against the engine with a real shell, and against faulty servers.

use bai_client::pty::{LinkState, NotSent};
use bai_client::*;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod lab;

use lab::*;

#[tokio::test]
async fn a_shell_runs_in_the_session() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    assert_eq!(pty.handle().status().service, "shell");
    type_in(&pty, "echo =$((6*7))= $BACKENDAI_SESSION_NAME $TERM $COLORTERM; pwd; stty size\r").await;
    let text = until(&mut pty, "24 80").await;
    assert!(text.contains(&format!("=42= {} xterm-256color truecolor", session.name())), "{text}");
    let folder = lab.folder.path().canonicalize().unwrap().join("sessions");
    assert!(text.contains(&folder.display().to_string()), "{text}");
    for (rows, columns) in [(1, 1), (1000, 1000), (37, 101)] {
        pty.handle().resize(rows, columns);
    }
    type_in(&pty, "until stty size | grep '37 101'; do :; done\r").await;
    until(&mut pty, "37 101\r\n").await;
    type_in(&pty, "exit 3\r").await;
    assert_eq!(event(&mut pty).await, Some(PtyEvent::Exited { code: Some(3) }));
    assert_eq!(event(&mut pty).await, None);
    assert!(matches!(pty.handle().status().link, LinkState::Up { .. }), "the link is up");
    assert_eq!(pty.handle().try_send(Bytes::from_static(b"x")), Err(NotSent::Closed));
    // The next client to connect gets a new shell.
    let mut pty = open(&session).await;
    type_in(&pty, "kill -9 $$\r").await;
    assert_eq!(event(&mut pty).await, Some(PtyEvent::Exited { code: Some(137) }));
}

#[tokio::test]
async fn a_cut_link_comes_back_with_the_screen_and_without_what_was_typed_meanwhile() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    type_in(&pty, "KEPT=ye; echo =${KEPT}s=\r").await;
    until(&mut pty, "=yes=").await;
    let handle = pty.handle();
    handle.drop_link();
    assert!(matches!(event(&mut pty).await, Some(PtyEvent::LinkDown(_))));
    let mut changes = pty.handle();
    soon("the link", async {
        while !matches!(changes.status().link, LinkState::Up { .. }) {
            assert!(matches!(
                handle.send(Bytes::from_static(b"LOST=1\r")).await,
                Err(NotSent::LinkDown) | Ok(())
            ));
            changes.changed().await.unwrap();
        }
    })
    .await;
    assert_eq!(event(&mut pty).await, Some(PtyEvent::LinkUp));
    until(&mut pty, "=yes=").await;
    type_in(&pty, "echo =${KEPT}s=$LOST=\r").await;
    until(&mut pty, "=yes==").await;
}

#[tokio::test]
async fn two_clients_share_one_terminal() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut first = open(&session).await;
    type_in(&first, "echo =$((1+1))=\r").await;
    until(&mut first, "=2=").await;
    let mut second = open(&session).await;
    until(&mut second, "=2=").await;
    type_in(&second, "echo =$((2+2))=\r").await;
    until(&mut first, "=4=").await;
    until(&mut second, "=4=").await;
    drop(first);
    type_in(&second, "echo =$((3+3))=\r").await;
    until(&mut second, "=6=").await;
}

#[tokio::test]
async fn a_flood_waits_for_its_reader_and_ctrl_c_does_not_wait_for_the_flood() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    type_in(&pty, "yes; echo =sto''pped=\r").await;
    until(&mut pty, "y\r\ny\r\n").await;
    // From here on the output is not read. Input still arrives, and the unread output is bounded.
    type_in(&pty, "\x03").await;
    type_in(&pty, "echo =sto''pped=\r").await;
    let text = until(&mut pty, "=stopped=").await;
    // A window of output, the pieces in transit, and what `yes` writes after the reader has resumed and before the
    // signal arrives.
    assert!(text.len() < 32 << 20, "{} bytes were on their way", text.len());
}

#[tokio::test]
async fn pasted_text_is_echoed_while_the_paste_continues() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    type_in(&pty, "stty raw -echo; echo =rea''dy=; head -c 2000000; stty sane; echo =e''nd=\r").await;
    until(&mut pty, "=ready=").await;
    let data: Bytes = (0..2_000_000u32).map(|at| b'a' + (at % 26) as u8).collect::<Vec<_>>().into();
    let handle = pty.handle();
    let paste = tokio::spawn(async move { handle.send(data).await });
    // Both directions are full.
    let text = until(&mut pty, "=end=").await;
    assert_eq!(soon("the paste", paste).await.unwrap(), Ok(()));
    let letters = text.split("=end=").next().unwrap().bytes().filter(u8::is_ascii_lowercase).count();
    assert!(letters >= 2_000_000, "{letters}");
}

#[tokio::test]
async fn ten_megabytes_are_pasted_into_a_program_that_reads_late() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    type_in(&pty, "stty raw -echo; echo =rea''dy=; read -N 1; head -c 10000000 | cksum; stty sane\r").await;
    until(&mut pty, "=ready=").await;
    let data: Bytes = (0..10_000_000u32).map(|at| b'a' + (at % 26) as u8).collect::<Vec<_>>().into();
    let handle = pty.handle();
    let paste = tokio::spawn(async move {
        handle.send(Bytes::from_static(b"!")).await?;
        handle.send(data).await
    });
    let text = until(&mut pty, " 10000000").await;
    assert_eq!(soon("the paste", paste).await.unwrap(), Ok(()));
    // The checksum that cksum prints for the same bytes in a file.
    assert!(text.contains("4014690348 10000000"), "{text}");
}

#[tokio::test]
async fn the_shell_ends_with_its_session() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let mut pty = open(&session).await;
    type_in(&pty, "setsid -f sleep 98765; echo =$$= e''nd\r").await;
    let text = until(&mut pty, " end").await;
    let pid: i32 = text.rsplit('=').nth(1).unwrap().parse().unwrap();
    soon("the end", session.destroy(DestroyOptions::default())).await.unwrap();
    assert!(matches!(event(&mut pty).await, Some(PtyEvent::LinkDown(_))));
    assert!(
        matches!(event(&mut pty).await, Some(PtyEvent::LinkDown(why)) if why.contains("No such session"))
    );
    assert_eq!(event(&mut pty).await, None);
    soon("the end of all", lab.engine.shutdown()).await;
    let alive = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!alive.contains("bash"), "{alive}");
    assert_eq!(running("sleep\098765\0"), Vec::<std::path::PathBuf>::new());
}

/// Returns the folders under `/proc` of the processes with this command line.
fn running(command_line: &str) -> Vec<std::path::PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &std::path::PathBuf| {
        std::fs::read(path.join("cmdline")).is_ok_and(|line| line == command_line.as_bytes())
    };
    processes.filter(is_it).collect()
}

/// Returns a free port for a program of the session.
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn get(address: std::net::SocketAddr) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut reply = String::new();
    soon("a reply", socket.read_to_string(&mut reply)).await.unwrap();
    reply
}

#[tokio::test]
async fn a_port_of_the_users_own_is_reached_through_a_tunnel() {
    let lab = Lab::new().await;
    let port = free_port().await;
    let session = lab.session_with(vec![port]).await;
    let apps = session.apps().await.unwrap();
    assert!(
        apps.iter().any(|app| app.protocol == "pty") && apps.iter().any(|app| app.ports == [port]),
        "{apps:?}"
    );
    let options = TunnelOptions::new(port.to_string());
    let mut tunnel = soon("the tunnel", Tunnel::open(&session, &options)).await.unwrap();
    let refused = soon("the refusal", tunnel.read(&mut [0; 1])).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    let service = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let tunnel = soon("the tunnel", Tunnel::open(&session, &options)).await.unwrap();
    let (mut socket, _) = soon("the connection", service.accept()).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(tunnel);
    let data: Vec<u8> = (0..20_000_000u32).map(|at| (at % 251) as u8).collect();
    let (expected, mut back) = (data.clone(), vec![0; data.len()]);
    let echo = async {
        let (mut from, mut to) = socket.split();
        tokio::io::copy(&mut from, &mut to).await
    };
    let there_and_back = async { tokio::try_join!(writer.write_all(&data), reader.read_exact(&mut back)) };
    soon("the echo", async {
        tokio::select! {
            result = there_and_back => result.unwrap(),
            end = echo => panic!("{end:?}"),
        }
    })
    .await;
    assert!(back == expected);
    drop(socket);
    assert_eq!(soon("the end", reader.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_app_is_served_at_a_local_address_or_an_error_is_reported() {
    let lab = Lab::new().await;
    let port = free_port().await;
    let session = lab.session_with(vec![port]).await;
    let name = port.to_string();
    let error = AppListener::bind(&session, TunnelOptions::new("nope"), "127.0.0.1:0").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains(&name), "{error:?}");
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let listener = AppListener::bind(&session, TunnelOptions::new(name), &taken.to_string()).await.unwrap();
    let address = listener.address();
    let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
    let serving = tokio::spawn(listener.serve(move |event| drop(events.send(event))));
    let reply = get(address).await;
    assert!(reply.starts_with("HTTP/1.1 503") && reply.contains("start it in the session first"), "{reply}");
    let service = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let answer = async {
        let (mut socket, _) = service.accept().await.unwrap();
        socket.read_buf(&mut Vec::new()).await.unwrap();
        socket.write_all(b"hello from the session").await.unwrap();
    };
    let (reply, ()) = tokio::join!(get(address), answer);
    assert_eq!(reply, "hello from the session");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(match soon("an event", told.recv()).await.unwrap() {
            AppEvent::Opened { .. } => "opened".to_owned(),
            AppEvent::Closed { sent, received, .. } => format!("closed {sent} {received}"),
            AppEvent::Failed { error, .. } => format!("failed {:?}", error.kind()),
            other => format!("{other:?}"),
        });
    }
    assert_eq!(seen, ["opened", "failed Connect", "opened", "closed 18 22"]);
    serving.abort();
}
