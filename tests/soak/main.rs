//! A soak: many named sessions on one background engine, many clients at once, and random kill -9 of clients, kernels and
//! the engine. It ends with an error if a file of a session was lost, if output or files of one session appeared in
//! another, if a run failed though nothing was killed, if there were two engines, or if processes, files, descriptors or
//! memory were left behind.
//!
//! ```text
//! cargo test --test soak -- --minutes 10 --sessions 100
//! ```
//!
//! It prints its seed; `--seed N` repeats its choices.

mod chaos;
mod session;

use bai_testkit::{Sandbox, wait_until};
use chaos::{Chaos, Victims};
use session::SoakSession;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many clients run at once.
const CLIENTS: usize = 8;
/// How many more descriptors the engine may have at the end, and how much more memory, in KiB.
const MORE_DESCRIPTORS: usize = 8;
const MORE_MEMORY: u64 = 96 << 10;

/// What the command line asks for.
struct Plan {
    time: Duration,
    sessions: usize,
    seed: u64,
}

impl Plan {
    fn read() -> Plan {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let value = |flag: &str| {
            let at = arguments.iter().position(|argument| argument == flag)?;
            arguments.get(at + 1).and_then(|value| value.parse::<u64>().ok())
        };
        let minutes = value("--minutes").map(|minutes| minutes * 60);
        Plan {
            time: Duration::from_secs(value("--seconds").or(minutes).unwrap_or(600)),
            sessions: value("--sessions").map_or(100, |count| usize::try_from(count).unwrap()),
            seed: value("--seed").unwrap_or_else(|| fastrand::u64(..)),
        }
    }
}

fn main() -> ExitCode {
    let plan = Plan::read();
    println!("{} sessions for {} s, seed {}", plan.sessions, plan.time.as_secs(), plan.seed);
    let mut sandbox = Sandbox::new();
    let temporary = sandbox.home().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    sandbox.set("TMPDIR", temporary.to_str().unwrap());
    let faults = soak(&sandbox, &plan);
    for fault in &faults {
        println!("FAULT {fault}");
    }
    drop(sandbox);
    println!("{}", if faults.is_empty() { "no faults" } else { "FAILED" });
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the soak, and returns what went wrong.
fn soak(sandbox: &Sandbox, plan: &Plan) -> Vec<String> {
    let begin = Instant::now();
    let chaos = Chaos::new(plan.seed);
    let runs = AtomicU64::new(0);
    // The engine lives from its last kill to the end, so that its growth can be measured.
    let last_kill = begin + plan.time * 6 / 10;
    let (mut faults, before) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|worker| {
                let (chaos, runs) = (&chaos, &runs);
                scope.spawn(move || work(sandbox, plan, worker, begin + plan.time, chaos, runs))
            })
            .collect();
        let mut faults = chaos.rage(sandbox, Victims::KernelsAndEngines, last_kill);
        // The last kill may have been that of the engine. A client starts another one.
        wait_until("an engine", || !sandbox.engines().is_empty());
        let before = Usage::of_engine(sandbox);
        faults.extend(chaos.rage(sandbox, Victims::Kernels, begin + plan.time));
        faults.extend(workers.into_iter().flat_map(|worker| worker.join().unwrap()));
        (faults, before)
    });
    println!("{} runs in {} s; {chaos}", runs.load(Ordering::Relaxed), begin.elapsed().as_secs());
    faults.extend(clean_up(sandbox, plan, before));
    faults
}

/// One client after the other, each in a random session of this worker.
fn work(
    sandbox: &Sandbox,
    plan: &Plan,
    worker: usize,
    end: Instant,
    chaos: &Chaos,
    runs: &AtomicU64,
) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(plan.seed ^ worker as u64);
    let ours = (worker..plan.sessions).step_by(CLIENTS);
    let mut sessions: Vec<_> = ours.map(|number| SoakSession::new(sandbox, number)).collect();
    let mut faults = Vec::new();
    while Instant::now() < end && faults.len() < 5 && !sessions.is_empty() {
        let at = random.usize(..sessions.len());
        let killed = random.u8(..20) == 0;
        let limit = killed.then(|| Duration::from_millis(random.u64(..300)));
        faults.extend(sessions[at].run(limit, chaos).err());
        runs.fetch_add(1, Ordering::Relaxed);
    }
    faults
}

/// Destroys all sessions, compares what the engine uses with the time before, and ends it.
fn clean_up(sandbox: &Sandbox, plan: &Plan, before: Option<Usage>) -> Vec<String> {
    let mut faults = Vec::new();
    for number in 0..plan.sessions {
        // Some never began.
        let _ = sandbox.run(&["rm", &session::name(number)]);
    }
    let listed = sandbox.run(&["ls", "--json"]);
    if !listed.stdout.trim().is_empty() {
        faults.push(format!("sessions are left: {}", listed.stdout));
    }
    match (before, Usage::of_engine(sandbox)) {
        (Some(before), Some(after)) => {
            println!("the engine before: {before:?}, after: {after:?}");
            // Before, many sessions were alive, and each holds descriptors.
            if after.descriptors > before.descriptors + MORE_DESCRIPTORS {
                faults.push(format!("descriptors grew from {before:?} to {after:?}"));
            }
            if after.memory > before.memory + MORE_MEMORY {
                faults.push(format!("memory grew from {before:?} to {after:?}"));
            }
            if after.descriptors > 64 {
                faults.push(format!("descriptors stayed open: {after:?}"));
            }
        }
        measured => faults.push(format!("the engine cannot be measured: {measured:?}")),
    }
    let _ = sandbox.run(&["serve", "--stop"]);
    let sessions = sandbox.home().join(".local/state/bai-repl/engine/sessions");
    for folder in [sessions, sandbox.home().join("tmp")] {
        let left: BTreeMap<_, _> = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.file_name(), entry.path().is_dir()))
            .collect();
        if !left.is_empty() {
            faults.push(format!("left in {}: {left:?}", folder.display()));
        }
    }
    faults
}

/// What the engine uses.
#[derive(Debug, Clone, Copy)]
struct Usage {
    descriptors: usize,
    /// Resident memory in KiB.
    memory: u64,
}

impl Usage {
    fn of_engine(sandbox: &Sandbox) -> Option<Usage> {
        let engine = *sandbox.engines().first()?;
        let descriptors = std::fs::read_dir(format!("/proc/{engine}/fd")).ok()?.count();
        let status = std::fs::read_to_string(format!("/proc/{engine}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Usage { descriptors, memory: line.trim().trim_end_matches(" kB").parse().ok()? })
    }
}
