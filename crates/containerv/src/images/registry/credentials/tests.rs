use serde_json::json;

use super::*;

fn document(value: &serde_json::Value) -> Document {
    Document::parse(value.to_string().as_bytes()).unwrap()
}

fn user(name: &str, password: &str) -> Credential {
    Credential::Basic { user: name.to_owned(), password: password.to_owned() }
}

#[test]
fn the_nearest_key_counts_in_all_its_forms() {
    let auth = |text: &str| json!({"auth": crate::base64::encode(text.as_bytes())});
    let document = document(&json!({"auths": {
        "https://index.docker.io/v1/": auth("hub:a:b"),
        "r.io": auth("whole:1"),
        "r.io/team": auth("team:2"),
        "r.io/team/app": auth("app:3"),
        "https://old.io/v1/": {"username": "old", "password": "4"},
        "empty.io": {},
        "id.io": {"auth": crate::base64::encode(b"<token>:"), "identitytoken": "refresh"},
        "pass.io": auth("<token>:refresh2"),
        "reg.io": {"registrytoken": "raw"},
        "nul.io": auth("u:p\0\0"),
        "bad.io": {"auth": "%%%"},
    }}));
    for (registry, repository, expected) in [
        ("docker.io", "library/debian", Some(user("hub", "a:b"))),
        ("r.io", "x", Some(user("whole", "1"))),
        ("R.io", "x", Some(user("whole", "1"))),
        ("r.io", "team", Some(user("team", "2"))),
        ("r.io", "team/other", Some(user("team", "2"))),
        ("r.io", "team/app/sub", Some(user("app", "3"))),
        ("r.io", "teamwork", Some(user("whole", "1"))),
        ("r.io:5000", "x", None),
        ("old.io", "x", Some(user("old", "4"))),
        ("empty.io", "x", None),
        ("id.io", "x", Some(Credential::IdentityToken("refresh".to_owned()))),
        ("pass.io", "x", Some(Credential::IdentityToken("refresh2".to_owned()))),
        ("reg.io", "x", Some(Credential::RegistryToken("raw".to_owned()))),
        ("nul.io", "x", Some(user("u", "p"))),
        ("none.io", "x", None),
    ] {
        assert_eq!(document.find(registry, repository), Ok(expected), "{registry}/{repository}");
    }
    assert!(document.find("bad.io", "x").is_err());
}

#[test]
fn a_program_for_one_registry_goes_before_the_common_one() {
    let both = document(
        &json!({"credsStore": "desktop", "credHelpers": {"r.io": "own", "https://index.docker.io/v1/": "hub"}}),
    );
    assert_eq!(both.program("r.io").as_deref(), Some("own"));
    assert_eq!(both.program("docker.io").as_deref(), Some("hub"));
    assert_eq!(both.program("x.io").as_deref(), Some("desktop"));
    assert_eq!(document(&json!({"credsStore": ""})).program("x.io"), None);
}

#[test]
fn what_is_written_keeps_everything_else() {
    let mut document =
        document(&json!({"HttpHeaders": {"a": "b"}, "auths": {"x.io": {"auth": "eA=="}}, "psFormat": "t"}));
    document.store("r.io", &user("u", "p"));
    let text = document.text();
    let again = Document::parse(text.as_bytes()).unwrap();
    assert_eq!(again.find("r.io", "a"), Ok(Some(user("u", "p"))));
    assert!(text.contains("HttpHeaders") && text.contains("psFormat") && text.contains("x.io"));
    assert!(document.erase("r.io") && !document.erase("r.io"));
    assert_eq!(document.find("r.io", "a"), Ok(None));
    let mut twice = self::document(
        &json!({"auths": {"https://r.io/v1/": {"auth": "%%%"}, "r.io/team": {"auth": "eDp5"}}}),
    );
    twice.store("r.io", &user("u", "p"));
    assert_eq!(twice.find("r.io", "a"), Ok(Some(user("u", "p"))), "one key is left of a registry's two");
    assert_eq!(twice.find("r.io", "team"), Ok(Some(user("x", "y"))));
    document.store("docker.io", &Credential::IdentityToken("t".to_owned()));
    assert_eq!(document.find("docker.io", ""), Ok(Some(Credential::IdentityToken("t".to_owned()))));
}

#[test]
fn programs_answers_are_read_as_docker_reads_them() {
    let read = |well, text: &str| helper_reply(well, text.as_bytes());
    assert_eq!(read(true, r#"{"ServerURL":"x","Username":"u","Secret":"s"}"#), Ok(Some(user("u", "s"))));
    let token = Some(Credential::IdentityToken("s".to_owned()));
    assert_eq!(read(true, r#"{"Username":"<token>","Secret":"s"}"#), Ok(token));
    assert_eq!(read(true, r#"{"Username":"","Secret":""}"#), Ok(None));
    assert_eq!(read(false, "credentials not found in native keychain\n"), Ok(None));
    assert_eq!(read(false, "locked\u{7}"), Err("locked?".to_owned()));
    assert!(read(true, "{}").is_err() && read(true, "x").is_err());
}

#[test]
fn secrets_are_not_in_debugging_output() {
    let all = [
        user("u", "s3cret"),
        Credential::IdentityToken("s3cret".into()),
        Credential::RegistryToken("s3cret".into()),
    ];
    assert!(!format!("{all:?}").contains("s3cret"));
}

/// A directory of this test's own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("containerv-credentials-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> CredentialFiles {
        let file = self.0.join("docker/config.json");
        CredentialFiles { read: vec![file.clone()], write: Some(file), programs: vec![self.0.clone()] }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_login_is_kept_and_forgotten() {
    let place = Place::new("file");
    let files = place.files();
    assert_eq!(files.find("r.io", "a").unwrap(), None);
    assert!(!files.erase("r.io").unwrap());
    let place_told = files.store("r.io", &user("u", "p")).unwrap();
    assert!(place_told.contains("config.json"));
    assert_eq!(files.find("r.io", "a").unwrap(), Some(user("u", "p")));
    assert!(files.erase("r.io").unwrap());
    assert_eq!(files.find("r.io", "a").unwrap(), None);
    let left: Vec<_> = std::fs::read_dir(place.0.join("docker")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the file is left");
    std::fs::write(place.0.join("docker/config.json"), "{").unwrap();
    assert_eq!(files.find("r.io", "a").unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(files.store("r.io", &user("u", "p")).is_err(), "a damaged file is not replaced");
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn nobody_else_reads_the_file_and_a_link_stays_one() {
        let place = Place::new("mode");
        let files = place.files();
        let real = place.0.join("real.json");
        fs::write(&real, "{}").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
        fs::create_dir(place.0.join("docker")).unwrap();
        symlink("../real.json", place.0.join("docker/config.json")).unwrap();
        files.store("r.io", &user("u", "p")).unwrap();
        assert!(place.0.join("docker/config.json").is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&real).unwrap().contains("r.io"));
    }

    #[test]
    fn a_program_keeps_the_credentials_where_one_is_named() {
        let place = Place::new("program");
        let files = place.files();
        let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" || exit 1\ncase $1 in\n\
            store) cat > kept ;;\n\
            get) read -r key; echo \"$key\" >> asked; if [ -f kept ]; then cat kept; else echo credentials not found in native keychain; exit 1; fi ;;\n\
            erase) rm kept ;;\nesac\n";
        let program = place.0.join("docker-credential-test");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(place.0.join("docker")).unwrap();
        fs::write(place.0.join("docker/config.json"), r#"{"credsStore":"test"}"#).unwrap();
        assert_eq!(files.find("docker.io", "a").unwrap(), None);
        assert!(files.store("docker.io", &user("u", "p")).unwrap().contains("`test`"));
        assert_eq!(files.find("docker.io", "a").unwrap(), Some(user("u", "p")));
        assert_eq!(
            fs::read_to_string(place.0.join("asked")).unwrap(),
            format!("{DEFAULT_KEY}\n{DEFAULT_KEY}\n")
        );
        let config = fs::read_to_string(place.0.join("docker/config.json")).unwrap();
        assert!(config.contains(DEFAULT_KEY) && !config.contains("\"auth\""));
        assert!(files.erase("docker.io").unwrap());
        assert_eq!(files.find("docker.io", "a").unwrap(), None);
        fs::write(place.0.join("docker/config.json"), r#"{"credsStore":"../x"}"#).unwrap();
        assert_eq!(files.find("r.io", "a").unwrap_err().kind(), ErrorKind::InvalidArgument);
        fs::write(place.0.join("docker/config.json"), r#"{"credsStore":"missing"}"#).unwrap();
        let error = files.find("r.io", "a").unwrap_err();
        assert!(error.to_string().contains("docker-credential-missing"), "{error}");
    }
}

#[test]
fn headers_for_registries_are_those_that_docker_sends_on() {
    let headers = |value: serde_json::Value| document(&json!({ "HttpHeaders": value })).headers();
    let all = json!({ "User-Agent": "Docker-Client/27", "X-Meta-Team": "blue", "x-meta-two": "2", "Authorization": "x" });
    let expected = [("X-Meta-Team", "blue"), ("x-meta-two", "2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(headers(all), Ok(expected.to_vec()));
    assert_eq!(headers(json!(null)), Ok(Vec::new()));
    assert_eq!(document(&json!({})).headers(), Ok(Vec::new()));
    for wrong in
        [json!([]), json!({ "X-Meta-A": 1 }), json!({ "X-Meta-A": "a\r\nb" }), json!({ "X-Meta- A": "a" })]
    {
        assert!(headers(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn proxies_of_containers_are_those_of_the_default_entry() {
    let proxies = |value: serde_json::Value| document(&json!({ "proxies": value })).proxies();
    let entry = json!({ "httpProxy": "http://p:1", "httpsProxy": "", "noProxy": "a,b", "other": 1 });
    let expected = vec![("HTTP_PROXY", "http://p:1".to_owned()), ("NO_PROXY", "a,b".to_owned())];
    assert_eq!(proxies(json!({ "default": entry, "tcp://host:1": { "allProxy": "x" } })), Ok(expected));
    assert_eq!(proxies(json!({ "tcp://host:1": { "allProxy": "x" } })), Ok(Vec::new()));
    assert!(proxies(json!({ "default": { "allProxy": 1 } })).is_err());
    assert!(proxies(json!({ "default": { "allProxy": "a\0b" } })).is_err());
}
