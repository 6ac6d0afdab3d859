//! A program that uses only this crate can name every type in its signatures. Compiling this file is most of the test;
//! no function but the last one runs.

#![allow(clippy::unwrap_used, dead_code)]

use bai_client::{
    AbuseReport, Accelerator, Api, ApiOptions, ApiVersion, App, AppEvent, AppListener, ArgumentValue,
    BadName, BadParameter, BadRequest, BadVersion, BatchOptions, BatchOutcome, ByteCount, Bytes,
    Capabilities, Capability, Cell, ClientError, Commit, CommitState, Completion, CompletionOptions,
    CompletionRequest, ComputeSession, ConsoleRecord, CreateRequest, Created, Credentials, DependencyNode,
    DestroyOptions, DirectAccess, Downloaded, DownloadedFile, EventData, EventStream, ExposeSecret,
    FileEntry, Hello, Image, ImageLabel, ImageOptions, Interrupter, LinkState, LiveStat, LoggedIn,
    LoginReply, LostRun, Metric, MountOption, NotSent, Preset, PresetCheck, Problem, Progress, Pty, PtyEvent,
    PtyHandle, PtyOptions, PtyStatus, Refusal, Renewal, Run, RunEvent, RunId, RunOptions, SecretString,
    ServiceAddress, ServiceOptions, ServiceParameters, ServicePort, SessionEvent, SessionFacts, SessionInfo,
    SessionPage, SessionQuery, SessionState, SessionStatus, SessionSummary, SessionType, Skipped,
    SlotDetails, StatusHistory, Task, TaskEvent, Tunnel, TunnelOptions, Upload, UploadOptions, Uploaded,
    Value, VirtualFolder, WebLogin, Zeroizing,
};
use std::collections::BTreeMap;

fn server(secret: SecretString) -> Result<Api, ClientError> {
    let renewal = Renewal::new(|| None::<SecretString>);
    let credentials: Credentials = Credentials::keypair("AKIA", secret);
    let options = ApiOptions { renewal: Some(renewal), ..ApiOptions::new("http://127.0.0.1:1") };
    Api::new(options.with_credentials(credentials))
}

async fn facts_of_a_server(api: &Api) -> Result<(), ClientError> {
    let hello: &Hello = api.hello().await?;
    let _: &Capabilities = &hello.capabilities;
    let version: ApiVersion = api.version().await?;
    let _: Result<ApiVersion, BadVersion> = version.to_string().parse();
    let _: bool = api.has(Capability::KeptOutput).await;
    let images: Vec<Image> = api.images(ImageOptions::default()).await?;
    let _: Option<&ImageLabel> = images.first().and_then(|image| image.labels.first());
    let presets: Vec<Preset> = api.presets(None).await?;
    let check: PresetCheck = api.check_presets(None, None).await?;
    let _: (Vec<Preset>, Vec<Preset>) = (presets, check.presets);
    let _: BTreeMap<String, SlotDetails> = api.slot_details(None).await?;
    let _: Vec<VirtualFolder> = api.virtual_folders().await?;
    let stats: BTreeMap<String, LiveStat> = api.live_stats().await?;
    for stat in stats.values() {
        let _: (Option<ByteCount>, Option<Metric>) = (stat.memory(), stat.get("mem"));
        let _: Vec<Accelerator> = stat.accelerators();
    }
    let page: SessionPage = api.search_sessions(&SessionQuery::default()).await?;
    for summary in page.items {
        let summary: SessionSummary = summary;
        let _: (Vec<ServicePort>, Option<SessionType>) =
            (summary.service_ports.clone(), summary.session_type());
    }
    let login = WebLogin::new("user@example.com", "password".to_owned());
    if let LoginReply::Done(logged_in) = api.web_login(&login).await? {
        let logged_in: LoggedIn = logged_in;
        let _: &str = logged_in.session_id.expose_secret();
    }
    let events: EventStream = api.events();
    let _: EventStream = events;
    Ok(())
}

async fn creation(api: &Api) -> Result<ComputeSession, ClientError> {
    let request = CreateRequest {
        session_type: Some(SessionType::Batch),
        mount_options: [("data".to_owned(), MountOption::default())].into(),
        ..CreateRequest::new("work", "python:3.6")
    };
    let checked: Result<(), BadRequest> = request.check();
    let _: Result<(), BadName> = bai_client::check_name("work");
    if let Err(BadRequest::Name(BadName::Reserved)) = checked {}
    let (session, created): (ComputeSession, Created) =
        ComputeSession::create(api, request, |_: &SessionStatus| {}).await?;
    let _: Vec<ServicePort> = created.service_ports;
    let _: BatchOutcome = session.wait_until_over(None, |_| {}).await?;
    Ok(session)
}

async fn facts_of_a_session(session: &ComputeSession) -> Result<(), ClientError> {
    let facts: SessionFacts = session.facts().await?;
    let _: (SessionInfo, LiveStat) = (facts.info, facts.usage);
    let _: StatusHistory = session.status_history().await?;
    let _: DependencyNode = session.dependency_graph().await?;
    let _: Option<AbuseReport> = session.abusing_report().await?;
    let _: Option<DirectAccess> = session.direct_access_info().await?;
    let _: CommitState = session.commit_status().await?;
    let (_, mut task): (Commit, Task) = session.commit(None).await?;
    let _: Option<Result<TaskEvent, ClientError>> = task.next().await;
    let event: Option<SessionEvent> = session.events().next().await;
    let _: Option<EventData> = event.map(|event| event.data);
    let options = CompletionOptions { line: "pri".to_owned(), ..Default::default() };
    let _: Completion = session.complete(CompletionRequest { code: "pri".to_owned(), options }).await?;
    session.destroy(DestroyOptions::default()).await
}

async fn a_run(session: &ComputeSession) -> Result<(), ClientError> {
    let commands = BatchOptions { exec: "true".to_owned(), ..Default::default() };
    let mut run: Run = session.execute(Cell::Batch(commands), RunOptions::default()).await?;
    let _: Interrupter = run.interrupter();
    while let Some(event) = run.next().await {
        match event {
            RunEvent::Console(ConsoleRecord::Unknown { payload, .. }) => drop::<Value>(payload),
            RunEvent::WaitingInput { .. } => drop(run.send_input(Zeroizing::new("line".to_owned()))),
            RunEvent::Lost(lost) => {
                let LostRun { error, session, run_id, .. } = lost;
                let _: (SessionState, Option<RunId>, Option<Problem>) =
                    (session, run_id, error.problem().cloned());
            }
            _ => {}
        }
    }
    Ok(())
}

async fn files(session: &ComputeSession) -> Result<(), ClientError> {
    let _: Vec<FileEntry> = session.list_files(".").await?;
    let content: Bytes = session.read_file("a").await?;
    session.write_file("b", content, UploadOptions::default()).await?;
    let upload = Upload::new("a", "b");
    let uploaded: Uploaded =
        session.upload_with(&[upload], UploadOptions::default(), |_: &Progress<'_>| {}).await?;
    let _: Vec<Skipped> = uploaded.skipped;
    let downloaded: Downloaded = session.download(&[], ".".as_ref(), Default::default()).await?;
    let _: (Vec<DownloadedFile>, Vec<Skipped>) = (downloaded.files, downloaded.skipped);
    Ok(())
}

async fn apps_and_terminals(session: &ComputeSession) -> Result<(), ClientError> {
    let mut parameters = ServiceParameters::default();
    let _: Result<(), BadParameter> = parameters.add_env("A=1");
    parameters.arguments.insert("--title".to_owned(), ArgumentValue::One("work".to_owned()));
    let options = TunnelOptions { parameters, ..TunnelOptions::new("jupyter") };
    let _: Tunnel = Tunnel::open(session, &options).await?;
    let listener = AppListener::bind(session, options, "127.0.0.1:0").await?;
    let _: App = listener.app().clone();
    let refusals = |event| {
        if let AppEvent::Refused { refusal, .. } = event {
            drop::<Refusal>(refusal);
        }
    };
    listener.serve(refusals).await;
    let _: ServiceAddress = session.start_service("jupyter", &ServiceOptions::default()).await?;
    let mut terminal = Pty::open(session, PtyOptions::default()).await?;
    let handle: PtyHandle = terminal.handle();
    let sent: Result<(), NotSent> = handle.send(Bytes::from_static(b"ls\r")).await;
    let status: PtyStatus = handle.status();
    if let (Ok(()), LinkState::Up { .. }, Some(PtyEvent::Output(bytes))) =
        (sent, status.link, terminal.next().await)
    {
        drop::<Bytes>(bytes);
    }
    Ok(())
}

#[test]
fn the_examples_and_this_file_need_no_other_crate_for_types() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        std::fs::read_dir(folder.join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4);
    files.push(folder.join("tests/names.rs"));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for other in ["protocol", "secrecy", "zeroize", "serde_json", "reqwest"] {
            let used = [format!("{other}::"), format!("bai_{other}::")];
            assert!(!used.iter().any(|used| text.contains(used)), "{} uses {other}", file.display());
        }
    }
}
