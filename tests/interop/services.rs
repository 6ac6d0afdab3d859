//! Services that need programs which are not available on every machine: `ttyd`, and `jupyter` with Notebook and Lab.
//! With them on `PATH`:
//!
//!     cargo test --test services
//!
//! Plain `cargo test` does not run it.

use bai_client::pty::PtyEvent;
use bai_client::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[allow(dead_code, reason = "the tests of terminals use more of it")]
mod lab;

use lab::*;

#[tokio::test]
async fn ttyd_runs_as_a_service() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let options = PtyOptions { source: PtySource::Ttyd, rows: 24, columns: 80 };
    let mut pty = soon("the terminal", Pty::open(&session, options)).await.unwrap();
    pty.handle().resize(37, 101);
    type_in(&pty, "until stty size | grep '37 101'; do :; done; echo =$((6*7))=\r").await;
    until(&mut pty, "=42=").await;
    type_in(&pty, "exit\r").await;
    assert_eq!(event(&mut pty).await, Some(PtyEvent::Exited { code: None }));
}

#[tokio::test]
async fn jupyter_runs_as_a_service() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    for name in ["jupyter", "jupyterlab"] {
        let listener = soon("jupyter", AppListener::bind(&session, TunnelOptions::new(name), "127.0.0.1:0"))
            .await
            .unwrap();
        let address = listener.address();
        let serving = tokio::spawn(listener.serve(|_| {}));
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET /api/status HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut reply = String::new();
        soon("a reply", socket.read_to_string(&mut reply)).await.unwrap();
        assert!(reply.contains("200 OK") && reply.contains("\"kernels\""), "{reply}");
        serving.abort();
    }
}
