//! Measures the cost of a cell in each installed language, from the operation to its end: an empty cell, and 1,000
//! empty cells in the queue. `cargo bench --bench languages`; image names after `--` select some.
//!
//! Compiled languages start a compiler for each cell. Fewer cells are queued for them, and the time of each is shown.
//! The benchmark does not assert times, because a busy machine is not a defect.

use bai_runner::{ImageName, Kernel, KernelSpec, Op, Reply, images};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// The number of empty cells for the median.
const ROUNDS: usize = 15;
/// The number of cells in the queue…
const QUEUED: u32 = 1000;
/// …unless that many would take longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() {
    let selected: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("{:24}{:>12}{:>12}{:>12}{:>20}", "image", "start", "empty cell", "p99", "queued, each");
        for image in newest_of_each().await {
            if selected.is_empty() || selected.contains(&image) {
                measure(&image).await;
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

async fn measure(image: &str) {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (kernel, mut replies) = match Kernel::start(spec(image, folder.path())).await {
        Ok(started) => started,
        Err(error) => return println!("{image:24}{error}"),
    };
    let start = began.elapsed();
    // The first cell is not measured: some kernels load their libraries in it.
    cells(&kernel, &mut replies, 1).await;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(cells(&kernel, &mut replies, 1).await);
    }
    times.sort();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    let fits = (PATIENCE.as_secs_f64() / median.as_secs_f64().max(1e-6)) as u32;
    let count = QUEUED.min(fits.max(1));
    let each = cells(&kernel, &mut replies, count).await / count;
    let queued = format!("{count} × {}", milliseconds(each));
    println!(
        "{image:24}{:>12}{:>12}{:>12}{queued:>20}",
        milliseconds(start),
        milliseconds(median),
        milliseconds(worst)
    );
    kernel.shutdown().await;
}

fn spec(image: &str, workdir: &Path) -> KernelSpec {
    KernelSpec {
        workdir: workdir.to_owned(),
        env: Vec::new(),
        image: ImageName::parse(image),
        executable: None,
    }
}

/// Returns the time for this many empty cells that are queued at once.
async fn cells(kernel: &Kernel, replies: &mut Receiver<Reply>, count: u32) -> Duration {
    let began = Instant::now();
    let hand_over = async {
        for _ in 0..count {
            kernel.send(Op::Code(String::new())).await.unwrap();
        }
    };
    let read = async {
        for _ in 0..count {
            loop {
                match replies.recv().await.expect("the kernel is gone") {
                    Reply::Finished { exit_code: 0 } => break,
                    Reply::Finished { exit_code } => panic!("an empty cell ended with exit code {exit_code}"),
                    _ => {}
                }
            }
        }
    };
    tokio::join!(hand_over, read);
    began.elapsed()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
