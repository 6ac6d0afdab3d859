//! The killer: random processes of the sandbox get SIGKILL.

use bai_testkit::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a kill may disturb runs that begin after it, because kernels and engines start again.
const AFTERMATH: Duration = Duration::from_millis(500);

/// One kill of so many is that of an engine.
const ENGINE_EACH: u8 = 6;

/// Whom to kill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Victims {
    KernelsAndEngines,
    Kernels,
}

/// Counts what it has killed.
pub(super) struct Chaos {
    random: Mutex<fastrand::Rng>,
    /// The beginnings and the ends of disturbances.
    disturbances: AtomicU64,
    kernels: AtomicU64,
    engines: AtomicU64,
}

impl Chaos {
    pub(super) fn new(seed: u64) -> Self {
        Chaos {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            disturbances: AtomicU64::new(0),
            kernels: AtomicU64::new(0),
            engines: AtomicU64::new(0),
        }
    }

    /// A number that changes when a disturbance begins or ends.
    pub(super) fn disturbances(&self) -> u64 {
        self.disturbances.load(Ordering::SeqCst)
    }

    /// Kills until `end`. Returns what was wrong meanwhile.
    #[expect(clippy::disallowed_methods, reason = "kills come at random times, not at events")]
    pub(super) fn rage(&self, sandbox: &Sandbox, victims: Victims, end: Instant) -> Vec<String> {
        let mut faults = Vec::new();
        while Instant::now() < end {
            let (pause, is_engine) = {
                let mut random = self.random.lock().unwrap();
                (
                    random.u64(500..3000),
                    victims == Victims::KernelsAndEngines && random.u8(..ENGINE_EACH) == 0,
                )
            };
            let pause = Duration::from_millis(pause);
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
            let engines = sandbox.engines();
            if engines.len() > 1 {
                faults.push(format!("there are several engines: {engines:?}"));
            }
            let Some(engine) = engines.first() else { continue };
            let (victim, count) = match is_engine {
                true => (Some(*engine), &self.engines),
                false => (self.kernel_of(*engine), &self.kernels),
            };
            let Some(victim) = victim else { continue };
            // Counted on both sides: a run that begins or ends in between was disturbed.
            self.disturbances.fetch_add(1, Ordering::SeqCst);
            let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(AFTERMATH);
            self.disturbances.fetch_add(1, Ordering::SeqCst);
        }
        faults
    }

    /// A random child of the engine.
    fn kernel_of(&self, engine: i32) -> Option<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{engine}/task")).ok()?.flatten();
        let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<i32> = children
            .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect();
        self.random.lock().unwrap().choice(children)
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kernels, engines) = (self.kernels.load(Ordering::Relaxed), self.engines.load(Ordering::Relaxed));
        write!(f, "killed {kernels} kernels and {engines} engines")
    }
}
