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

/// Counts what it has killed.
pub(super) struct Chaos {
    random: Mutex<fastrand::Rng>,
    kernels: AtomicU64,
    engines: AtomicU64,
}

impl Chaos {
    pub(super) fn new(seed: u64) -> Self {
        Chaos {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            kernels: AtomicU64::new(0),
            engines: AtomicU64::new(0),
        }
    }

    /// How many kernels and engines were killed so far.
    pub(super) fn kills(&self) -> u64 {
        self.kernels.load(Ordering::SeqCst) + self.engines.load(Ordering::SeqCst)
    }

    /// Kills kernels and engines until `end`. Returns what was wrong meanwhile.
    pub(super) fn rage(&self, sandbox: &Sandbox, end: Instant) -> Vec<String> {
        self.until(sandbox, end, 6)
    }

    /// Kills kernels until `end`.
    pub(super) fn rage_without_engine(&self, sandbox: &Sandbox, end: Instant) -> Vec<String> {
        self.until(sandbox, end, u8::MAX)
    }

    /// One kill of `engine_each` is that of an engine.
    #[expect(clippy::disallowed_methods, reason = "kills come at random times, not at events")]
    fn until(&self, sandbox: &Sandbox, end: Instant, engine_each: u8) -> Vec<String> {
        let mut faults = Vec::new();
        while Instant::now() < end {
            let (pause, is_engine) = {
                let mut random = self.random.lock().unwrap();
                (random.u64(500..3000), engine_each < u8::MAX && random.u8(..engine_each) == 0)
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
            count.fetch_add(1, Ordering::SeqCst);
            let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
            std::thread::sleep(AFTERMATH);
            count.fetch_add(1, Ordering::SeqCst);
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
        let (kernels, engines) = (self.kernels.load(Ordering::SeqCst), self.engines.load(Ordering::SeqCst));
        write!(f, "killed {} kernels and {} engines", kernels / 2, engines / 2)
    }
}
