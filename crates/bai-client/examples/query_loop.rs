//! Runs code in a session and reads what it prints until it ends.
//!
//! The server comes from `BACKEND_ENDPOINT`, `BACKEND_ACCESS_KEY` and `BACKEND_SECRET_KEY`; `BACKEND_IMAGE` names another
//! image than `python`.

use bai_client::{
    Api, ApiOptions, Cell, ComputeSession, ConsoleRecord, CreateRequest, DestroyOptions, RunEvent, RunOptions,
};
use std::error::Error;

const CODE: &str = "
for n in range(3):
    print('line', n)
1 / 0
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::new(ApiOptions::from_env()?)?;
    let image = std::env::var("BACKEND_IMAGE").unwrap_or_else(|_| "python".to_owned());
    let request = CreateRequest::new("query-loop", image);
    let (session, _) = ComputeSession::create(&api, request, |status| println!("session: {status}")).await?;

    let mut run = session.execute(Cell::query(CODE), RunOptions::default()).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => print!("{text}"),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => eprint!("{text}"),
            RunEvent::Finished { exit_code } => println!("exit code: {exit_code:?}"),
            RunEvent::Lost(lost) => return Err(lost.error.into()),
            _ => {}
        }
    }

    session.destroy(DestroyOptions::default()).await?;
    Ok(())
}
