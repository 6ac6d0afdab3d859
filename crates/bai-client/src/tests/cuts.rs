//! Links that break without a loss of output: our client and our engine with a real network between them.

use super::engine::Lab;
use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to a server that breaks once certain numbers of bytes have come through it from there. Every connection
/// breaks then, in the middle of whatever it carries; new ones are served.
pub(super) struct Way {
    pub(super) endpoint: String,
    state: Arc<State>,
    is_open: watch::Sender<bool>,
}

struct State {
    target: String,
    /// Where to break, in bytes of all connections together.
    cuts: Vec<usize>,
    passed: AtomicUsize,
    done: watch::Sender<usize>,
    is_open: watch::Receiver<bool>,
}

impl Way {
    pub(super) async fn to(engine: &str, cuts: &[usize]) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let is_open = watch::Sender::new(true);
        let state = Arc::new(State {
            target: engine.trim_start_matches("http://").to_owned(),
            cuts: cuts.to_vec(),
            passed: AtomicUsize::new(0),
            done: watch::Sender::new(0),
            is_open: is_open.subscribe(),
        });
        let serving = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(serving.clone(), client));
            }
        });
        Way { endpoint, state, is_open }
    }

    pub(super) fn cuts(&self) -> usize {
        *self.state.done.borrow()
    }

    /// Breaks all connections; new ones are taken and not served before it is opened again.
    fn close(&self) {
        self.is_open.send_replace(false);
        self.state.done.send_modify(|done| *done += 1);
    }

    fn open(&self) {
        self.is_open.send_replace(true);
    }
}

async fn serve(state: Arc<State>, client: TcpStream) {
    let mut is_open = state.is_open.clone();
    is_open.wait_for(|is_open| *is_open).await.unwrap();
    let mut cut = state.done.subscribe();
    let server = TcpStream::connect(&state.target).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = down(&state, &mut from_server, &mut to_client) => {}
        _ = cut.changed() => {}
    }
}

/// Carries what the server says, up to the very byte at which it is to be cut.
async fn down(state: &State, from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let before = state.passed.fetch_add(read, Ordering::SeqCst);
        let cut = state.cuts.iter().find(|at| (before..before + read).contains(*at));
        let keep = cut.map_or(read, |at| at - before);
        if to.write_all(&buffer[..keep]).await.is_err() {
            return;
        }
        if cut.is_some() {
            state.done.send_modify(|done| *done += 1);
            return;
        }
    }
}

const LINES: usize = 300_000;

fn assert_every_line_once(text: &str) {
    let mut lines = text.lines();
    for number in 0..LINES {
        assert_eq!(lines.next(), Some(format!("line {number}").as_str()), "in order and without a gap");
    }
    assert_eq!(lines.next(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_over_an_unreliable_link_is_complete() {
    let lab = Lab::start().await;
    let _session = lab.session().await;
    let cuts: Vec<usize> = [3_000, 150_001, 700_000, 1_048_577, 1_200_000, 2_000_003, 3_100_000]
        .iter()
        .map(|at| at + 600)
        .collect();
    for transport in [Transport::WebSocket, Transport::Poll] {
        let way = Way::to(&lab.engine.endpoint(), &cuts).await;
        let through = ComputeSession::attach(&lab.api_at(&way.endpoint), "work").await.unwrap();
        let code = format!("for i in range({LINES}): print('line', i)\nimport sys; sys.exit(3)");
        let mut run = begin(&through, &code, transport).await;
        let outcome = finish(&mut run, &[]).await;
        assert!(outcome.lost.is_none(), "{:?}", outcome.lost);
        assert_every_line_once(&outcome.stdout);
        assert_eq!(outcome.exit, Some(Some(3)), "{transport:?}");
        assert!(way.cuts() >= 3, "{} cuts met {transport:?}", way.cuts());
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_ends_while_disconnected_is_reported_later() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let fifo = lab.folder.path().join("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let way = Way::to(&lab.engine.endpoint(), &[]).await;
    let through = ComputeSession::attach(&lab.api_at(&way.endpoint), "work").await.unwrap();
    let code = format!(
        "print('on', flush=True)\nopen({fifo:?}).read()\nfor i in range(1000): print('line', i)\nimport sys; sys.exit(4)"
    );
    for transport in [Transport::WebSocket, Transport::Poll] {
        let mut run = begin(&through, &code, transport).await;
        let mut printed = String::new();
        while printed != "on\n" {
            let Some(RunEvent::Console(ConsoleRecord::Stdout(text))) = soon(run.next()).await else {
                panic!()
            };
            printed.push_str(&text);
        }
        way.close();
        let fifo = fifo.clone();
        tokio::task::spawn_blocking(move || std::fs::write(fifo, "x")).await.unwrap().unwrap();
        // Runs of one session follow each other: the first is over when this one is.
        finish(&mut begin(&session, "", Transport::Auto).await, &[]).await;
        way.open();
        let outcome = finish(&mut run, &[]).await;
        assert_eq!(outcome.stdout.lines().count(), 1000, "{transport:?}");
        assert!(outcome.stdout.starts_with("line 0\n") && outcome.stdout.ends_with("line 999\n"));
        assert_eq!(outcome.exit, Some(Some(4)), "{transport:?}");
    }
    lab.engine.shutdown().await;
}
