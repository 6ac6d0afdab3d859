//! `bai-repl tunnel`: one connection to an app of a session, at standard input and output. The local address of an app is in `apps`.

use crate::cli::args;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use bai_client::{Tunnel, TunnelOptions};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes that are carried in one step.
const PIECE: usize = 64 << 10;

/// Connects the app until it closes the connection, or until nobody reads standard output.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    command: &args::Tunnel,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    let tunnel = Tunnel::open(&session, &TunnelOptions::new(&command.app)).await?;
    let (mut from_app, mut to_app) = tokio::io::split(tunnel);
    let upload = async {
        let carried = carry(&mut tokio::io::stdin(), &mut to_app).await;
        tracing::debug!(?carried, "standard input has ended");
        // The rest of the answer comes after it.
        let _ = to_app.shutdown().await;
        std::future::pending::<Carried>().await
    };
    let mut stdout = tokio::io::stdout();
    let ended = tokio::select! {
        biased;
        ended = carry(&mut from_app, &mut stdout) => ended,
        ended = upload => ended,
        () = table::reader_gone() => Carried::All,
    };
    match ended {
        Carried::All => Ok(ExitStatus::Ok),
        Carried::Unwritten(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitStatus::Ok),
        Carried::Unwritten(error) => {
            Err(CliError::new(ExitStatus::Failed, format!("cannot write to standard output: {error}")))
        }
        Carried::Unread(error) => {
            let sentence = format!("the connection to {} of {} broke: {error}", command.app, session.name());
            Err(CliError::new(ExitStatus::Lost, sentence))
        }
    }
}

/// How far bytes were carried.
#[derive(Debug)]
enum Carried {
    /// To their end.
    All,
    /// Until they could not be read.
    Unread(io::Error),
    /// Until they could not be written.
    Unwritten(io::Error),
}

/// Carries bytes to their end, each as soon as it comes.
async fn carry(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Carried {
    let mut buffer = Vec::with_capacity(PIECE);
    loop {
        buffer.clear();
        match from.read_buf(&mut buffer).await {
            Ok(0) => return Carried::All,
            Ok(_) => {}
            Err(error) => return Carried::Unread(error),
        }
        let written = async {
            to.write_all(&buffer).await?;
            to.flush().await
        };
        if let Err(error) = written.await {
            return Carried::Unwritten(error);
        }
    }
}
