//! Tokens, passwords and who is not let in.

use containerv::ErrorKind;
use containerv::images::registry::{Credential, CredentialFiles, UserConfig};
use containerv_tests::registry::{Access, PASSWORD, REFRESH_TOKEN, USER};

use super::*;

fn user() -> Credential {
    Credential::Basic { user: USER.to_owned(), password: PASSWORD.to_owned() }
}

/// A client that has this for a registry.
fn with(directory: &Directory, registry: &Registry, credential: &Credential) -> Client {
    let credentials = directory.credentials();
    credentials.store(&registry.name(), credential).unwrap();
    Client::new(Settings { credentials, ..settings() })
}

#[test]
fn one_token_serves_all_requests_of_a_repository() {
    let (registry, server) = (Registry::start(), Registry::start());
    let image = put_image(&registry, "a", "1");
    registry.require(Access::Token(String::new()));
    let client = client();
    client.resolve(&reference(&registry, "a:1")).unwrap();
    client.manifest(&reference(&registry, "a:1"), &image).unwrap();
    let asked = registry.asked("GET", "/token");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].target.contains("service=test%20registry")
            && asked[0].target.contains("scope=repository:a:pull")
    );
    assert_eq!(asked[0].authorization, None, "nobody is asked without credentials");
    assert_eq!(registry.log().iter().filter(|line| line.status == 401).count(), 1);
    drop(server);
}

#[test]
fn a_token_that_is_not_taken_any_more_is_replaced() {
    let registry = Registry::start();
    let bytes = content(100_000);
    registry.put_blob("a", &bytes);
    put_image(&registry, "a", "1");
    registry.require(Access::Token(String::new()));
    let client = client();
    client.resolve(&reference(&registry, "a:1")).unwrap();
    registry.forget_tokens();
    client.resolve(&reference(&registry, "a:1")).unwrap();
    assert_eq!(registry.asked("GET", "/token").len(), 2);
    // In the midst of a download, too.
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::Cut(50_000)));
    let mut blob = client.blob(&reference(&registry, "a:1"), &layer(&bytes), 0).unwrap();
    registry.forget_tokens();
    let mut read = Vec::new();
    blob.read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
    assert_eq!(registry.asked("GET", "/token").len(), 3);
}

#[test]
fn a_private_registry_wants_the_password() {
    let (directory, registry) = (Directory::new("private"), Registry::start());
    put_image(&registry, "a", "1");
    registry.require(Access::PrivateToken(String::new()));
    let error = client().resolve(&reference(&registry, "a:1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("cv login")), "{error:?}");
    let known = with(&directory, &registry, &user());
    known.resolve(&reference(&registry, "a:1")).unwrap();
    let asked = registry.asked("GET", "account=user");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].authorization.as_deref(), Some("Basic"));
    let others = registry.log().into_iter().filter(|line| line.target.starts_with("/v2/"));
    assert!(
        others.into_iter().all(|line| line.authorization.as_deref() != Some("Basic")),
        "the registry sees tokens"
    );
}

#[test]
fn an_identity_token_stands_for_the_password() {
    let (directory, registry) = (Directory::new("identity"), Registry::start());
    put_image(&registry, "a", "1");
    registry.require(Access::PrivateToken(String::new()));
    let known = with(&directory, &registry, &Credential::IdentityToken(REFRESH_TOKEN.to_owned()));
    known.resolve(&reference(&registry, "a:1")).unwrap();
    assert_eq!(registry.asked("POST", "/token").len(), 1);
}

#[test]
fn basic_authentication_is_used_where_it_is_asked_for() {
    let (directory, registry) = (Directory::new("basic"), Registry::start());
    put_image(&registry, "a", "1");
    registry.require(Access::Basic);
    let error = client().resolve(&reference(&registry, "a:1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let wrong = Credential::Basic { user: USER.to_owned(), password: "wrong".to_owned() };
    let error = with(&directory, &registry, &wrong).resolve(&reference(&registry, "a:1")).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("do not allow")), "{error:?}");
    with(&directory, &registry, &user()).resolve(&reference(&registry, "a:1")).unwrap();
}

#[test]
fn a_login_is_shown_to_the_registry_before_it_is_kept() {
    let (directory, registry) = (Directory::new("login"), Registry::start());
    put_image(&registry, "a", "1");
    let client = Client::new(Settings { credentials: directory.credentials(), ..settings() });
    for (access, kept) in [
        (Access::Basic, user()),
        (Access::PrivateToken(String::new()), Credential::IdentityToken(REFRESH_TOKEN.to_owned())),
    ] {
        registry.require(access.clone());
        let wrong = Credential::Basic { user: USER.to_owned(), password: "wrong".to_owned() };
        let error = client.login(&registry.name(), wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{access:?}: {error}");
        assert_eq!(directory.credentials().find(&registry.name(), "").unwrap(), None);
        assert!(client.login(&registry.name(), user()).unwrap().contains("config.json"));
        assert_eq!(directory.credentials().find(&registry.name(), "").unwrap(), Some(kept));
        let again = Client::new(Settings { credentials: directory.credentials(), ..settings() });
        again.resolve(&reference(&registry, "a:1")).unwrap();
        assert!(client.logout(&registry.name()).unwrap());
        assert!(!client.logout(&registry.name()).unwrap());
    }
}

#[test]
fn an_authorization_server_that_misbehaves_is_named() {
    let registry = Registry::start();
    put_image(&registry, "a", "1");
    let wanted = reference(&registry, "a:1");
    for (realm, why) in
        [("nowhere", "no URL"), ("file:///etc/passwd", "no URL"), ("http://u:p@127.0.0.1", "no URL")]
    {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"x\"");
        registry.misbehave(rule(
            "GET",
            "/manifests/",
            1,
            Fault::Status(401, vec![("WWW-Authenticate", challenge)]),
        ));
        let error = client().resolve(&wanted).unwrap_err();
        assert!(error.to_string().contains(why), "{realm}: {error}");
    }
    registry.require(Access::Token(String::new()));
    for fault in [Fault::Huge(2 << 20), Fault::OtherBytes] {
        registry.misbehave(rule("GET", "/token", 1, fault.clone()));
        let error = client().resolve(&wanted).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{fault:?}: {error}");
        assert!(error.to_string().contains("get a token"), "{error}");
    }
    registry.require(Access::Everybody);
    // One that lets in nobody, whatever it has given.
    let challenge = format!("Bearer realm=\"{}/token\"", registry.origin());
    let endless = Fault::Status(401, vec![("WWW-Authenticate", challenge)]);
    registry.misbehave(rule("GET", "/manifests/", 100, endless));
    assert_eq!(client().resolve(&wanted).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(registry.asked("GET", "/manifests/").len() < 20);
}

#[test]
fn files_that_are_damaged_are_named() {
    let (directory, registry) = (Directory::new("damaged"), Registry::start());
    registry.require(Access::Basic);
    let file = directory.0.join("config.json");
    std::fs::write(&file, "{\"auths\": {").unwrap();
    let credentials = CredentialFiles { read: vec![file], ..CredentialFiles::default() };
    let error = Client::new(Settings { credentials, ..settings() })
        .resolve(&reference(&registry, "a:1"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("config.json"), "{error}");
}

#[test]
fn cve_2020_15157_no_url_of_a_manifest_gets_credentials() {
    let (directory, registry, thief) = (Directory::new("thief"), Registry::start(), Registry::start());
    registry.require(Access::Basic);
    thief.require(Access::Basic);
    let bytes = content(10_000);
    let digest = thief.put_blob("a", &bytes);
    let mut layer = Descriptor::of(media_type::DOCKER_FOREIGN_LAYER_GZIP, &bytes);
    layer.urls = vec![format!("{}/v2/a/blobs/{digest}", thief.origin())];
    let client = with(&directory, &registry, &user());
    assert!(client.blob(&reference(&registry, "a:1"), &layer, 0).is_err());
    registry.put_blob("a", &bytes);
    registry.redirect_blobs(&thief.origin());
    assert!(client.blob(&reference(&registry, "a:1"), &layer, 0).is_err());
    let asked = thief.asked("GET", "/blobs/");
    assert_eq!(asked.len(), 2, "the URL and the redirect: {asked:?}");
    assert!(asked.iter().all(|line| line.authorization.is_none()), "{asked:?}");
}

/// As Docker sends them, and never to whom the registry sends on.
#[test]
fn headers_of_the_users_file_go_to_the_registry_alone() {
    let (directory, registry, other) = (Directory::new("headers"), Registry::start(), Registry::start());
    let file = directory.0.join("config.json");
    let headers =
        serde_json::json!({ "X-Meta-Team": "blue", "Authorization": "Basic stolen", "Host": "elsewhere" });
    std::fs::write(&file, serde_json::json!({ "HttpHeaders": headers }).to_string()).unwrap();
    let config = UserConfig { file: Some(file.clone()) };
    let client = Client::new(Settings { config: config.clone(), ..settings() });
    put_image(&registry, "a", "1");
    let bytes = content(1000);
    registry.put_blob("a", &bytes);
    other.put_blob("a", &bytes);
    registry.redirect_blobs(&other.origin());
    let wanted = reference(&registry, "a:1");
    client.resolve(&wanted).unwrap();
    download(&client, &wanted, &layer(&bytes), 0).unwrap();
    assert!(!registry.log().is_empty() && !other.log().is_empty());
    assert!(registry.log().iter().all(|line| line.team.as_deref() == Some("blue")), "{:?}", registry.log());
    assert!(other.log().iter().all(|line| line.team.is_none()), "{:?}", other.log());
    assert!(registry.log().iter().all(|line| line.authorization.is_none() && line.host != "elsewhere"));
    std::fs::write(&file, r#"{ "HttpHeaders": { "X-Meta-Team": ["blue"] } }"#).unwrap();
    let error = Client::new(Settings { config, ..settings() }).resolve(&wanted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("X-Meta-Team"), "{error}");
}
