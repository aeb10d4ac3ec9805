//! Blobs and manifests that go to a registry.

use std::sync::atomic::{AtomicU64, Ordering};

use containerv::ErrorKind;
use containerv::images::registry::{Credential, Pushed};
use containerv_tests::registry::{Access, PASSWORD, USER};

use super::*;

/// Opens bytes, and counts those that were read.
fn source<'a>(bytes: &'a [u8], read: &'a AtomicU64) -> impl Fn(u64) -> io::Result<Box<dyn Read + Send>> + 'a {
    move |offset| {
        let rest = bytes[usize::try_from(offset).unwrap()..].to_vec();
        read.fetch_add(rest.len() as u64, Ordering::Relaxed);
        Ok(Box::new(io::Cursor::new(rest)))
    }
}

fn push(client: &Client, name: &Reference, bytes: &[u8], others: &[&str]) -> containerv::Result<Pushed> {
    let read = AtomicU64::new(0);
    client.push_blob(name, &layer(bytes), others, &source(bytes, &read))
}

#[test]
fn a_blob_is_uploaded_once_and_mounted_where_another_repository_has_it() {
    let registry = Registry::start();
    let client = client();
    let bytes = content(200_000);
    let (a, b) = (reference(&registry, "team/a"), reference(&registry, "team/b"));
    assert!(!client.has_blob(&a, &layer(&bytes).digest).unwrap());
    assert_eq!(push(&client, &a, &bytes, &[]).unwrap(), Pushed::Uploaded);
    assert_eq!(push(&client, &a, &bytes, &[]).unwrap(), Pushed::Present);
    assert_eq!(
        push(&client, &b, &bytes, &["other", "team/a"]).unwrap(),
        Pushed::Uploaded,
        "the first is no offer"
    );
    let c = reference(&registry, "team/c");
    assert_eq!(push(&client, &c, &bytes, &["team/a"]).unwrap(), Pushed::Mounted);
    assert_eq!(registry.blob("team/c", &layer(&bytes).digest), Some(bytes));
    let put = registry.asked("PUT", "/blobs/uploads/");
    assert!(put.iter().all(|line| line.target.contains("state=a%2Fb&digest=sha256:")), "{put:?}");
    assert_eq!(push(&client, &a, b"", &[]).unwrap(), Pushed::Uploaded, "nothing is content, too");
}

#[test]
fn a_large_blob_goes_in_pieces_and_goes_on_after_a_failure() {
    let registry = Registry::start();
    let client = Client::new(Settings { chunk_bytes: 10_000, ..settings() });
    let bytes = content(45_000);
    let name = reference(&registry, "a");
    registry.misbehave(rule("PATCH", "/blobs/uploads/", 1, Fault::Status(503, Vec::new())));
    // The piece came, and the answer did not.
    registry.misbehave(rule("PATCH", "/blobs/uploads/", 1, Fault::Cut(0)));
    assert_eq!(push(&client, &name, &bytes, &[]).unwrap(), Pushed::Uploaded);
    assert_eq!(registry.blob("a", &layer(&bytes).digest).as_deref(), Some(&*bytes));
    let ranges: Vec<String> = registry.asked("PATCH", "").into_iter().filter_map(|line| line.range).collect();
    assert!(ranges.contains(&"40000-44999".to_owned()), "{ranges:?}");
    // An upload that is forgotten begins anew.
    let other = content(45_001);
    registry.misbehave(rule("PATCH", "/blobs/uploads/", 1, Fault::Status(404, Vec::new())));
    registry.misbehave(rule("GET", "/blobs/uploads/", 1, Fault::Status(404, Vec::new())));
    assert_eq!(push(&client, &name, &other, &[]).unwrap(), Pushed::Uploaded);
    assert_eq!(registry.blob("a", &layer(&other).digest), Some(other));
}

#[test]
fn pieces_are_as_large_as_the_registry_wants_them() {
    let registry = Registry::start();
    let client = Client::new(Settings { chunk_bytes: 10_000, ..settings() });
    let name = reference(&registry, "a");
    let pieces = |bytes: &[u8]| -> Vec<String> {
        let before = registry.asked("PATCH", "").len();
        assert_eq!(push(&client, &name, bytes, &[]).unwrap(), Pushed::Uploaded);
        assert_eq!(registry.blob("a", &layer(bytes).digest).as_deref(), Some(bytes));
        registry.asked("PATCH", "").into_iter().skip(before).filter_map(|line| line.range).collect()
    };
    registry.want_pieces_of(20_000);
    assert_eq!(pieces(&content(45_000)), ["0-19999", "20000-39999", "40000-44999"]);
    assert!(pieces(&content(20_000)).is_empty(), "it is sent whole");
    registry.want_pieces_of(10);
    assert_eq!(pieces(&content(12_000)), ["0-9999", "10000-11999"]);
}

#[test]
fn a_failed_upload_in_one_piece_is_tried_again_and_not_for_ever() {
    let registry = Registry::start();
    let client = client();
    let (bytes, name) = (content(30_000), reference(&registry, "a"));
    registry.misbehave(rule("PUT", "/blobs/uploads/", 2, Fault::Status(500, Vec::new())));
    registry.misbehave(rule(
        "POST",
        "/blobs/uploads/",
        1,
        Fault::Status(429, vec![("Retry-After", "0".to_owned())]),
    ));
    assert_eq!(push(&client, &name, &bytes, &[]).unwrap(), Pushed::Uploaded);
    registry.misbehave(rule("PUT", "/blobs/uploads/", 100, Fault::Status(500, Vec::new())));
    let error = push(&client, &name, &content(30_001), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().starts_with("cannot upload `sha256:"), "{error}");
    let lie = layer(b"other");
    let read = AtomicU64::new(0);
    let registry = Registry::start();
    let lied = client.push_blob(&reference(&registry, "a"), &lie, &[], &source(b"bytes", &read));
    assert!(lied.unwrap_err().to_string().contains("DIGEST_INVALID"));
}

#[test]
fn a_manifest_is_stored_by_tag_or_digest_with_a_token_to_push() {
    let (directory, registry) = (Directory::new("push"), Registry::start());
    registry.require(Access::Token(String::new()));
    let credentials = directory.credentials();
    let user = Credential::Basic { user: USER.to_owned(), password: PASSWORD.to_owned() };
    let name = reference(&registry, "a:1");
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
    let anonymous = client().push_manifest(&name, media_type::OCI_INDEX, bytes).unwrap_err();
    assert_eq!(anonymous.kind(), ErrorKind::PermissionDenied);
    credentials.store(&registry.name(), &user).unwrap();
    let client = Client::new(Settings { credentials, ..settings() });
    let digest = client.push_manifest(&name, media_type::OCI_INDEX, bytes).unwrap();
    assert_eq!(client.resolve(&name).unwrap().descriptor.digest, digest);
    client.push_manifest(&name.with_digest(digest.clone()), media_type::OCI_INDEX, bytes).unwrap();
    assert_eq!(registry.asked("PUT", &format!("/manifests/{digest}")).len(), 1);
    assert_eq!(push(&client, &name, b"layer", &["elsewhere"]).unwrap(), Pushed::Uploaded);
}
