//! `bai-repl runner` as somebody starts it who is not an agent.

use bai_testkit::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};

#[test]
fn a_runner_outside_of_a_container_says_who_could_run_code() {
    let sandbox = Sandbox::new();
    let folder = sandbox.work().join("config");
    std::fs::create_dir(&folder).unwrap();
    for (config, warns) in [("config", false), ("none\u{202e}", true)] {
        let flags = [
            "--operations-port=0",
            "--replies-port=0",
            "--host=127.0.0.1",
            "--workdir=.",
            "--config",
            config,
        ];
        let mut child = sandbox.command(&[&["runner", "python"], &flags[..]].concat()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with("operations at tcp://127.0.0.1:"), "{first}");
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        let warning = "bai-repl: warning: the folder none<U+202E> of an agent is missing; the runner is for containers: \
                       every program that reaches its ports can run code as its user\n";
        assert_eq!(said, if warns { warning } else { "" });
    }
}
