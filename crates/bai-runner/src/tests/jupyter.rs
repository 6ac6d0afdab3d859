//! Jupyter kernels, with ipykernel and bash_kernel from the test environment.

use super::super::*;
use super::harness::{LIMIT, Outcome, Session, gone};
use bai_protocol::complete::CompletionRequest;
use bai_testkit::test_venv;
use std::path::PathBuf;
use tokio::time::timeout;

const PYTHON: &str = "jupyter:python3";
const BASH: &str = "jupyter:Bash";

/// A session of this kernel; `None` where the test is left out.
async fn start(image: &str) -> Option<Session> {
    Some(Session::start_with(image, &[("VIRTUAL_ENV", test_venv()?)]).await)
}

async fn complete(session: &Session, code: &str) -> Vec<String> {
    let request = CompletionRequest::at(code, code.len());
    let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
    let start = completion.start.unwrap_or_default();
    let head: String = code.chars().take(start).collect();
    completion.suggestions.iter().map(|suggestion| format!("{head}{suggestion}")).collect()
}

fn media(outcome: &Outcome) -> Vec<(String, String)> {
    let pair = |reply: &Reply| match reply {
        Reply::Console(ConsoleRecord::Media { mime, data }) => Some((mime.clone(), data.clone())),
        Reply::Console(ConsoleRecord::Html(html)) => Some(("html".to_owned(), html.clone())),
        _ => None,
    };
    outcome.replies.iter().filter_map(pair).collect()
}

#[tokio::test]
async fn python_runs_as_in_a_notebook() {
    let Some(mut session) = start(PYTHON).await else { return };
    assert_eq!(session.value("x = 6\nx * 7").await, "42\n");
    let outcome =
        session.run("import sys\nfor i in range(3):\n  print(i)\n  print(i, file=sys.stderr)\nx").await;
    assert_eq!(outcome.stdout(), "0\n1\n2\n6\n");
    assert_eq!(outcome.stderr(), "0\n1\n2\n");
    let outcome = session.run("def f(): return 1/0\nf()").await;
    assert!(outcome.stderr().contains("ZeroDivisionError") && outcome.exit_code == 1, "{outcome:?}");
    assert_eq!(session.run("import sys; sys.exit(3)").await.exit_code, 3);
    assert_eq!(session.value("print('größe 数')").await, "größe 数\n");
    let outcome = session.run_with("n = input('who? '); print('hi ' + n)", &["Änn"]).await;
    assert_eq!(outcome.sequence(), ["O:who? ", "[WaitingInput { is_password: false }]", "O:hi Änn\n"]);
    let outcome = session.run_with("import getpass; len(getpass.getpass('key? '))", &["secret"]).await;
    assert_eq!(outcome.sequence(), ["O:key? ", "[WaitingInput { is_password: true }]", "O:6\n"]);
    session.value("import os").await;
    assert!(complete(&session, "os.path.jo").await.iter().any(|s| s.ends_with("os.path.join")));
    assert!(complete(&session, "print('größe'); sys.exi").await.contains(&"print('größe'); sys.exit".into()));
    let about = session.value("len?").await;
    assert!(about.contains("number of items"), "{about}");
    assert_eq!(session.run("nothing_like_it?").await.exit_code, 1);
    let text = session.value("for i in range(125000): print('x' * 79)").await;
    assert_eq!((text.len(), text.lines().count()), (10_000_000, 125_000));
}

#[tokio::test]
async fn output_past_python_comes_once_and_in_its_place() {
    let Some(mut session) = start(PYTHON).await else { return };
    let code = "import ctypes, os, subprocess, sys\n\
        print('a')\n\
        os.system('echo b')\n\
        print('c', end='')\n\
        os.write(1, b'd\\n')\n\
        subprocess.run(['echo', 'e'], check=True)\n\
        subprocess.run(['echo', 'f'], stdout=sys.stdout, check=True)\n\
        print('g', file=sys.stderr)\n\
        os.system('echo h >&2')\n\
        subprocess.run('echo i >&2', shell=True, stderr=sys.stderr, check=True)\n\
        libc = ctypes.CDLL(None)\n\
        libc.puts(b'j'); libc.fflush(None)\n\
        if os.fork() == 0:\n\
        \x20   os.write(1, b'k\\n')\n\
        \x20   os._exit(0)\n\
        os.wait()\n\
        _ = os.write(1, 'größe'.encode()[:3]), os.write(1, 'größe'.encode()[3:])";
    for _ in 0..3 {
        let outcome = session.run(code).await;
        assert_eq!(outcome.stdout(), "a\nb\ncd\ne\nf\nj\nk\ngröße", "{outcome:?}");
        assert_eq!(outcome.stderr(), "g\nh\ni\n");
    }
    // The runner's own code leaves no names and no entry of the history.
    assert_eq!(session.value("print('join' in globals(), len(In))").await, "False 5\n");
    let flood = session.value("_ = os.system('yes x 2>&- | head -c 3000000')").await;
    assert_eq!(flood.len(), 3_000_000);
}

/// A kernel that gives its cells to a shell, and leaves its descriptors alone unless it captures them.
fn install_shell_kernel(venv: &str, captures: &str) -> tempfile::TempDir {
    let script = "import os\n\
        from ipykernel.kernelapp import IPKernelApp\n\
        from ipykernel.kernelbase import Kernel\n\
        class Shell(Kernel):\n\
        \x20   implementation = implementation_version = banner = 'shell'\n\
        \x20   language_info = {'name': 'sh', 'mimetype': 'text/plain', 'file_extension': '.sh'}\n\
        \x20   def do_execute(self, code, *_, **__):\n\
        \x20       os.system(code)\n\
        \x20       return {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}\n\
        IPKernelApp.launch_instance(kernel_class=Shell)";
    let captures = format!("--IPKernelApp.capture_fd_output={captures}");
    let argv = [&format!("{venv}/bin/python"), "-c", script, "-f", "{connection_file}", &captures];
    install("shell", &serde_json::json!({"argv": argv, "display_name": "Shell", "language": "sh"}))
}

#[tokio::test]
async fn output_while_no_cell_runs_comes_once() {
    let Some(venv) = test_venv() else { return };
    for (image, captures) in [(PYTHON, "True"), ("jupyter:shell", "False"), ("jupyter:shell", "True")] {
        let folder = install_shell_kernel(venv, captures);
        let env = [("VIRTUAL_ENV", venv), ("JUPYTER_PATH", folder.path().to_str().unwrap())];
        let mut session = Session::start_with(image, &env).await;
        let gate = session.folder.path().join("gate");
        nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let cell = |code: &str| match image {
            PYTHON => format!("import os\n_ = os.system({code:?})"),
            _ => code.to_owned(),
        };
        session.send(Op::Code(cell("(read line <gate; echo $line) & echo on"))).await;
        let first = session.finish().await.stdout();
        // A kernel that captures its own output may publish it a moment after the cell.
        let text = ConsoleRecord::Stdout("on\n".into());
        assert!(first == "on\n" || captures == "True" && session.next().await == Reply::Console(text));
        tokio::fs::write(&gate, "late\n").await.unwrap();
        assert_eq!(session.next().await, Reply::Console(ConsoleRecord::Stdout("late\n".into())), "{image}");
        let outcome = session.run(&cell("echo last >&2; exit 3")).await;
        assert_eq!(outcome.stdout(), "", "{outcome:?}");
    }
}

#[tokio::test]
async fn rich_results_are_records() {
    let Some(mut session) = start(PYTHON).await else { return };
    let code = "from IPython.display import *\n\
                display(HTML('<b>h</b>'), Markdown('# m'), Latex('$l$'), JSON({'a': 1}), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))";
    let shown = media(&session.run(code).await);
    let kinds: Vec<_> = shown.iter().map(|(mime, _)| mime.as_str()).collect();
    assert_eq!(kinds, ["html", "text/markdown", "text/latex", "application/json", "image/svg+xml"]);
    assert_eq!((shown[0].1.as_str(), shown[3].1.as_str()), ("<b>h</b>", r#"{"a":1}"#));
    let plot = "%matplotlib inline\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 2])\nplt.show()\nprint('after')";
    let outcome = session.run(plot).await;
    assert!(media(&outcome)[0].1.starts_with("data:image/png;base64,iVBOR"), "{outcome:?}");
    assert_eq!(outcome.sequence()[1..], ["O:after\n"]);
    let outcome =
        session.run("print('one', end='', flush=True); clear_output(wait=True); print('two')").await;
    let clear = Reply::Console(ConsoleRecord::Clear { wait: true });
    let text = |text: &str| Reply::Console(ConsoleRecord::Stdout(text.into()));
    assert_eq!(outcome.replies, [text("one"), clear, text("two\n")]);
}

#[tokio::test]
async fn cells_are_interrupted_and_dead_kernels_replaced() {
    let Some(mut session) = start(PYTHON).await else { return };
    session.value("kept = 1").await;
    for code in ["print('on', flush=True)\nwhile True: pass", "print('on', flush=True)\ninput('?')"] {
        session.send(Op::Code(code.to_owned())).await;
        session.until_output("on\n").await;
        if code.contains("input") {
            session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        }
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert!(outcome.stderr().contains("KeyboardInterrupt") && outcome.exit_code == 1, "{outcome:?}");
    }
    assert_eq!(session.value("kept").await, "1\n");
    // An interrupt that comes before the cell has begun is not lost.
    session.send(Op::Code("while True: pass".to_owned())).await;
    session.send(Op::Interrupt).await;
    assert_eq!(session.finish().await.exit_code, 1);

    // The output of such a cell may be lost with the kernel's own threads.
    let outcome = session.run("import os; os._exit(7)").await;
    assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("", 7));
    assert!(outcome.stderr().contains("A new one has been started"), "{outcome:?}");
    assert!(session.run("kept").await.stderr().contains("NameError"));
    session.value("kept = 2").await;
    timeout(LIMIT, session.kernel.restart()).await.unwrap().unwrap();
    assert!(session.run("kept").await.stderr().contains("NameError"));
}

#[tokio::test]
async fn kernels_leave_no_files_or_processes_and_their_connection_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let Some(mut session) = start(BASH).await else { return };
    let pids = session.value("echo $$ $PPID").await;
    let command = session.value("tr '\\0' '\\n' </proc/$PPID/cmdline").await;
    let file = command.lines().find(|word| word.ends_with(".json")).unwrap().to_owned();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    timeout(LIMIT, session.kernel.shutdown()).await.unwrap();
    gone(&pids).await;
    assert!(!std::path::Path::new(&file).exists());

    let Some(mut session) = start(BASH).await else { return };
    let pids = session.value("echo $$ $PPID").await;
    session.send(Op::Code("echo on; sleep 1000".to_owned())).await;
    session.until_output("on\n").await;
    timeout(LIMIT, session.kernel.shutdown()).await.unwrap();
    gone(&pids).await;
}

#[tokio::test]
async fn bash_kernels_keep_their_state() {
    let Some(mut session) = start(BASH).await else { return };
    session.value("x=4; cd /usr").await;
    assert_eq!(session.value("echo $((x + 1)); pwd").await, "5\n/usr\n");
    let outcome = session.run("no-such-command").await;
    let text = outcome.stdout() + &outcome.stderr();
    assert!(text.contains("no-such-command: command not found") && outcome.exit_code == 1, "{outcome:?}");
    assert!(complete(&session, "ech").await.contains(&"echo".to_owned()));
    // The child prints: an interrupt that meets bash while it starts a child is lost, and bash_kernel does not repeat it.
    session.send(Op::Code("sh -c 'echo on; exec sleep 1000'".to_owned())).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    session.finish().await;
    assert_eq!(session.value("echo $x").await, "4\n");
}

#[tokio::test]
async fn an_unknown_kernel_is_reported_with_the_installed_ones() {
    let Some(venv) = test_venv() else { return };
    let spec = |image: &str| KernelSpec {
        workdir: std::env::temp_dir(),
        env: vec![("VIRTUAL_ENV".into(), venv.into())],
        image: ImageName::parse(image),
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    };
    let error = Kernel::start(spec("jupyter:none such")).await.err().unwrap().to_string();
    assert!(
        error.contains("\"none such\"") && error.contains("python3") && error.contains("bash"),
        "{error}"
    );
}

/// Kernels in a test's own folder.
fn install(name: &str, spec: &serde_json::Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("kernels").join(name);
    std::fs::create_dir_all(&kernel).unwrap();
    std::fs::write(kernel.join("kernel.json"), spec.to_string()).unwrap();
    folder
}

#[tokio::test]
async fn a_kernel_that_does_not_start_is_reported_with_its_reason() {
    let argv = ["sh", "-c", "echo no engine here >&2; exit 3", "{connection_file}"];
    let folder =
        install("bad one", &serde_json::json!({"argv": argv, "display_name": "Bad", "language": "x"}));
    let spec = KernelSpec {
        workdir: folder.path().to_owned(),
        env: vec![("JUPYTER_PATH".into(), folder.path().to_str().unwrap().into())],
        image: ImageName::parse("jupyter:bad one"),
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    };
    let error = timeout(LIMIT, Kernel::start(spec)).await.unwrap().err().unwrap().to_string();
    assert!(error.contains("ended with exit code 3") && error.contains("no engine here"), "{error}");
}

#[tokio::test]
async fn no_other_user_can_listen_to_a_kernel() {
    let Some(mut session) = start(PYTHON).await else { return };
    let code = "import json, os, stat\n\
        from ipykernel.connect import get_connection_info\n\
        info = json.loads(get_connection_info())\n\
        folder = os.path.dirname(info['ip'])\n\
        print(info['transport'], oct(stat.S_IMODE(os.stat(folder).st_mode)), sorted(os.listdir(folder)))";
    let sockets = "'kernel-1', 'kernel-2', 'kernel-3', 'kernel-4', 'kernel-5', 'kernel.json'";
    assert_eq!(session.value(code).await, format!("ipc 0o700 [{sockets}]\n"));
    let folder = PathBuf::from(session.value("print(folder, end='')").await);
    session.kernel.shutdown().await;
    assert!(!folder.exists(), "{}", folder.display());
}

#[tokio::test]
async fn a_kernel_without_unix_sockets_gets_ports_and_others_if_one_was_taken() {
    let Some(venv) = test_venv() else { return };
    // The first time with ports, the kernel waits until the test has taken one of them.
    let script = "import json, os, runpy, sys\n\
        if json.load(open(sys.argv[2]))['transport'] != 'tcp': sys.exit('this kernel uses ports')\n\
        chosen, taken = os.environ['CHOSEN'], os.environ['TAKEN']\n\
        if os.path.exists(chosen):\n\
        \x20   open(chosen, 'w').write(str(json.load(open(sys.argv[2]))['shell_port']))\n\
        \x20   open(taken).read()\n\
        \x20   os.remove(chosen)\n\
        runpy.run_module('ipykernel_launcher', run_name='__main__')";
    let argv = [&format!("{venv}/bin/python"), "-c", script, "-f", "{connection_file}"];
    let folder =
        install("late", &serde_json::json!({"argv": argv, "display_name": "Late", "language": "python"}));
    let [chosen, taken] = ["chosen", "taken"].map(|name| folder.path().join(name));
    for fifo in [&chosen, &taken] {
        nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let variables = [("JUPYTER_PATH", folder.path()), ("CHOSEN", &chosen), ("TAKEN", &taken)];
    let env = variables.map(|(name, path)| (name, path.to_str().unwrap()));
    let taking = async {
        let port = tokio::fs::read_to_string(&chosen).await.unwrap().parse::<u16>().unwrap();
        let listener = loop {
            // The runner has reserved the port until it has seen the kernel's process.
            if let Ok(listener) = tokio::net::TcpListener::bind(("127.0.0.1", port)).await {
                break listener;
            }
            tokio::task::yield_now().await;
        };
        tokio::fs::write(&taken, "").await.unwrap();
        listener
    };
    let both = async { tokio::join!(Session::start_with("jupyter:late", &env), taking) };
    let (mut session, _listener) = timeout(LIMIT, both).await.unwrap();
    assert_eq!(session.value("6 * 7").await, "42\n");
}

#[tokio::test]
async fn interrupt_messages_and_variables_of_a_kernel_spec_are_used() {
    let Some(venv) = test_venv() else { return };
    let python = format!("{venv}/bin/python");
    let argv = [&python, "-m", "ipykernel_launcher", "-f", "{connection_file}"];
    let spec = serde_json::json!({
        "argv": argv, "display_name": "By message", "language": "python", "interrupt_mode": "message",
        "env": {"SHOWN": "${WHO} and more"},
    });
    let folder = install("By Message", &spec);
    let env = [("JUPYTER_PATH", folder.path().to_str().unwrap()), ("WHO", "me")];
    let mut session = Session::start_with("jupyter:by message", &env).await;
    assert_eq!(session.value("import os; print(os.environ['SHOWN'])").await, "me and more\n");
    session.send(Op::Code("print('on', flush=True)\nwhile True: pass".to_owned())).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    assert_eq!(session.finish().await.exit_code, 1);
}

#[tokio::test]
async fn a_missing_interpreter_points_to_a_kernel_of_its_language() {
    let argv = ["true", "{connection_file}"];
    let folder =
        install("ju", &serde_json::json!({"argv": argv, "display_name": "Julia 1.10", "language": "julia"}));
    let spec = KernelSpec {
        workdir: folder.path().to_owned(),
        env: vec![
            ("JUPYTER_PATH".into(), folder.path().to_str().unwrap().into()),
            ("PATH".into(), "/nowhere".into()),
        ],
        image: ImageName::parse("julia:1.10"),
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    };
    let error = timeout(LIMIT, Kernel::start(spec)).await.unwrap().err().unwrap();
    assert!(error.hint().contains("jupyter:ju"), "{error} {}", error.hint());
}
