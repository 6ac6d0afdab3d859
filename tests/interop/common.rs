//! The scenarios for every server, for a genuine cluster and our own engine. This module does not know which suite runs
//! them or where. Each scenario leaves the session usable.

use super::suite::{Outcome, Scenario, ensure, text};
use bai_client::*;
use bai_protocol::execute::BatchOptions;
use bai_protocol::record::ConsoleRecord;
use bai_protocol::status::SessionStatus;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The scenarios on one session, in this order.
pub const ON_EVERY_SERVER: &[(&str, Scenario<ComputeSession>)] = &[
    ("print over websocket", |s| Box::pin(prints(s, Transport::WebSocket))),
    ("print over polling", |s| Box::pin(prints(s, Transport::Poll))),
    ("exit code of an exception", |s| Box::pin(exception(s))),
    ("input", |s| Box::pin(input(s, Transport::WebSocket))),
    ("input over polling", |s| Box::pin(input(s, Transport::Poll))),
    ("password", |s| Box::pin(password(s))),
    ("interrupt a loop", |s| Box::pin(interrupt(s, "while True: pass", Transport::WebSocket))),
    ("interrupt a loop over polling", |s| Box::pin(interrupt(s, "while True: pass", Transport::Poll))),
    ("interrupt at a question", |s| Box::pin(interrupt(s, "input('? ')", Transport::WebSocket))),
    ("interrupt at a question over polling", |s| Box::pin(interrupt(s, "input('? ')", Transport::Poll))),
    ("a dropped run is ended", |s| Box::pin(dropped(s, "import time\nwhile True: time.sleep(1)"))),
    ("a run dropped at a question is ended", |s| Box::pin(dropped(s, "input('? ')"))),
    ("a second run waits its turn", |s| Box::pin(second_waits(s))),
    ("20 MB of lines", |s| Box::pin(flood(s, Transport::WebSocket))),
    ("20 MB of lines over polling", |s| Box::pin(flood(s, Transport::Poll))),
    ("quick batch steps", |s| Box::pin(quick_batch(s))),
    ("a batch whose build fails", |s| Box::pin(failing_batch(s))),
    ("upload and download", |s| Box::pin(files(s))),
    ("names of files", |s| Box::pin(file_names(s))),
    ("the connection is cut while polling", |s| Box::pin(cut(s, Transport::Poll))),
    ("info, logs, list", |s| Box::pin(look(s))),
    ("attach by name and id", |s| Box::pin(attach(s))),
];

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outputs {
    pub stdout: String,
    pub stderr: String,
    pub other: Vec<ConsoleRecord>,
    pub notes: Vec<String>,
    pub exit: Option<i32>,
    pub lost: Option<LostRun>,
    pub finished: bool,
}

/// Starts to run code.
pub async fn begin(session: &ComputeSession, code: &str, transport: Transport) -> Result<Run, String> {
    session.execute(Cell::Query(code.to_owned()), RunOptions::over(transport)).await.map_err(text)
}

/// Reads until the end; `on_question` answers questions.
pub async fn finish(run: &mut Run, mut on_question: impl FnMut(&Run, bool)) -> Outputs {
    let mut outputs = Outputs::default();
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => outputs.stdout.push_str(&text),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => outputs.stderr.push_str(&text),
            RunEvent::Console(other) => outputs.other.push(other),
            RunEvent::WaitingInput { is_password } => on_question(run, is_password),
            RunEvent::Finished { exit_code } => {
                outputs.exit = exit_code;
                outputs.finished = true;
            }
            RunEvent::Lost(lost) => outputs.lost = Some(lost),
            other => outputs.notes.push(format!("{other:?}")),
        }
    }
    outputs
}

/// Runs code until its end.
pub async fn run(session: &ComputeSession, code: &str, transport: Transport) -> Result<Outputs, String> {
    Ok(finish(&mut begin(session, code, transport).await?, |_, _| {}).await)
}

/// Checks that a session accepts code and returns its output.
pub async fn prints(session: &ComputeSession, transport: Transport) -> Outcome {
    let start = Instant::now();
    let outputs = run(session, "print(6 * 7)", transport).await?;
    ensure(outputs.stdout == "42\n" && outputs.exit == Some(0), format!("{outputs:?}"))?;
    Ok(format!("{:.0} ms", start.elapsed().as_secs_f64() * 1e3))
}

async fn exception(session: &ComputeSession) -> Outcome {
    let outputs = run(session, "1/0", Transport::Auto).await?;
    ensure(outputs.exit == Some(1) && outputs.stderr.contains("ZeroDivisionError"), format!("{outputs:?}"))?;
    Ok(String::new())
}

async fn input(session: &ComputeSession, transport: Transport) -> Outcome {
    let mut run = begin(session, "a = input('a? '); b = input('b? '); print(a, b)", transport).await?;
    let mut answers = ["eins ü", ""].into_iter();
    let outputs = finish(&mut run, |run, _| {
        assert!(run.send_input(answers.next().unwrap_or_default().to_owned()));
    })
    .await;
    ensure(outputs.stdout == "a? b? eins ü \n" && outputs.exit == Some(0), format!("{outputs:?}"))?;
    Ok(String::new())
}

async fn password(session: &ComputeSession) -> Outcome {
    let code = "import getpass; print(len(getpass.getpass('pw: ')))";
    let mut run = begin(session, code, Transport::Auto).await?;
    let mut hidden = false;
    let outputs = finish(&mut run, |run, is_password| {
        hidden = is_password;
        run.send_input("12345".to_owned());
    })
    .await;
    ensure(hidden && outputs.stdout == "pw: 5\n", format!("{outputs:?}"))?;
    Ok(String::new())
}

async fn interrupt(session: &ComputeSession, code: &str, transport: Transport) -> Outcome {
    let mut run = begin(session, &format!("print('on')\n{code}"), transport).await?;
    // The first output or the question shows that the program is running.
    let first = run.next().await;
    ensure(matches!(first, Some(RunEvent::Console(_))), format!("{first:?}"))?;
    let start = Instant::now();
    run.interrupt();
    let outputs = finish(&mut run, |_, _| {}).await;
    ensure(outputs.finished && outputs.exit == Some(1), format!("{outputs:?}"))?;
    ensure(outputs.stderr.contains("KeyboardInterrupt"), format!("{outputs:?}"))?;
    let took = start.elapsed();
    prints(session, transport).await?;
    Ok(format!("ended after {:.0} ms", took.as_secs_f64() * 1e3))
}

async fn dropped(session: &ComputeSession, code: &str) -> Outcome {
    let mut first = begin(session, &format!("print('on')\n{code}"), Transport::Auto).await?;
    let _ = first.next().await;
    drop(first);
    let start = Instant::now();
    prints(session, Transport::Auto).await?;
    Ok(format!("the next run was done after {:.0} ms", start.elapsed().as_secs_f64() * 1e3))
}

async fn second_waits(session: &ComputeSession) -> Outcome {
    let code = "import time; time.sleep(1.5); print('first', time.time())";
    let mut first = begin(session, code, Transport::Auto).await?;
    let (one, two) = tokio::join!(
        finish(&mut first, |_, _| {}),
        run(session, "print('second', time.time())", Transport::Auto)
    );
    let two = two?;
    ensure(one.stdout.starts_with("first") && two.stdout.starts_with("second"), format!("{one:?} {two:?}"))?;
    Ok(String::new())
}

async fn flood(session: &ComputeSession, transport: Transport) -> Outcome {
    let code = "for i in range(400_000): print('%049d' % i)";
    let start = Instant::now();
    let outputs = run(session, code, transport).await?;
    let took = start.elapsed().as_secs_f64();
    ensure(outputs.finished, format!("{:?}", outputs.lost))?;
    let bytes = outputs.stdout.len();
    ensure(bytes == 20_000_000 && outputs.stdout.ends_with("399999\n"), format!("{bytes} bytes"))?;
    Ok(format!("{:.1} MB/s", bytes as f64 / 1e6 / took))
}

async fn batch(session: &ComputeSession, build: &str, exec: &str) -> Result<Outputs, String> {
    let options = BatchOptions { build: build.into(), exec: exec.into(), ..Default::default() };
    let run = session.execute(Cell::Batch(options), RunOptions::default()).await;
    Ok(finish(&mut run.map_err(text)?, |_, _| {}).await)
}

async fn quick_batch(session: &ComputeSession) -> Outcome {
    let start = Instant::now();
    for _ in 0..3 {
        let outputs = batch(session, "echo built", "echo ran").await?;
        ensure(outputs.stdout == "built\nran\n" && outputs.exit == Some(0), format!("{outputs:?}"))?;
        let outputs = batch(session, "", "exit 3").await?;
        ensure(outputs.finished && outputs.exit == Some(3), format!("{outputs:?}"))?;
        let outputs = batch(session, "echo built", "").await?;
        ensure(outputs.stdout == "built\n" && outputs.exit == Some(0), format!("{outputs:?}"))?;
    }
    prints(session, Transport::Auto).await?;
    Ok(format!("nine runs in {:.1} s", start.elapsed().as_secs_f64()))
}

async fn failing_batch(session: &ComputeSession) -> Outcome {
    for _ in 0..2 {
        let outputs = batch(session, "echo wrong >&2; exit 2", "echo never").await?;
        ensure(
            outputs.stderr == "wrong\n" && outputs.stdout.is_empty() && outputs.finished,
            format!("{outputs:?}"),
        )?;
        ensure(outputs.exit.is_some_and(|code| code != 0), format!("{outputs:?}"))?;
    }
    prints(session, Transport::Auto).await
}

async fn look(session: &ComputeSession) -> Outcome {
    let info = session.info().await.map_err(text)?;
    let listed = session.api().sessions(&[SessionStatus::Running]).await.map_err(text)?;
    ensure(listed.iter().any(|other| Some(other.id.as_str()) == session.id()), format!("{listed:?}"))?;
    ensure(info.status.as_ref().is_some_and(|status| status.is_executable()), format!("{:?}", info.status))?;
    let logs = session.logs().await.map_err(text)?;
    Ok(format!("{} bytes of log", logs.len()))
}

async fn attach(session: &ComputeSession) -> Outcome {
    let by_name = ComputeSession::attach(session.api(), session.name()).await.map_err(text)?;
    let by_id =
        ComputeSession::attach(session.api(), session.id().unwrap_or_default()).await.map_err(text)?;
    ensure(by_name.id() == session.id() && by_id.id() == session.id(), format!("{by_name:?} {by_id:?}"))?;
    match ComputeSession::attach(session.api(), "no-such-session").await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(error.to_string()),
        other => Err(format!("{other:?}")),
    }
}

async fn files(session: &ComputeSession) -> Outcome {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut uploads = Vec::new();
    for index in 0..23_u8 {
        let from = folder.path().join(format!("{index}"));
        std::fs::write(&from, vec![index; 1000 * usize::from(index)]).map_err(|error| error.to_string())?;
        uploads.push(Upload::new(from, format!("/home/work/up/f{index}")));
    }
    session.upload(&uploads, UploadOptions { overwrite: true }).await.map_err(text)?;
    let listed = session.list_files("up").await.map_err(text)?;
    ensure(listed.len() == 23, format!("{} files", listed.len()))?;
    let into = folder.path().join("down");
    let paths = vec!["up".to_owned(), "up/f7".to_owned()];
    let got = session.download(&paths, &into, DownloadOptions::default()).await.map_err(text)?;
    ensure(got.files.len() == 24 && got.skipped.is_empty(), format!("{got:?}"))?;
    for (name, size) in [("up/f22", 22_000), ("f7", 7_000)] {
        let content = std::fs::read(into.join(name)).map_err(|error| error.to_string())?;
        ensure(content.len() == size, format!("{name}: {}", content.len()))?;
    }
    let one = session.read_file("up/f3").await.map_err(text)?;
    ensure(one == vec![3; 3000], "read_file")?;
    let missing = session.list_files("no-such-folder").await;
    ensure(matches!(&missing, Err(error) if error.kind() == ErrorKind::NoSuchFile), format!("{missing:?}"))?;
    Ok(format!("{} bytes", got.bytes))
}

async fn file_names(session: &ComputeSession) -> Outcome {
    let names = ["a b", "ü 한", "q\"uote", "semi;colon", "back\\slash", "per%20cent", "plus+&=#?"];
    for name in names {
        session
            .write_file(
                &format!("odd/{name}"),
                name.as_bytes().to_vec().into(),
                UploadOptions { overwrite: true },
            )
            .await
            .map_err(text)?;
    }
    let listed: Vec<_> =
        session.list_files("odd").await.map_err(text)?.into_iter().map(|entry| entry.filename).collect();
    let missing: Vec<_> = names.iter().filter(|name| !listed.iter().any(|other| other == *name)).collect();
    ensure(missing.is_empty(), format!("missing {missing:?} in {listed:?}"))?;
    for name in names {
        let content = session.read_file(&format!("odd/{name}")).await.map_err(text)?;
        ensure(content == name.as_bytes(), format!("{name}: {content:?}"))?;
    }
    Ok(String::new())
}

/// Creates a link to the server that can be cut: `true` in the channel ends all connections.
pub async fn cuttable(api: &Api) -> Result<(Api, watch::Sender<bool>), String> {
    let upstream = api.endpoint().trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let (cut, receiver) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let (upstream, mut receiver) = (upstream.clone(), receiver.clone());
            tokio::spawn(async move {
                let Ok(mut outer) = TcpStream::connect(upstream).await else { return };
                receiver.mark_unchanged();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                    _ = receiver.changed() => {}
                }
            });
        }
    });
    let options = ApiOptions { endpoint: format!("http://{address}"), ..api.options().clone() };
    Ok((Api::new(options).map_err(text)?, cut))
}

async fn cut(session: &ComputeSession, transport: Transport) -> Outcome {
    let (api, cut) = cuttable(session.api()).await?;
    let session = ComputeSession::attach(&api, session.name()).await.map_err(text)?;
    let code = "import time\nfor i in range(50): print(i, flush=True); time.sleep(0.1)";
    let mut run = begin(&session, code, transport).await?;
    let first = run.next().await;
    let Some(RunEvent::Console(ConsoleRecord::Stdout(head))) = first else {
        return Err(format!("{first:?}"));
    };
    cut.send_replace(true);
    let outputs = finish(&mut run, |_, _| {}).await;
    let text = format!("{head}{}", outputs.stdout);
    let numbers: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
    // A genuine server has taken the output of the poll that was cut, at most that of 2 s (`docs/wire` §3.6).
    let missing = 50 - numbers.len().min(50);
    let allowed =
        if transport == Transport::Poll && !api.has(Capability::NumberedFrames).await { 25 } else { 0 };
    ensure(
        outputs.finished && missing <= allowed && numbers.is_sorted() && numbers.last() == Some(&49),
        format!("{numbers:?}, {:?} {:?}", outputs.lost, outputs.notes),
    )?;
    prints(&session, Transport::Auto).await?;
    Ok(String::new())
}
