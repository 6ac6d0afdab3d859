//! The client on our own engine, with a real Python.

use super::*;
use bai_engine::{Engine, EngineOptions, Workdirs};
use bai_protocol::complete::CompletionRequest;
use bai_protocol::create::CreateRequest;
use secrecy::ExposeSecret;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(super) struct Lab {
    pub(super) engine: Engine,
    pub(super) folder: tempfile::TempDir,
}

impl Lab {
    pub(super) async fn start() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let workdirs = Workdirs::Own(folder.path().to_owned());
        Lab { engine: Engine::start(EngineOptions::on_loopback(workdirs)).await.unwrap(), folder }
    }

    pub(super) fn api_at(&self, endpoint: &str) -> Api {
        let keypair = self.engine.keypair();
        let secret = keypair.secret_key().expose_secret().to_owned();
        let credentials = Credentials::keypair(keypair.access_key(), secret);
        Api::new(ApiOptions::new(endpoint).with_credentials(credentials)).unwrap()
    }

    fn api(&self) -> Api {
        self.api_at(&self.engine.endpoint())
    }

    pub(super) async fn session(&self) -> ComputeSession {
        let mut statuses = Vec::new();
        let (session, created) = soon(ComputeSession::create(&self.api(), request("python"), |status| {
            statuses.push(status.clone())
        }))
        .await
        .unwrap();
        assert!(created.created && created.status.is_executable());
        assert_eq!(statuses.last(), Some(&created.status));
        session
    }
}

fn request(image: &str) -> CreateRequest {
    CreateRequest {
        name: "work".into(),
        image: image.into(),
        reuse: true,
        // Not the shell that happens to be installed.
        python_shell: Some("plain".into()),
        ..Default::default()
    }
}

/// A way to a server on which everything can be cut, and which then works again.
async fn cuttable(upstream: &str) -> (String, watch::Sender<()>) {
    let upstream = upstream.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (cut, receiver) = watch::channel(());
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let (upstream, mut cut) = (upstream.clone(), receiver.clone());
            cut.mark_unchanged();
            tokio::spawn(async move {
                let mut outer = TcpStream::connect(upstream).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                    _ = cut.changed() => {}
                }
            });
        }
    });
    (endpoint, cut)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_created_used_and_destroyed() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let (again, created) = ComputeSession::create(&lab.api(), request("python"), |_| {}).await.unwrap();
    assert!(!created.created && again.id() == session.id());
    for transport in [Transport::WebSocket, Transport::Poll] {
        let mut run = begin(&session, "import sys; x = input('a? '); print(x); sys.exit(3)", transport).await;
        let outcome = finish(&mut run, &["ü"]).await;
        assert_eq!((outcome.stdout.as_str(), outcome.exit), ("a? ü\n", Some(Some(3))), "{transport:?}");
    }
    session.complete(CompletionRequest::at("prin", 4)).await.unwrap();
    let listed = lab.api().sessions(&[]).await.unwrap();
    assert_eq!(listed.iter().map(|other| other.id.as_str()).collect::<Vec<_>>(), [session.id().unwrap()]);
    assert_eq!(ComputeSession::attach(&lab.api(), "work").await.unwrap().id(), session.id());
    session.destroy(DestroyOptions::default()).await.unwrap();
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_cut_leaves_a_session_that_can_be_destroyed() {
    let lab = Lab::start().await;
    let api = lab.api();
    let (cut, is_cut) = tokio::sync::oneshot::channel();
    let mut cut = Some(cut);
    let on_status = |_: &SessionStatus| {
        if let Some(cut) = cut.take() {
            cut.send(()).unwrap();
        }
    };
    let creating = ComputeSession::create(&api, request("python"), on_status);
    tokio::select! { biased;
        _ = is_cut => {}
        done = creating => panic!("{done:?}"),
    }
    let session = ComputeSession::attach(&api, "work").await.unwrap();
    session.end().await.unwrap();
    assert!(api.live_sessions().await.unwrap().is_empty());

    let (session, created) =
        soon(ComputeSession::create(&api, CreateRequest { enqueue_only: true, ..request("python") }, |_| {}))
            .await
            .unwrap();
    assert!(created.created);
    drop(session.wait_until_running(None, |_| {}));
    session.end().await.unwrap();
    assert!(api.live_sessions().await.unwrap().is_empty());
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_cannot_be_created_is_reported() {
    let lab = Lab::start().await;
    let error = ComputeSession::create(&lab.api(), request("no-such-image:1"), |_| {}).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.subject()),
        (ErrorKind::UnknownImage, Some("no-such-image:1")),
        "{error:?}"
    );
    let wrong = Credentials::keypair(lab.engine.keypair().access_key(), "wrong".to_owned());
    let api = Api::new(ApiOptions::new(lab.engine.endpoint()).with_credentials(wrong)).unwrap();
    assert_eq!(ComputeSession::attach(&api, "work").await.unwrap_err().kind(), ErrorKind::Auth);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_loops_and_questions_and_keeps_variables() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    finish(&mut begin(&session, "kept = 42", Transport::Auto).await, &[]).await;
    for transport in [Transport::WebSocket, Transport::Poll] {
        for code in ["while True: pass", "input('? ')"] {
            let mut run = begin(&session, &format!("print('on')\n{code}"), transport).await;
            assert!(matches!(soon(run.next()).await, Some(RunEvent::Console(_))));
            run.interrupt();
            let outcome = finish(&mut run, &[]).await;
            assert!(outcome.stderr.contains("KeyboardInterrupt"), "{transport:?} {code} {outcome:?}");
        }
        let outcome =
            finish(&mut begin(&session, "print(kept, input())", transport).await, &["answer"]).await;
        assert_eq!(outcome.stdout, "42 answer\n", "no stray answer was left behind");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_after_an_interrupt_is_answered_by_the_user() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let code = "try: input('a')\nexcept KeyboardInterrupt: print(input('b'))";
    for transport in [Transport::WebSocket, Transport::Poll] {
        let mut run = begin(&session, code, transport).await;
        while !matches!(soon(run.next()).await, Some(RunEvent::WaitingInput { .. })) {}
        run.interrupt();
        let outcome = finish(&mut run, &["yes"]).await;
        assert_eq!((outcome.questions, outcome.stdout.as_str()), (1, "byes\n"), "{transport:?}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_a_question_is_not_accepted() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for transport in [Transport::WebSocket, Transport::Poll] {
        let mut run =
            begin(&session, "print('on', flush=True)\nprint(input('? '), input('? '))", transport).await;
        assert!(!run.send_input("too early".to_owned()), "{transport:?}");
        let mut questions = 0;
        while let Some(event) = soon(run.next()).await {
            if matches!(event, RunEvent::WaitingInput { .. }) {
                questions += 1;
                assert!(run.send_input(questions.to_string()), "{transport:?}");
                assert!(!run.send_input("again".to_owned()), "{transport:?}");
            }
        }
        assert!(!run.send_input("too late".to_owned()), "{transport:?}");
        let gave = finish(&mut begin(&session, "print(input())", transport).await, &["last"]).await;
        assert_eq!((questions, gave.stdout.as_str()), (2, "last\n"), "{transport:?}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_belongs_to_its_run_even_with_newlines() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for transport in [Transport::WebSocket, Transport::Poll] {
        for (answer, shown) in [("a\n", "'a'\n"), ("a\r\n", "'a'\n"), ("a\n\n", "'a'\n"), ("a\nb", "'a'\n")] {
            let outcome =
                finish(&mut begin(&session, "print(repr(input()))", transport).await, &[answer]).await;
            assert_eq!((outcome.questions, outcome.stdout.as_str()), (1, shown), "{answer:?} {transport:?}");
            let outcome = finish(&mut begin(&session, "print(input())", transport).await, &["own"]).await;
            assert_eq!(
                (outcome.questions, outcome.stdout.as_str()),
                (1, "own\n"),
                "{answer:?} {transport:?}"
            );
        }
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_interrupted_from_another_task() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let mut run = begin(&session, "print('on', flush=True)\nwhile True: pass", Transport::Auto).await;
    let interrupter = run.interrupter();
    assert!(matches!(soon(run.next()).await, Some(RunEvent::Console(_))));
    let interrupting = tokio::spawn(async move { interrupter.interrupt() });
    let outcome = finish(&mut run, &[]).await;
    assert_eq!(outcome.exit, Some(Some(1)), "{outcome:?}");
    interrupting.await.unwrap();
    // A handle that is kept does not keep the run.
    let run = begin(&session, "while True: pass", Transport::Auto).await;
    let interrupter = run.interrupter();
    drop(run);
    assert!(soon(session.settle(Duration::from_secs(30))).await);
    interrupter.interrupt();
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_name_and_a_taken_name_are_told() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for found in [ComputeSession::attach(&lab.api(), "").await, ComputeSession::find(&lab.api(), "").await] {
        assert_eq!(found.unwrap_err().kind(), ErrorKind::BadRequest);
    }
    let request = CreateRequest { name: session.name().into(), image: "python".into(), ..Default::default() };
    let error = ComputeSession::create(&lab.api(), request, |_| ()).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::NameTaken, Some(session.name())), "{error:?}");
    lab.engine.shutdown().await;
}

#[test]
fn a_run_whose_runtime_ended_is_lost() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (servers, clients) = (runtime(), runtime());
    let lab = servers.block_on(Lab::start());
    let code = "input('? ')";
    let mut run = clients.block_on(async { begin(&lab.session().await, code, Transport::Auto).await });
    drop(clients);
    servers.block_on(async {
        let last = loop {
            match soon(run.next()).await.expect("a last event") {
                RunEvent::Lost(lost) => break lost,
                RunEvent::Finished { .. } => panic!("it waits for input"),
                _ => {}
            }
        };
        assert_eq!((last.error.kind(), last.session), (ErrorKind::Lost, SessionState::Unknown), "{last:?}");
        assert!(run.next().await.is_none());
        assert!(!run.send_input("x".to_owned()));
        lab.engine.shutdown().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_resumed() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let (endpoint, cut) = cuttable(&lab.engine.endpoint()).await;
    let through = ComputeSession::attach(&lab.api_at(&endpoint), "work").await.unwrap();
    let code = "print('before', flush=True)\nanswer = input('? ')\nprint('after', answer)";
    let mut run = begin(&through, code, Transport::WebSocket).await;
    let mut head = String::new();
    loop {
        match soon(run.next()).await.unwrap() {
            RunEvent::Console(bai_protocol::record::ConsoleRecord::Stdout(text)) => head.push_str(&text),
            RunEvent::WaitingInput { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    cut.send_replace(());
    assert!(matches!(soon(run.next()).await, Some(RunEvent::Resumed)));
    assert!(run.send_input("now".to_owned()));
    let outcome = finish(&mut run, &[]).await;
    assert_eq!(format!("{head}{}", outcome.stdout), "before\n? after now\n");
    assert_eq!((outcome.questions, outcome.exit), (0, Some(Some(0))));
    drop(session);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_run_can_be_resumed_by_another_client() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let mut run = begin(&session, "print('one')\nprint(input('? '))", Transport::Auto).await;
    assert!(soon(run.next()).await.is_some());
    run.leave();
    assert!(soon(session.settle(Duration::from_secs(30))).await);
    let other = ComputeSession::attach(&lab.api(), "work").await.unwrap();
    let id = other.current_run().await.unwrap().expect("the run goes on");
    let mut run = other.resume(id, RunOptions::default()).await.unwrap();
    let outcome = finish(&mut run, &["two"]).await;
    assert!(outcome.stdout.ends_with("two\n"), "{outcome:?}");
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_dies_during_a_run_is_reported_as_gone() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for transport in [Transport::WebSocket, Transport::Poll] {
        let session = if transport == Transport::Poll { lab.session().await } else { session.clone() };
        let mut run = begin(&session, "print('on')\nwhile True: pass", transport).await;
        assert!(soon(run.next()).await.is_some());
        session.destroy(DestroyOptions::default()).await.unwrap();
        let lost = finish(&mut run, &[]).await.lost.unwrap();
        assert_eq!(lost.session, SessionState::Gone, "{transport:?} {lost:?}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_ends_during_a_run_is_reported() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let mut run = begin(&session, "print('on')\nwhile True: pass", Transport::Auto).await;
    assert!(soon(run.next()).await.is_some());
    lab.engine.shutdown().await;
    assert_eq!(finish(&mut run, &[]).await.lost.unwrap().session, SessionState::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_complete_for_a_slow_reader_too() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for transport in [Transport::WebSocket, Transport::Poll] {
        let outcome = finish(&mut begin(&session, "print('x' * 20_000_000)", transport).await, &[]).await;
        assert_eq!(outcome.stdout.len(), 20_000_001, "{transport:?}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let lab = Lab::start().await;
    let request = CreateRequest { preopen_ports: vec![12345], ..request("python") };
    let (session, _) = soon(ComputeSession::create(&lab.api(), request, |_| {})).await.unwrap();
    let taken = lab.engine.endpoint().trim_start_matches("http://").to_owned();
    let error = AppListener::bind(&session, TunnelOptions::new("12345"), &taken).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::CannotListen, Some(taken.as_str())), "{error:?}");
    assert_eq!(error.hint(), None);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_uploaded_and_downloaded() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let from = lab.folder.path().join("local");
    std::fs::write(&from, "content").unwrap();
    let uploads: Vec<_> = (0..23).map(|n| Upload::new(from.clone(), format!("sub/f {n} ü"))).collect();
    let mut sent = 0;
    let new = UploadOptions::default();
    session
        .upload_with(&uploads, new, |progress| sent += u32::from(progress.done == progress.size))
        .await
        .unwrap();
    assert_eq!((sent, session.list_files("sub").await.unwrap().len()), (23, 23));
    let into = lab.folder.path().join("down");
    let got = session.download(&["sub".into()], &into, DownloadOptions::default()).await.unwrap();
    assert_eq!((got.files.len(), got.bytes, got.skipped.len()), (23, 23 * 7, 0));
    assert_eq!(std::fs::read_to_string(into.join("sub/f 7 ü")).unwrap(), "content");
    assert_eq!(session.read_file("sub/f 22 ü").await.unwrap(), "content");
    assert!(session.list_files("none").await.is_err());
    std::fs::write(&from, "other").unwrap();
    let also = [vec![Upload::new(from.clone(), "new")], uploads[3..5].to_vec()].concat();
    let error = session.upload(&also, new).await.unwrap_err();
    assert_eq!((error.kind(), error.existing().len()), (ErrorKind::AlreadyExists, 2), "{error}");
    assert_eq!(error.existing()[0], "sub/f 3 ü");
    assert!(session.read_file("new").await.is_err(), "no file was sent");
    assert_eq!(
        session.write_file("sub/f 3 ü", "x".into(), new).await.unwrap_err().kind(),
        ErrorKind::AlreadyExists
    );
    session.upload(&also, UploadOptions { overwrite: true }).await.unwrap();
    assert_eq!(session.read_file("sub/f 4 ü").await.unwrap(), "other");
    let onto_a_folder = [Upload::new(from, "sub")];
    let replacing = UploadOptions { overwrite: true };
    for error in [
        session.upload(&onto_a_folder, replacing).await.unwrap_err(),
        session.write_file("sub", "x".into(), replacing).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
        assert_eq!(error.to_string(), "cannot replace the folder sub with a file");
    }
    lab.engine.shutdown().await;
}
