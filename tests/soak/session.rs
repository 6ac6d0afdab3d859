//! A session of the soak, and what is known about its files.

use super::chaos::Chaos;
use bai_testkit::Sandbox;
use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::Duration;

/// A cell writes one more file, and prints all files and their contents.
const CODE: &str = "import os\n\
    with open('f-RUN', 'w') as f: _ = f.write('TOKEN')\n\
    for name in sorted(os.listdir('.')):\n    with open(name) as f: print(name, f.read())\n\
    print('end TOKEN')\n";

/// The name of a session.
pub(super) fn name(number: usize) -> String {
    format!("soak-{number:03}")
}

/// A session.
pub(super) struct SoakSession<'a> {
    sandbox: &'a Sandbox,
    name: String,
    runs: u32,
    /// The runs whose files must be there: their clients saw the end.
    certain: BTreeSet<u32>,
}

impl<'a> SoakSession<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, number: usize) -> Self {
        SoakSession { sandbox, name: name(number), runs: 0, certain: BTreeSet::new() }
    }

    /// Runs one cell with a client of its own, which is killed after `limit`.
    ///
    /// # Errors
    /// What is wrong with the session.
    pub(super) fn run(&mut self, limit: Option<Duration>, chaos: &Chaos) -> Result<(), String> {
        self.runs += 1;
        let run = self.runs;
        let token = self.token(run);
        let code = CODE.replace("RUN", &run.to_string()).replace("TOKEN", &token);
        let before = chaos.disturbances();
        let output = self.client(&code, limit);
        let is_disturbed = limit.is_some() || chaos.disturbances() != before;
        if !output.status.success() {
            return if is_disturbed { Ok(()) } else { Err(format!("{}: {output:?}", self.name)) };
        }
        self.certain.insert(run);
        self.check(&String::from_utf8_lossy(&output.stdout), &format!("end {token}"))
    }

    fn token(&self, run: u32) -> String {
        format!("{}-{run}", self.name)
    }

    /// Checks the list of files that a cell has printed.
    fn check(&self, printed: &str, end: &str) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut lines = printed.lines();
        let last = lines.next_back();
        for line in lines {
            let (file, content) = line.split_once(' ').unwrap_or((line, ""));
            let run: u32 = file.strip_prefix("f-").and_then(|run| run.parse().ok()).ok_or_else(|| {
                format!("{}: something else is in its folder or output: {line:?}", self.name)
            })?;
            let token = self.token(run);
            // The kernel of an uncertain run may have died in the middle.
            let is_whole = content == token;
            if !is_whole && (self.certain.contains(&run) || !token.starts_with(content)) {
                return Err(format!("{}: file {run} holds {content:?}", self.name));
            }
            seen.insert(run);
        }
        if last != Some(end) {
            return Err(format!("{}: the output ends with {last:?} instead of {end:?}", self.name));
        }
        let lost: Vec<_> = self.certain.difference(&seen).collect();
        if lost.is_empty() { Ok(()) } else { Err(format!("{}: the files {lost:?} are lost", self.name)) }
    }

    #[expect(clippy::disallowed_methods, reason = "the time of a kill is random, not an event")]
    fn client(&self, code: &str, limit: Option<Duration>) -> Output {
        let mut command = self.sandbox.command(&["-q", "-t", &self.name, "-c", code, "python"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(limit) = limit {
            std::thread::sleep(limit);
            child.kill().unwrap();
        }
        child.wait_with_output().unwrap()
    }
}
