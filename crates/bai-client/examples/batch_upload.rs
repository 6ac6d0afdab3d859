//! Uploads a program, runs it in batch mode, and downloads the file that it writes.
//!
//! The server comes from `BACKEND_ENDPOINT`, `BACKEND_ACCESS_KEY` and `BACKEND_SECRET_KEY`; `BACKEND_IMAGE` names another
//! image than `python`.

use bai_client::{
    Api, ApiOptions, BatchOptions, Cell, ComputeSession, ConsoleRecord, CreateRequest, DestroyOptions,
    DownloadOptions, RunEvent, RunOptions, Upload, UploadOptions,
};
use std::error::Error;

const PROGRAM: &str = "
import sys
numbers = range(int(sys.argv[1]))
with open('squares.txt', 'w') as file:
    file.write('\\n'.join(str(n * n) for n in numbers))
print('wrote', len(numbers), 'squares')
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let api = Api::new(ApiOptions::from_env()?)?;
    let image = std::env::var("BACKEND_IMAGE").unwrap_or_else(|_| "python".to_owned());
    let request = CreateRequest::new("batch-upload", image);
    let (session, _) = ComputeSession::create(&api, request, |_| {}).await?;

    let folder = tempfile::tempdir()?;
    let program = folder.path().join("squares.py");
    std::fs::write(&program, PROGRAM)?;
    let files = [Upload::new(program, "squares.py")];
    session.upload(&files, UploadOptions::default()).await?;

    let commands = BatchOptions {
        clean: "rm -f squares.txt".to_owned(),
        build: "python3 -m py_compile squares.py".to_owned(),
        exec: "python3 squares.py 5".to_owned(),
        ..BatchOptions::default()
    };
    let mut run = session.execute(Cell::Batch(commands), RunOptions::default()).await?;
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text)) => print!("{text}"),
            RunEvent::Console(ConsoleRecord::Stderr(text)) => eprint!("{text}"),
            RunEvent::StepFinished { step, exit_code } => println!("{step:?} ended: {exit_code:?}"),
            RunEvent::Finished { exit_code } => println!("exit code: {exit_code:?}"),
            RunEvent::Lost(lost) => return Err(lost.error.into()),
            _ => {}
        }
    }

    let results = ["squares.txt".to_owned()];
    session.download(&results, folder.path(), DownloadOptions::default()).await?;
    println!("{}", std::fs::read_to_string(folder.path().join("squares.txt"))?);
    session.destroy(DestroyOptions::default()).await?;
    Ok(())
}
