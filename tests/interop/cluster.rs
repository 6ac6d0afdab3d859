//! The client against a genuine cluster. Not part of the ordinary suite, because it needs one. Run it with
//!
//! ```sh
//! BACKEND_ENDPOINT=… BACKEND_ACCESS_KEY=… BACKEND_SECRET_KEY=… cargo test --test cluster [-- PART-OF-A-NAME]
//! ```
//!
//! Every scenario prints one line. Sessions are destroyed at the end, also after a failure.

mod common;
mod suite;

use bai_client::*;
use bai_protocol::complete::CompletionRequest;
use bai_protocol::create::CreateRequest;
use bai_protocol::record::ConsoleRecord;
use common::{Outputs, begin, cuttable, finish, prints, run};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use suite::{Outcome, Scenario, Suite, ensure, text};

/// The scenarios on the session that has passed the scenarios for every server.
const SHARED: &[(&str, Scenario<ComputeSession>)] = &[
    ("a picture", |s| Box::pin(picture(s))),
    ("html over polling", |s| Box::pin(html_polling(s))),
    ("complete", |s| Box::pin(complete(s))),
    ("the prelude", |s| Box::pin(prelude(s))),
    ("restart is not supported", |s| Box::pin(restart(s))),
];

fn main() -> ExitCode {
    suite::run(Duration::from_secs(120), all)
}

async fn all(api: &Api, suite: &Suite) -> bool {
    let mut ok = true;
    let image = suite::image();
    if common::ON_EVERY_SERVER.iter().chain(SHARED).any(|(name, _)| suite.wants(name)) {
        let session = match create(api, &image).await {
            Ok(session) => session,
            Err(error) => {
                println!("FAIL create: {error}");
                return false;
            }
        };
        ok &= suite.run_all(common::ON_EVERY_SERVER, &session).await;
        ok &= suite.run_all(SHARED, &session).await;
        ok &= suite
            .report("settle", async {
                if session.settle(Duration::from_secs(10)).await {
                    Ok(String::new())
                } else {
                    Err("busy".into())
                }
            })
            .await;
        ok &= suite
            .report("destroy", async {
                session.destroy(DestroyOptions::default()).await.map_err(text)?;
                Ok(String::new())
            })
            .await;
    }
    for (name, scenario) in [
        (
            "create fails with words",
            Box::pin(create_errors(api)) as Pin<Box<dyn Future<Output = Outcome> + Send>>,
        ),
        ("another language has no prelude", Box::pin(no_prelude(api))),
        ("html blocks the session and is detected", Box::pin(html_socket(api, &image))),
        ("a cut socket is reported", Box::pin(cut_socket(api, &image))),
    ] {
        if suite.wants(name) {
            ok &= suite.report(name, scenario).await;
        }
    }
    ok
}

async fn create(api: &Api, image: &str) -> Result<ComputeSession, String> {
    let name = format!("cl-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let resources = [("cpu".to_owned(), "1".to_owned()), ("mem".to_owned(), "1g".to_owned())].into();
    let request = CreateRequest {
        name,
        image: image.to_owned(),
        resources,
        reuse: true,
        max_wait_seconds: Some(90),
        ..Default::default()
    };
    let start = Instant::now();
    let mut seen = Vec::new();
    let result = ComputeSession::create(api, request, |status| seen.push(status.to_string())).await;
    let (session, created) = result.map_err(text)?;
    println!(
        "PASS create {} ({:.2} s) {seen:?} created={}",
        session.name(),
        start.elapsed().as_secs_f64(),
        created.created
    );
    Ok(session)
}

async fn picture(session: &ComputeSession) -> Outcome {
    let code = "import matplotlib\nmatplotlib.use('agg')\n%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1,2]); plt.show()";
    let outputs = run(session, code, Transport::Auto).await?;
    let png =
        |record: &ConsoleRecord| matches!(record, ConsoleRecord::Media { mime, .. } if mime == "image/png");
    ensure(outputs.other.iter().any(png), format!("{outputs:?}"))?;
    Ok(String::new())
}

async fn html_polling(session: &ComputeSession) -> Outcome {
    let code = "from IPython.display import HTML, display\nprint('before'); display(HTML('<b>x</b>')); print('after')";
    let outputs = run(session, code, Transport::Poll).await?;
    ensure(outputs.finished, format!("{outputs:?}"))?;
    prints(session, Transport::Auto).await?;
    Ok(format!("{:?}", outputs.stdout))
}

async fn complete(session: &ComputeSession) -> Outcome {
    let completion = session.complete(CompletionRequest::at("import o", 8)).await.map_err(text)?;
    Ok(format!("{} suggestions", completion.suggestions.len()))
}

/// The last scenario that uses the shared session and prints rich results: afterwards the prelude is installed.
async fn prelude(session: &ComputeSession) -> Outcome {
    let count = "print(get_ipython().execution_count)";
    let counted = |outputs: Outputs| outputs.stdout.trim().parse::<u32>().map_err(|error| error.to_string());
    let before = counted(run(session, count, Transport::Auto).await?)?;
    let prelude = std::sync::Arc::new(Prelude::new(session.clone()));
    let start = Instant::now();
    let state = prelude.install().await.map_err(text)?;
    let installed = start.elapsed();
    ensure(state == PreludeState::Present, format!("{state:?}"))?;
    let mut took = Vec::new();
    for question in ["session_valu", "str.upp", "str.low", "str.cap"] {
        let start = Instant::now();
        // The first completion loads jedi, which can exceed the time limit of a completion on a busy machine.
        let answer = loop {
            match prelude.complete(CompletionRequest::at(question, question.len())).await {
                Some(answer) => break answer,
                None => continue,
            }
        };
        took.push(start.elapsed().as_millis());
        let is_name = question.starts_with("str");
        ensure(answer.suggestions.is_empty() != is_name, question.to_owned())?;
    }
    let described = prelude.describe("len", false).await.unwrap_or_default();
    ensure(described.contains("number of items"), described)?;
    let html = "from IPython.display import HTML\nHTML('<b>x</b>')";
    let outputs = run(session, html, Transport::WebSocket).await?;
    ensure(outputs.finished, format!("{outputs:?}"))?;
    let after = counted(run(session, count, Transport::Auto).await?)?;
    ensure(after == before + 2, format!("{before} then {after}"))?;
    Ok(format!("installed in {} ms, completions in {took:?} ms", installed.as_millis()))
}

/// Checks that a kernel other than IPython is not harmed.
async fn no_prelude(api: &Api) -> Outcome {
    let session = create(api, "bash:5.2").await?;
    let outcome = async {
        let prelude = std::sync::Arc::new(Prelude::new(session.clone()));
        let state = prelude.install().await.map_err(text)?;
        ensure(state == PreludeState::Refused, format!("{state:?}"))?;
        let outputs = run(&session, "echo alive", Transport::Auto).await?;
        ensure(outputs.finished && outputs.stdout.contains("alive"), format!("{outputs:?}"))?;
        Ok(String::new())
    };
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await;
    session.destroy(DestroyOptions::default()).await.map_err(text)?;
    outcome.unwrap_or_else(|_| Err("no end within 30 s".into()))
}

async fn restart(session: &ComputeSession) -> Outcome {
    match session.restart().await {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(error.to_string()),
        other => Err(format!("{other:?}")),
    }
}

async fn create_errors(api: &Api) -> Outcome {
    let request =
        |image: &str| CreateRequest { name: "cl-none".into(), image: image.into(), ..Default::default() };
    let unknown = ComputeSession::create(api, request("no-such-image:1"), |_| {}).await.map(|_| ());
    let Err(unknown) = unknown else { return Err("created".into()) };
    ensure(unknown.kind() == ErrorKind::UnknownImage, format!("{unknown:?}"))?;
    let options = ApiOptions::new(api.endpoint());
    let wrong =
        options.clone().with_credentials(Credentials::keypair("AKIAIOSFODNN7EXAMPLE", "x".to_owned()));
    let wrong = ComputeSession::attach(&Api::new(wrong).map_err(text)?, "x").await.map(|_| ());
    let Err(wrong) = wrong else { return Err("let in".into()) };
    ensure(wrong.kind() == ErrorKind::Auth, format!("{wrong:?}"))?;
    Ok(format!("{unknown}; {wrong}"))
}

async fn html_socket(api: &Api, image: &str) -> Outcome {
    let session = create(api, image).await?;
    let outputs =
        run(&session, "from IPython.display import HTML\nHTML('<b>x</b>')", Transport::WebSocket).await;
    session.destroy(DestroyOptions { forced: true, recursive: false }).await.map_err(text)?;
    let lost = outputs?.lost.ok_or("it was not lost")?;
    ensure(lost.session == SessionState::Stuck, format!("{lost:?}"))?;
    Ok(format!("{}", lost.error))
}

async fn cut_socket(api: &Api, image: &str) -> Outcome {
    let session = create(api, image).await?;
    let (through, cutter) = cuttable(api).await?;
    let outcome = async {
        let session = ComputeSession::attach(&through, session.name()).await.map_err(text)?;
        let mut run = begin(
            &session,
            "import time\nfor i in range(50): print(i); time.sleep(0.1)",
            Transport::WebSocket,
        )
        .await?;
        let _ = run.next().await;
        cutter.send_replace(true);
        let start = Instant::now();
        let lost = finish(&mut run, |_, _| {}).await.lost.ok_or("it was not lost")?;
        Ok(format!(
            "{} / {:?} / {:?} after {:.1} s",
            lost.error,
            lost.session,
            lost.error.hint(),
            start.elapsed().as_secs_f64()
        ))
    }
    .await;
    session.destroy(DestroyOptions { forced: true, recursive: false }).await.map_err(text)?;
    outcome
}
