//! Shared parts of the cluster test suites: the access to the cluster, the selection of scenarios, and a report line
//! for each. The scenarios themselves are in the suites.

use bai_client::{Api, ApiOptions, ClientError, Credentials};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A note on success, or the error.
pub type Outcome = Result<String, String>;

/// A test against a server or a session.
pub type Scenario<T> = for<'a> fn(&'a T) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The selected scenarios and the time limit for each.
#[derive(Clone)]
pub struct Suite {
    filter: String,
    limit: Duration,
}

/// Runs `all` on the cluster that the environment names. The exit code reports whether all scenarios passed.
pub fn run(limit: Duration, all: impl AsyncFnOnce(&Api, &Suite) -> bool) -> ExitCode {
    let filter = std::env::args().nth(1).filter(|arg| !arg.starts_with('-')).unwrap_or_default();
    let Some(api) = api() else {
        eprintln!("set BACKEND_ENDPOINT, BACKEND_ACCESS_KEY and BACKEND_SECRET_KEY");
        return ExitCode::FAILURE;
    };
    if let Ok(level) = std::env::var("RUST_LOG") {
        tracing_subscriber::fmt().with_env_filter(level).with_writer(std::io::stderr).init();
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let suite = Suite::new(filter, limit);
    if runtime.block_on(all(&api, &suite)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn api() -> Option<Api> {
    let var = |name: &str| std::env::var(name).ok();
    let credentials = Credentials::keypair(var("BACKEND_ACCESS_KEY")?, var("BACKEND_SECRET_KEY")?);
    Api::new(ApiOptions::new(var("BACKEND_ENDPOINT")?).with_credentials(credentials)).ok()
}

impl Suite {
    /// Creates a suite of the scenarios whose name contains `filter`, each within `limit`.
    pub fn new(filter: String, limit: Duration) -> Self {
        Suite { filter, limit }
    }

    /// Whether all scenarios are selected.
    #[allow(dead_code, reason = "not every suite has something that must be asked for")]
    pub fn is_whole(&self) -> bool {
        self.filter.is_empty()
    }

    /// Whether a scenario is selected.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.filter)
    }

    /// Runs the selected scenarios one after another.
    pub async fn run_all<T>(&self, scenarios: &[(&str, Scenario<T>)], on: &T) -> bool {
        let mut ok = true;
        for (name, scenario) in scenarios.iter().filter(|(name, _)| self.wants(name)) {
            ok &= self.report(name, scenario(on)).await;
        }
        ok
    }

    /// Runs one scenario within the limit and reports the outcome in a line.
    pub async fn report(&self, name: &str, scenario: impl Future<Output = Outcome>) -> bool {
        let start = Instant::now();
        let outcome = match tokio::time::timeout(self.limit, scenario).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no end within {} s", self.limit.as_secs())),
        };
        let took = start.elapsed().as_secs_f64();
        match &outcome {
            Ok(note) => println!("PASS {name} ({took:.2} s) {note}"),
            Err(why) => println!("FAIL {name} ({took:.2} s) {why}"),
        }
        outcome.is_ok()
    }
}

/// The image for sessions.
pub fn image() -> String {
    std::env::var("BAI_TEST_IMAGE").unwrap_or_else(|_| "python:3.13".to_owned())
}

/// Returns an error as text, with its kind.
#[allow(dead_code, reason = "one suite has errors of other types too")]
pub fn text(error: ClientError) -> String {
    format!("{error} [{:?}]", error.kind())
}

/// Fails with the message `why` unless `condition` is true.
pub fn ensure(condition: bool, why: impl Into<String>) -> Result<(), String> {
    if condition { Ok(()) } else { Err(why.into()) }
}
