//! Answers a program that asks for input and for a password, with lines of standard input.
//!
//! The server comes from `BACKEND_ENDPOINT`, `BACKEND_ACCESS_KEY` and `BACKEND_SECRET_KEY`; `BACKEND_IMAGE` names another
//! image than `python`.

use bai_client::{
    Api, ApiOptions, Cell, ComputeSession, ConsoleRecord, CreateRequest, DestroyOptions, RunEvent, RunOptions,
};
use std::error::Error;
use std::io::Write;

const CODE: &str = "
import getpass
name = input('name: ')
password = getpass.getpass('password: ')
print('hello', name + ', your password has', len(password), 'characters')
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::new(ApiOptions::from_env()?)?;
    let image = std::env::var("BACKEND_IMAGE").unwrap_or_else(|_| "python".to_owned());
    let request = CreateRequest::new("user-input", image);
    let (session, _) = ComputeSession::create(&api, request, |_| {}).await?;

    let mut run = session.execute(Cell::query(CODE), RunOptions::default()).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => print!("{text}"),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => eprint!("{text}"),
            RunEvent::WaitingInput { is_password } => {
                // A program at a terminal switches the echo off here.
                if is_password {
                    println!("(not shown)");
                }
                std::io::stdout().flush()?;
                let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?;
                run.send_input(line.transpose()?.unwrap_or_default());
            }
            RunEvent::Finished { exit_code } => println!("exit code: {exit_code:?}"),
            RunEvent::Lost(lost) => return Err(lost.error.into()),
            _ => {}
        }
    }

    session.destroy(DestroyOptions::default()).await?;
    Ok(())
}
