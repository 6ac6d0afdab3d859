//! Operations on sessions of a genuine cluster other than running code. Not part of the ordinary suite, because it
//! needs one. Run it with
//!
//! ```sh
//! BACKEND_ENDPOINT=… BACKEND_ACCESS_KEY=… BACKEND_SECRET_KEY=… cargo test --test cluster_operations [-- PART-OF-A-NAME]
//! ```
//!
//! Every scenario prints one line. Sessions are destroyed at the end, also after a failure. Only one exists at a time.

mod suite;

use bai_client::*;
use bai_protocol::create::{CreateRequest, SessionType};
use bai_protocol::history::CommitState;
use bai_protocol::record::ConsoleRecord;
use bai_protocol::status::SessionStatus;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use suite::{Outcome, Scenario, Suite, ensure, image, text};

/// Scenarios without a session.
const LISTS: &[(&str, Scenario<Api>)] = &[
    ("images", |api| Box::pin(images(api))),
    ("slots, presets and resource groups", |api| Box::pin(resources(api))),
    ("virtual folders", |api| Box::pin(folders(api))),
    ("sessions by page", |api| Box::pin(pages(api))),
];

/// Scenarios on one session, which they leave usable.
const SHARED: &[(&str, Scenario<ComputeSession>)] = &[
    ("create options arrive", |s| Box::pin(options_arrive(s))),
    ("search by name", |s| Box::pin(search(s))),
    ("summary", |s| Box::pin(summary(s))),
    ("status history", |s| Box::pin(history(s))),
    ("dependency graph", |s| Box::pin(graph(s))),
    ("abuse report and direct access", |s| Box::pin(no_abuse_report(s))),
    ("rename there and back", |s| Box::pin(rename(s))),
    ("start and stop a service", |s| Box::pin(service(s))),
    ("export to an image", |s| Box::pin(export(s))),
    ("task log", |s| Box::pin(task_log(s))),
    ("blueprint", |s| Box::pin(blueprint(s))),
    ("large: 50 MB up and down", |s| Box::pin(large(s))),
    ("large: a folder that is not an archive", |s| Box::pin(large_folder(s))),
];

/// Scenarios on the same session that run only if they are selected by name, because they take the agent minutes.
const SLOW: &[(&str, Scenario<ComputeSession>)] = &[("commit", |s| Box::pin(commit(s)))];

/// Scenarios with sessions of their own.
const OWN: &[(&str, Scenario<Api>)] = &[
    ("recreate under the same name", |api| Box::pin(recreate(api))),
    ("create from a template", |api| Box::pin(template(api))),
    ("batch that succeeds and one that fails", |api| Box::pin(batch(api))),
    ("batch that waits for another", |api| Box::pin(dependent(api))),
    ("enqueue only, then destroy by force", |api| Box::pin(enqueue_only(api))),
    ("a request that never fits reaches the time limit", |api| Box::pin(never_fits(api))),
];

fn main() -> ExitCode {
    suite::run(Duration::from_secs(240), all)
}

async fn all(api: &Api, suite: &Suite) -> bool {
    let mut ok = suite.run_all(LISTS, api).await;
    let slow = if suite.is_whole() { &[] } else { SLOW };
    if SHARED.iter().chain(slow).any(|(name, _)| suite.wants(name)) {
        match ComputeSession::create(api, request("shared"), |_| {}).await {
            Ok((session, _)) => {
                ok &= suite.run_all(SHARED, &session).await;
                ok &= suite.run_all(slow, &session).await;
                ok &= suite.report("destroy", destroy_and_wait(&session)).await;
            }
            Err(error) => {
                println!("FAIL create: {error}");
                ok = false;
            }
        }
    }
    ok & suite.run_all(OWN, api).await
}

fn request(what: &str) -> CreateRequest {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    CreateRequest {
        name: format!("clop-{what}-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]),
        image: image(),
        environ: [pair("CLOP", "it's \"här\"")].into(),
        resources: [pair("cpu", "1"), pair("mem", "512m")].into(),
        resource_opts: [pair("shmem", "128m")].into(),
        tag: Some("clop".into()),
        preopen_ports: vec![9191],
        bootstrap_script: Some("echo booted > /home/work/booted".into()),
        cluster_size: Some(1),
        cluster_mode: Some("single-node".into()),
        architecture: Some("x86_64".into()),
        scaling_group: Some("default".into()),
        callback_url: Some("http://127.0.0.1:9/hook".into()),
        priority: Some(15),
        max_wait_seconds: Some(120),
        ..CreateRequest::default()
    }
}

/// Destroys a session and waits for its end, so that there are resources for the next one.
async fn destroy_and_wait(session: &ComputeSession) -> Outcome {
    let forced = DestroyOptions { forced: true, recursive: true };
    if session.destroy(DestroyOptions::default()).await.is_err() {
        let _ = session.destroy(forced).await;
    }
    let mut last = String::new();
    let mut events = session.events();
    for _ in 0..60 {
        match session.info().await {
            Err(_) => return Ok(last),
            Ok(info) if info.status.as_ref().is_some_and(SessionStatus::is_dead) => {
                last = info.status.map(|status| status.to_string()).unwrap_or_default();
                if last != "TERMINATING" {
                    return Ok(last);
                }
            }
            Ok(_) => {}
        }
        let _ = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
    }
    Err(format!("still {last}"))
}

async fn run(session: &ComputeSession, code: &str) -> Result<String, String> {
    let cell = Cell::Query(code.to_owned());
    let mut run = session.execute(cell, RunOptions::default()).await.map_err(text)?;
    let mut printed = String::new();
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text)) => {
                printed.push_str(&text)
            }
            RunEvent::Lost(lost) => return Err(lost.error.to_string()),
            _ => {}
        }
    }
    Ok(printed)
}

async fn images(api: &Api) -> Outcome {
    let images = api.images(ImageOptions::default()).await.map_err(text)?;
    ensure(!images.is_empty(), "none")?;
    let names: Vec<_> = images.iter().map(|image| image.reference()).collect();
    api.images(ImageOptions { operation: true, installed: true }).await.map_err(text)?;
    Ok(names.join(" "))
}

async fn resources(api: &Api) -> Outcome {
    let slots = api.resource_slots().await.map_err(text)?;
    ensure(slots.get("cpu").map(String::as_str) == Some("count"), format!("{slots:?}"))?;
    let details = api.slot_details(Some("default")).await.map_err(text)?;
    let groups = api.scaling_groups(None).await.map_err(text)?;
    ensure(groups == ["default"], format!("{groups:?}"))?;
    let presets = api.presets(None).await.map_err(text)?;
    let check = api.check_presets(None, Some("default")).await.map_err(text)?;
    ensure(check.presets.len() == presets.len(), format!("{presets:?}"))?;
    let unknown = api.check_presets(Some("no-such-project"), None).await;
    let cpu = check.scaling_group_remaining.get("cpu");
    Ok(format!(
        "{} slots shown, {} presets, cpu free {cpu:?}, unknown project: {:?}",
        details.len(),
        presets.len(),
        unknown.map(|_| ()).map_err(text)
    ))
}

async fn folders(api: &Api) -> Outcome {
    Ok(format!("{} folders", api.virtual_folders().await.map_err(text)?.len()))
}

async fn pages(api: &Api) -> Outcome {
    let all = |limit, offset| SessionQuery {
        order: Some("-created_at".into()),
        limit,
        offset,
        ..SessionQuery::default()
    };
    let whole = api.search_sessions(&all(None, 0)).await.map_err(text)?;
    ensure(
        whole.items.len() as u64 == whole.total.min(5000),
        format!("{} of {}", whole.items.len(), whole.total),
    )?;
    let part = api.search_sessions(&all(Some(3), 2)).await.map_err(text)?;
    let ids = |page: &[SessionSummary]| page.iter().map(|s| s.id.clone()).collect::<Vec<_>>();
    ensure(ids(&part.items) == ids(whole.items.get(2..5).unwrap_or_default()), "another order")?;
    let bad = SessionQuery { filter: Some("nonsense ===".into()), ..SessionQuery::default() };
    let bad = api.search_sessions(&bad).await.map(|_| ());
    ensure(bad.is_err(), "a filter that is none")?;
    Ok(format!("{} sessions; {}", whole.total, bad.map_err(text).unwrap_err()))
}

async fn options_arrive(session: &ComputeSession) -> Outcome {
    let code = "import os; print(os.environ['CLOP'], open('/home/work/booted').read().strip(), \
        os.environ.get('BACKENDAI_PREOPEN_PORTS'), os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize)";
    let printed = run(session, code).await?;
    ensure(printed == "it's \"här\" booted 9191 134217728\n", &printed)?;
    Ok(printed.trim().to_owned())
}

async fn search(session: &ComputeSession) -> Outcome {
    let query = SessionQuery {
        name: Some(session.name().to_uppercase()),
        statuses: vec![SessionStatus::Running],
        filter: Some("type == \"interactive\"".into()),
        ..SessionQuery::default()
    };
    let found = session.api().search_sessions(&query).await.map_err(text)?;
    ensure(found.total == 1 && found.items.len() == 1, format!("{found:?}"))?;
    Ok(String::new())
}

async fn summary(session: &ComputeSession) -> Outcome {
    let summary = session.summary().await.map_err(text)?;
    ensure(
        summary.session_type() == Some(SessionType::Interactive) && summary.tag.as_deref() == Some("clop"),
        format!("{summary:?}"),
    )?;
    ensure(summary.priority == Some(15) && !summary.service_ports.is_empty(), format!("{summary:?}"))?;
    Ok(format!("{:?} {:?}", summary.requested_slots, summary.resource_opts))
}

async fn history(session: &ComputeSession) -> Outcome {
    let history = session.status_history().await.map_err(text)?.0;
    let names: Vec<_> = history.iter().map(|(status, _)| status.name().to_owned()).collect();
    ensure(names.first().map(String::as_str) == Some("PENDING"), format!("{names:?}"))?;
    ensure(names.last().map(String::as_str) == Some("RUNNING"), format!("{names:?}"))?;
    Ok(names.join(" "))
}

async fn graph(session: &ComputeSession) -> Outcome {
    let graph = session.dependency_graph().await.map_err(text);
    Ok(format!("{graph:?}"))
}

async fn no_abuse_report(session: &ComputeSession) -> Outcome {
    let report = session.abusing_report().await.map_err(text)?;
    let access = session.direct_access_info().await.map_err(text)?;
    ensure(report.is_none() && access.is_none(), format!("{report:?} {access:?}"))?;
    Ok(String::new())
}

async fn rename(session: &ComputeSession) -> Outcome {
    let name = format!("{}-x", session.name());
    let renamed = session.rename(&name).await.map_err(text)?;
    ensure(renamed.name() == name && renamed.id() == session.id(), format!("{renamed:?}"))?;
    let found = ComputeSession::attach(session.api(), &name).await.map_err(text)?;
    ensure(found.id() == session.id(), "another session")?;
    renamed.rename(session.name()).await.map_err(text)?;
    let bad = session.rename("-").await.map(|_| ());
    ensure(matches!(&bad, Err(error) if error.kind() == ErrorKind::BadRequest), format!("{bad:?}"))?;
    Ok(String::new())
}

async fn service(session: &ComputeSession) -> Outcome {
    let started = session.start_service("rig-http", &ServiceOptions::default()).await;
    let started = started.map(|address| address.wsproxy_addr).map_err(text);
    let unknown = session.start_service("no-such-app", &ServiceOptions::default()).await;
    let unknown = unknown.map(|_| ()).map_err(text);
    session.shutdown_service("rig-http").await.map_err(text)?;
    Ok(format!("{started:?}; {unknown:?}"))
}

async fn commit(session: &ComputeSession) -> Outcome {
    let before = session.commit_status().await.map_err(text)?;
    ensure(before == CommitState::Ready, format!("{before:?}"))?;
    let (commit, task) = session.commit(None).await.map_err(text)?;
    let during = session.commit_status().await.map_err(text)?;
    let mut steps = 0;
    let end = task.finish(|_| steps += 1).await.map_err(text);
    Ok(format!("{:?}, {during:?} meanwhile, {steps} steps, {end:?}", commit.path))
}

async fn export(session: &ComputeSession) -> Outcome {
    match session.export_to_image("clop-image", ImageVisibility::User).await {
        Ok(task) => Ok(format!("{:?}", task.finish(|_| {}).await.map_err(text))),
        Err(error) => Ok(text(error)),
    }
}

async fn task_log(session: &ComputeSession) -> Outcome {
    match session.task_log().await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(text(error)),
        other => Err(format!("{other:?}")),
    }
}

async fn blueprint(session: &ComputeSession) -> Outcome {
    let like = session.blueprint().await.map_err(text)?;
    let asked = request("x");
    ensure(like.environ == asked.environ, format!("{:?}", like.environ))?;
    ensure(like.preopen_ports == asked.preopen_ports && like.tag == asked.tag, format!("{like:?}"))?;
    Ok(format!("{like:?}"))
}

fn local<T>(result: std::io::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

async fn large(session: &ComputeSession) -> Outcome {
    let folder = local(tempfile::tempdir())?;
    let from = folder.path().join("large");
    let mut random = fastrand::Rng::new();
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(50_000_000).collect();
    local(std::fs::write(&from, &content))?;
    let start = Instant::now();
    let uploads = [Upload::new(from, "deep/er/large file")];
    let mut calls = 0;
    session.upload_with(&uploads, UploadOptions { overwrite: true }, |_| calls += 1).await.map_err(text)?;
    let up = start.elapsed().as_secs_f64();
    let code = "import hashlib; print(hashlib.sha256(open('/home/work/deep/er/large file', 'rb').read()).hexdigest())";
    let theirs = run(session, code).await?;
    let start = Instant::now();
    let into = folder.path().join("down");
    let paths = ["deep/er/large file".to_owned()];
    session.download_with(&paths, &into, DownloadOptions::default(), |_| calls += 1).await.map_err(text)?;
    let down = start.elapsed().as_secs_f64();
    ensure(local(std::fs::read(into.join("large file")))? == content, "other bytes")?;
    let left = session.list_files(".bai-repl").await;
    ensure(left.is_err(), format!("{left:?}"))?;
    let sum = theirs.trim();
    Ok(format!("up {up:.1} s, down {down:.1} s, {calls} progress calls, sha256 in the session {sum}"))
}

async fn large_folder(session: &ComputeSession) -> Outcome {
    let code = "import os\nos.makedirs('/home/work/tree/sub/empty')\n\
        for n in range(12): open(f'/home/work/tree/sub/{n}', 'wb').write(os.urandom(200_000))\n\
        open('/home/work/tree/large', 'wb').write(os.urandom(2_500_000))";
    run(session, code).await?;
    let folder = local(tempfile::tempdir())?;
    let options = DownloadOptions::default();
    let got = session.download(&["tree".to_owned()], folder.path(), options).await.map_err(text)?;
    ensure(got.files.len() == 13 && got.bytes == 4_900_000, format!("{got:?}"))?;
    ensure(folder.path().join("tree/sub/empty").is_dir(), "the empty folder")?;
    Ok(format!("{:?}", got.files.first()))
}

async fn recreate(api: &Api) -> Outcome {
    let (session, _) = ComputeSession::create(api, request("again"), |_| {}).await.map_err(text)?;
    let outcome = async {
        run(&session, "x = 1").await?;
        let refused = session.restart().await.map_err(text);
        let like = session.blueprint().await.map_err(text)?;
        let (again, created) = session.recreate(like, |_| {}).await.map_err(text)?;
        let printed = run(&again, "import os; print('x' in globals(), os.environ['CLOP'])").await;
        let destroyed = destroy_and_wait(&again).await;
        ensure(created.created && again.name() == session.name() && again.id() != session.id(), "not anew")?;
        let printed = printed?;
        ensure(printed == "False it's \"här\"\n", &printed)?;
        Ok(format!("{refused:?} {destroyed:?}"))
    }
    .await;
    if outcome.is_err() {
        let _ = destroy_and_wait(&session).await;
    }
    outcome
}

/// `BAI_TEST_TEMPLATE` is the UUID of a session template with a Python image.
async fn template(api: &Api) -> Outcome {
    let Ok(id) = std::env::var("BAI_TEST_TEMPLATE") else { return Ok("no template to try".into()) };
    let request = CreateRequest {
        name: request("template").name,
        template: Some(id),
        max_wait_seconds: Some(120),
        ..CreateRequest::default()
    };
    let (session, created) = ComputeSession::create(api, request, |_| {}).await.map_err(text)?;
    let printed = run(&session, "print('from', 'template')").await;
    let ended = destroy_and_wait(&session).await?;
    ensure(created.created && printed.as_deref() == Ok("from template\n"), format!("{printed:?}"))?;
    Ok(ended)
}

fn batch_request(what: &str, command: &str) -> CreateRequest {
    CreateRequest {
        session_type: Some(SessionType::Batch),
        startup_command: Some(command.into()),
        batch_timeout: Some("5m".into()),
        enqueue_only: true,
        ..request(what)
    }
}

async fn batch(api: &Api) -> Outcome {
    let mut seen = Vec::new();
    for (command, outcome) in
        [("sleep 1; echo hi", BatchOutcome::Success), ("sleep 1; exit 3", BatchOutcome::Failure)]
    {
        let (session, _) =
            ComputeSession::create(api, batch_request("batch", command), |_| {}).await.map_err(text)?;
        let got = session.wait_until_over(Some(Duration::from_secs(120)), |_| {}).await;
        let summary = session.summary().await.map_err(text);
        if got.is_err() {
            let _ = destroy_and_wait(&session).await;
        }
        let got = got.map_err(text)?;
        ensure(got == outcome, format!("{command}: {got:?}"))?;
        seen.push(format!("{got:?} {:?}", summary.map(|s| s.status_info)));
    }
    Ok(seen.join(", "))
}

async fn dependent(api: &Api) -> Outcome {
    let (first, _) =
        ComputeSession::create(api, batch_request("first", "sleep 3"), |_| {}).await.map_err(text)?;
    let id = first.id().unwrap_or_default().to_owned();
    let second = CreateRequest { dependencies: vec![id], ..batch_request("second", "echo") };
    let (second, _) = ComputeSession::create(api, second, |_| {}).await.map_err(text)?;
    let graph = second.dependency_graph().await.map_err(text);
    let got = second.wait_until_over(Some(Duration::from_secs(150)), |_| {}).await.map_err(text);
    if got.is_err() {
        let _ = destroy_and_wait(&second).await;
        let _ = destroy_and_wait(&first).await;
    }
    ensure(got? == BatchOutcome::Success, "failure")?;
    let graph = graph?;
    let on = graph.depends_on.first().map(|node| node.session_id.as_str());
    ensure(on == first.id(), format!("{graph:?}"))?;
    Ok(format!("{:?}", graph.session_status()))
}

async fn enqueue_only(api: &Api) -> Outcome {
    let request = CreateRequest { enqueue_only: true, ..request("queue") };
    let (session, created) = ComputeSession::create(api, request, |_| {}).await.map_err(text)?;
    ensure(created.status == SessionStatus::Pending, format!("{created:?}"))?;
    session.destroy(DestroyOptions { forced: true, recursive: true }).await.map_err(text)?;
    destroy_and_wait(&session).await
}

async fn never_fits(api: &Api) -> Outcome {
    let resources = [("cpu".to_owned(), "1".to_owned()), ("mem".to_owned(), "900g".to_owned())].into();
    let request = CreateRequest { resources, max_wait_seconds: Some(6), ..request("large") };
    let name = request.name.clone();
    let Err(error) = ComputeSession::create(api, request, |_| {}).await else { return Err("created".into()) };
    let session = ComputeSession::attach(api, &name).await.map_err(text);
    if let Ok(session) = &session {
        let _ = destroy_and_wait(session).await;
    }
    ensure(error.kind() == ErrorKind::Timeout, text(error.clone()))?;
    Ok(format!("{error}; {:?}", error.hint()))
}
