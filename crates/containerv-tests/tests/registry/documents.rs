//! Manifests, indexes and lists.

use containerv::ErrorKind;
use containerv::spec::image::Document;

use super::*;

#[test]
fn a_tag_and_a_digest_name_the_same_manifest() {
    let registry = Registry::start();
    let pushed = put_image(&registry, "team/app", "1");
    let client = client();
    let by_tag = client.resolve(&reference(&registry, "team/app:1")).unwrap();
    assert_eq!(by_tag.descriptor, pushed);
    let Document::Manifest(manifest) = &by_tag.document else { panic!("no manifest") };
    let by_digest = client.manifest(&reference(&registry, "team/app:other"), &pushed).unwrap();
    assert_eq!(by_digest.bytes, by_tag.bytes);
    assert_eq!(client.content(&reference(&registry, "team/app:1"), &manifest.config, 100).unwrap(), b"{}");
    let too_large =
        client.content(&reference(&registry, "team/app:1"), &manifest.layers[0], 100).unwrap_err();
    assert_eq!(too_large.kind(), ErrorKind::Corrupt);
}

#[test]
fn what_is_not_there_is_named_with_the_code_of_the_registry() {
    let registry = Registry::start();
    put_image(&registry, "team/app", "1");
    let error = client().resolve(&reference(&registry, "team/app:2")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = format!(
        "cannot pull the manifest `2` of `team/app`: {} answered 404 Not Found: MANIFEST_UNKNOWN: manifest_unknown",
        registry.name()
    );
    assert_eq!(error.to_string(), text);
    assert!(error.hint().is_some());
    assert_eq!(registry.asked("GET", "/manifests/2").len(), 1, "no further try");
}

#[test]
fn documents_that_are_not_what_they_should_be_are_refused() {
    let registry = Registry::start();
    let pushed = put_image(&registry, "a", "1");
    let wanted = reference(&registry, "a:1");
    let client = client();
    for (fault, why) in [
        (Fault::OtherBytes, "digest"),
        (Fault::Huge(5 << 20), "more than"),
        (Fault::Garbage, "no HTTP"),
        (Fault::Status(302, vec![("Location", "/v2/a/manifests/1".to_owned())]), "from place to place"),
        (Fault::Status(302, vec![("Location", "ftp://x".to_owned())]), "no URL"),
        (Fault::Status(302, Vec::new()), "302"),
    ] {
        registry.misbehave(rule("GET", "/manifests/1", 11, fault.clone()));
        let error = client.resolve(&wanted).unwrap_err();
        assert!(error.to_string().contains(why), "{fault:?}: {error}");
        while client.resolve(&wanted).is_err() {}
    }
    let by_digest = reference(&registry, &format!("a@{}", pushed.digest));
    registry.misbehave(rule("GET", "/manifests/sha256", 1, Fault::OtherBytes));
    let error = client.resolve(&by_digest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    registry.put_manifest("a", Some("old"), "application/json", br#"{"schemaVersion":1,"fsLayers":[]}"#);
    let error = client.resolve(&reference(&registry, "a:old")).unwrap_err();
    assert!(error.to_string().contains("schema 1"), "{error}");
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
    registry.put_manifest("a", Some("both"), media_type::OCI_INDEX, both);
    let error = client.resolve(&reference(&registry, "a:both")).unwrap_err();
    assert!(error.to_string().contains("at once"), "{error}");
}

#[test]
fn what_fails_for_now_is_tried_again() {
    let registry = Registry::start();
    put_image(&registry, "a", "1");
    let client = client();
    let wanted = reference(&registry, "a:1");
    for (fault, times) in [
        (Fault::Status(503, Vec::new()), 3),
        (Fault::Status(500, Vec::new()), 1),
        (Fault::Status(429, vec![("Retry-After", "1".to_owned())]), 1),
        (Fault::Hangup, 2),
        (Fault::Cut(10), 2),
    ] {
        let before = registry.log().len();
        registry.misbehave(rule("GET", "/manifests/1", times, fault.clone()));
        client.resolve(&wanted).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert!(
            registry.log().len() > before + times as usize || matches!(fault, Fault::Hangup),
            "{fault:?}"
        );
    }
    registry.misbehave(rule("GET", "/manifests/1", 4, Fault::Status(503, Vec::new())));
    let error = client.resolve(&wanted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("503 Service Unavailable: MADE_UP"), "{error}");
    // More than is waited for.
    registry.misbehave(rule(
        "GET",
        "/manifests/1",
        1,
        Fault::Status(429, vec![("Retry-After", "3600".to_owned())]),
    ));
    let before = registry.asked("GET", "/manifests/1").len();
    assert_eq!(client.resolve(&wanted).unwrap_err().kind(), ErrorKind::ResourceExhausted);
    assert_eq!(registry.asked("GET", "/manifests/1").len(), before + 1);
}

#[test]
fn nobody_who_listens_is_told_in_words() {
    let name = Registry::start().name();
    let wanted: Reference = format!("{name}/a:1").parse().unwrap();
    let error = client().resolve(&wanted).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains(&name), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("nobody listens")), "{error:?}");
}

#[test]
fn lists_are_read_page_by_page() {
    let registry = Registry::start();
    for tag in ["a", "b", "c", "d", "e"] {
        put_image(&registry, "x/one", tag);
    }
    put_image(&registry, "x/two", "1");
    registry.page(2);
    let client = client();
    assert_eq!(client.tags(&reference(&registry, "x/one")).unwrap(), ["a", "b", "c", "d", "e"]);
    assert_eq!(registry.asked("GET", "/tags/list").len(), 3);
    assert_eq!(client.catalogue(&registry.name()).unwrap(), ["x/one", "x/two"]);
    let found = client.search(&registry.name(), "TWO", 10).unwrap();
    assert_eq!(found.iter().map(|found| &*found.name).collect::<Vec<_>>(), ["x/two"]);
    assert_eq!(client.tags(&reference(&registry, "none")).unwrap_err().kind(), ErrorKind::NotFound);
    let unsupported = Fault::Status(404, Vec::new());
    registry.misbehave(rule("GET", "_catalog", 1, unsupported));
    assert_eq!(client.catalogue(&registry.name()).unwrap_err().kind(), ErrorKind::Unsupported);
    for (status, kind, hint) in [
        (405, ErrorKind::Unsupported, "has no catalogue"),
        (501, ErrorKind::Unsupported, "has no catalogue"),
        (403, ErrorKind::PermissionDenied, "to nobody"),
    ] {
        registry.misbehave(rule("GET", "/_catalog", 1, Fault::Status(status, Vec::new())));
        let error = client.search(&registry.name(), "two", 10).unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(error.to_string().contains("list the repositories"), "{status}: {error}");
        assert!(error.hint().is_some_and(|text| text.contains(hint)), "{status}: {error:?}");
    }
}
