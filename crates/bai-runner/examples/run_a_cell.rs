//! Runs one cell and prints every reply of the kernel.
//!
//! ```console
//! $ cargo run -p bai-runner --example run_a_cell
//! $ cargo run -p bai-runner --example run_a_cell -- bash 'echo "$BASH_VERSION"; exit 3'
//! ```
//!
//! Both arguments may be left out: the image, and the cell.

use bai_runner::{Kernel, KernelSpec, Op, Reply};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let image = args.next().unwrap_or_else(|| "python".to_owned());
    let cell = args.next().unwrap_or_else(|| "print('hello')\n1 / 0".to_owned());

    let spec = KernelSpec::new(&image, std::env::current_dir()?);
    let started = Kernel::start(spec).await;
    let (kernel, mut replies) = started.map_err(|error| format!("{error}; {}", error.hint()))?;
    let info = kernel.describe();
    println!("{} {} ({})", info.language, info.version, info.executable.display());

    kernel.send(Op::Code(cell)).await?;
    while let Some(reply) = replies.recv().await {
        println!("{reply:?}");
        if matches!(reply, Reply::Finished { .. }) {
            break;
        }
    }
    kernel.shutdown().await;
    Ok(())
}
