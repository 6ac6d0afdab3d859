//! Measures the cost of a cell in each installed language, from the operation to its end: an empty cell, and 1,000
//! empty cells in the queue. `cargo bench --bench languages`; image names after `--` select some.
//!
//! Compiled languages start a compiler for each cell. Fewer cells are queued for them, and the time of each is shown. A
//! language whose interpreter fails or does not answer has a row that says so. The benchmark does not assert times,
//! because a busy machine is not a defect.

use bai_runner::{Kernel, KernelSpec, Op, Reply, images};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// The number of empty cells for the median.
const ROUNDS: usize = 15;
/// The number of cells in the queue…
const QUEUED: u32 = 1000;
/// …unless that many would take longer than this.
const PATIENCE: Duration = Duration::from_secs(30);
/// A kernel that is silent for this long does not answer. It is a limit, not a measurement.
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let selected: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("{:24}{:>12}{:>12}{:>12}{:>20}", "image", "start", "empty cell", "p99", "queued, each");
        for image in newest_of_each().await {
            if selected.is_empty() || selected.contains(&image) {
                let row = measure(&image).await.unwrap_or_else(|error| error);
                println!("{image:24}{row}");
            }
        }
    });
}

/// Returns the newest image of each language, and all Jupyter kernels.
async fn newest_of_each() -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    let mut chosen = Vec::new();
    for found in images().await {
        if found.language == "jupyter" || !seen.contains(&found.language) {
            seen.push(found.language);
            chosen.push(found.name);
        }
    }
    chosen
}

/// The row of a language, or what went wrong with it.
async fn measure(image: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let started = tokio::time::timeout(LIMIT, Kernel::start(spec(image, folder.path()))).await;
    let (kernel, mut replies) =
        started.map_err(|_| "does not start".to_owned())?.map_err(|error| error.to_string())?;
    let start = began.elapsed();
    let row = cost(&kernel, &mut replies).await;
    kernel.shutdown().await;
    Ok(format!("{:>12}{}", milliseconds(start), row?))
}

async fn cost(kernel: &Kernel, replies: &mut Receiver<Reply>) -> Result<String, String> {
    // The first cell is not measured: some kernels load their libraries in it.
    cells(kernel, replies, 1).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(cells(kernel, replies, 1).await?);
    }
    times.sort();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    let fits = (PATIENCE.as_secs_f64() / median.as_secs_f64().max(1e-6)) as u32;
    let count = QUEUED.min(fits.max(1));
    let each = cells(kernel, replies, count).await? / count;
    let queued = format!("{count} × {}", milliseconds(each));
    Ok(format!("{:>12}{:>12}{queued:>20}", milliseconds(median), milliseconds(worst)))
}

fn spec(image: &str, workdir: &Path) -> KernelSpec {
    KernelSpec::new(image, workdir)
}

/// Returns the time for this many empty cells that are queued at once.
async fn cells(kernel: &Kernel, replies: &mut Receiver<Reply>, count: u32) -> Result<Duration, String> {
    let began = Instant::now();
    let hand_over = async {
        for _ in 0..count {
            kernel.send(Op::Code(String::new())).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let read = async {
        let mut left = count;
        while left > 0 {
            match tokio::time::timeout(LIMIT, replies.recv()).await {
                Ok(Some(Reply::Finished { exit_code: 0 })) => left -= 1,
                Ok(Some(Reply::Finished { exit_code })) => {
                    return Err(format!("an empty cell ended with exit code {exit_code}"));
                }
                Ok(Some(_)) => {}
                Ok(None) => return Err("the kernel is gone".to_owned()),
                Err(_) => return Err("no answer".to_owned()),
            }
        }
        Ok(())
    };
    tokio::try_join!(hand_over, read)?;
    Ok(began.elapsed())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
