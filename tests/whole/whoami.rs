//! `bai-repl whoami` and `config show`: what decides about the server and the user, and what an emulated cluster says about them.

use super::emulated_server::sandbox_at;
use bai_testkit::Sandbox;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

const KEYS: [(&str, &str); 2] = [("BACKEND_ACCESS_KEY", "AK"), ("BACKEND_SECRET_KEY", "SK")];

#[track_caller]
fn shown(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let run = sandbox.run(&[&["--json"], arguments].concat());
    run.expect_code(0);
    assert!(!run.stdout.contains("SK"), "{}", run.stdout);
    serde_json::from_str(run.stdout.trim_end()).unwrap()
}

#[test]
fn what_decides_is_named() {
    let mut sandbox = Sandbox::new();
    let show = |sandbox: &Sandbox, flags: &[&str]| {
        let facts = shown(sandbox, &[flags, &["config", "show"]].concat());
        let text = |key: &str| facts[key].as_str().unwrap_or_default().to_owned();
        [text("endpoint"), text("endpoint_from"), text("identity_from")]
    };
    assert_eq!(show(&sandbox, &[]), ["local", "no cluster is configured", ""]);
    assert_eq!(show(&sandbox, &["--endpoint", "local"]), ["local", "--endpoint", ""]);

    let env = sandbox.write(
        ".env",
        "BACKEND_ENDPOINT=https://file.example\nBACKEND_ACCESS_KEY=AF\nBACKEND_SECRET_KEY=SK\n",
    );
    std::fs::set_permissions(&env, PermissionsExt::from_mode(0o600)).unwrap();
    let file = env.canonicalize().unwrap().display().to_string();
    assert_eq!(show(&sandbox, &[]), ["https://file.example", &file, &file]);
    std::fs::remove_file(env).unwrap();

    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(&folder).unwrap();
    let lab = "profile = 'lab'\n[profiles.lab]\nendpoint = 'https://lab.example'\naccess_key = 'AL'\nsecret_key = 'SK'\n";
    std::fs::write(folder.join("config.toml"), lab).unwrap();
    std::fs::set_permissions(folder.join("config.toml"), PermissionsExt::from_mode(0o600)).unwrap();
    let profile = "profile lab of the configuration file";
    assert_eq!(show(&sandbox, &[]), ["https://lab.example", profile, profile]);

    KEYS.iter().for_each(|(name, value)| sandbox.set(name, *value));
    sandbox.set("SORNA_ENDPOINT", "https://env.example");
    let variables = ["https://env.example", "SORNA_ENDPOINT", "BACKEND_ACCESS_KEY"];
    assert_eq!(show(&sandbox, &[]), variables);
    assert_eq!(show(&sandbox, &["--profile", "lab"]), ["https://lab.example", profile, profile]);
    let flag = show(&sandbox, &["--endpoint", "https://flag.example"]);
    assert_eq!(flag, ["https://flag.example", "--endpoint", "BACKEND_ACCESS_KEY"]);
}

#[test]
fn the_server_tells_who_the_user_is_and_what_is_in_use() {
    let sandbox = sandbox_at(|_, target, body| match target.split('?').next().unwrap_or_default() {
        "/" => json!({"version": "v9.20250722", "manager": "26.9.6"}),
        "/admin/gql" => {
            let query = body["query"].as_str().unwrap_or_default();
            json!({"data": {
                "user": {
                    "email": "ann\u{1b}[2J@lab.example", "full_name": null, "role": "user", "domain_name": "default",
                    "groups": [{"name": "default"}, {"name": "other"}],
                },
                "keypair": {"access_key": "AK", "resource_policy": "small", "concurrency_used": 1},
                "keypair_resource_policy": query.contains("policy(").then(|| json!({"max_concurrent_sessions": 3})),
            }})
        }
        "/scaling-groups" => json!({"scaling_groups": [{"name": "gpu"}]}),
        "/resource/check-presets" => json!({
            "presets": [], "keypair_limits": {"cpu": "4", "mem": "Infinity", "tpu": "Infinity"},
            "keypair_using": {"cpu": "2.0", "mem": "1073741824"}, "group_limits": {"cpu": "NaN", "mem": "2147483648"},
            "scaling_group_remaining": {"cpu": "0", "mem": "0", "tpu": "0", "cuda": "1.5"},
        }),
        _ => json!({}),
    });
    let run = sandbox.run(&["whoami"]);
    run.expect_code(0);
    for line in [
        "user             ann<U+001B>[2J@lab.example (user)",
        "projects         default, other",
        "sessions         1 of 3 (policy small)",
        "resource groups  gpu",
        "cpu              2 in use, limit 4 for the key, 0 free",
        "mem              1.0 GiB in use, limit 2.0 GiB for the project, 0 B free",
        "cuda             0 in use, no limit, 1.5 free",
    ] {
        assert!(run.stdout.lines().any(|shown| shown == line), "{line} is missing in\n{}", run.stdout);
    }
    assert!(!run.stdout.contains("tpu"), "{}", run.stdout);
    let facts = shown(&sandbox, &["whoami"]);
    assert_eq!(
        (&facts["user"]["max_sessions"], &facts["resources"]["cpu"]["used"]),
        (&json!(3), &json!(2.0))
    );

    // A server that knows no users and has no limits, as our engine.
    let silent = sandbox_at(|_, target, _| match target {
        "/" => json!({"version": "v9.20250722"}),
        "/scaling-groups?group=default" => json!({"scaling_groups": []}),
        "/admin/gql" => json!({"errors": [{"message": "there is no field user"}]}),
        _ => json!({"presets": []}),
    });
    let run = silent.run(&["whoami"]);
    run.expect_code(0);
    assert!(run.stdout.contains("access key     AK"), "{}", run.stdout);
}
