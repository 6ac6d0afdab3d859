//! The search for CPython in invented folders and on this machine.

use super::*;

#[test]
fn versions_are_parsed() {
    let parse = |text| Version::parse(text).map(|v| v.to_string());
    assert_eq!(parse("3.6.15").as_deref(), Some("3.6.15"));
    assert_eq!(parse("3.14").as_deref(), Some("3.14.0"));
    assert_eq!(parse("3.13.0rc1").as_deref(), Some("3.13.0"));
    assert_eq!(parse("miniconda3-latest"), None);
}

#[test]
fn pyenv_is_found_in_the_home_folder_and_python_2_is_not_taken() {
    let home = tempfile::tempdir().unwrap();
    for version in ["2.7.18", "3.6.15", "3.11.7"] {
        make_executable(
            &home.path().join(".pyenv/versions").join(version).join("bin/python"),
            "#!/bin/false",
        );
    }
    let search_paths = SearchPaths::of(&[("HOME", home.path().to_str().unwrap())]);
    let search = Search::new(&search_paths);
    let found: Vec<String> = search.all().iter().map(|found| found.version.to_string()).collect();
    assert_eq!(found, ["3.11.7", "3.6.15"]);
    let best = |major, minor| {
        search.best(Some(WantedVersion { major, minor })).ok().map(|found| found.version.to_string())
    };
    assert_eq!(best(3, Some(6)).as_deref(), Some("3.6.15"));
    assert_eq!(best(3, Some(5)).as_deref(), Some("3.6.15"));
    assert_eq!(best(3, Some(7)).as_deref(), Some("3.11.7"));
    assert_eq!(best(3, None).as_deref(), Some("3.11.7"));
    assert_eq!(best(3, Some(14)), None);
    assert_eq!(best(2, Some(7)), None);
    assert_eq!(search.best(None).ok().map(|found| found.origin), Some("pyenv"));
}

#[test]
fn a_minor_version_is_looked_up_by_name_and_a_major_one_among_all_names() {
    let home = tempfile::tempdir().unwrap();
    let bin = home.path().join("bin");
    for version in ["3.7.9", "3.12.1"] {
        let name = version.rsplit_once('.').unwrap().0;
        make_executable(&bin.join(format!("python{name}")), &format!("#!/bin/sh\necho cpython {version}"));
    }
    let variables = [("HOME", home.path().to_str().unwrap()), ("PATH", bin.to_str().unwrap())];
    let search_paths = SearchPaths::of(&variables);
    let best = |minor| {
        let found = Search::new(&search_paths).best(Some(WantedVersion { major: 3, minor })).unwrap();
        (found.version.to_string(), found.origin)
    };
    assert_eq!(best(Some(7)), ("3.7.9".to_owned(), "PATH"));
    assert_eq!(best(None), ("3.12.1".to_owned(), "PATH"));
    // The nearest newer one takes the place of one that is not there.
    assert_eq!(best(Some(9)), ("3.12.1".to_owned(), "PATH"));
}

fn make_executable(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
