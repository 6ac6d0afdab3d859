//! Streams the output of a program over a WebSocket while it runs, pictures and HTML included.
//!
//! The server comes from `BACKEND_ENDPOINT`, `BACKEND_ACCESS_KEY` and `BACKEND_SECRET_KEY`; `BACKEND_IMAGE` names another
//! image than `python`.

use bai_client::{
    Api, ApiOptions, Cell, ComputeSession, ConsoleRecord, CreateRequest, DestroyOptions, RunEvent,
    RunOptions, Transport,
};
use std::error::Error;

const CODE: &str = "
import time
for percent in (0, 50, 100):
    print(percent, '%', flush=True)
    time.sleep(0.1)

class Circle:
    def _repr_svg_(self):
        return '<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\"><circle cx=\"20\" cy=\"20\" r=\"18\"/></svg>'

Circle()
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::new(ApiOptions::from_env()?)?;
    let image = std::env::var("BACKEND_IMAGE").unwrap_or_else(|_| "python".to_owned());
    let request = CreateRequest::new("streaming-media", image);
    let (session, _) = ComputeSession::create(&api, request, |_| {}).await?;

    let mut run = session.execute(Cell::query(CODE), RunOptions::over(Transport::WebSocket)).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => print!("{text}"),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => eprint!("{text}"),
            RunEvent::Console(ConsoleRecord::Html(html)) => println!("HTML of {} bytes", html.len()),
            RunEvent::Console(ConsoleRecord::Media { mime, data }) => {
                println!("{mime} of {} bytes", data.len());
                if mime == "image/svg+xml" {
                    println!("{data}");
                }
            }
            RunEvent::Finished { exit_code } => println!("exit code: {exit_code:?}"),
            RunEvent::Lost(lost) => return Err(lost.error.into()),
            _ => {}
        }
    }

    session.destroy(DestroyOptions::default()).await?;
    Ok(())
}
