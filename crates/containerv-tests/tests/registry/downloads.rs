//! Blobs that come in one piece, in several, late, or wrong.

use containerv::ErrorKind;

use super::*;

#[test]
fn a_blob_comes_from_any_offset_on() {
    let registry = Registry::start();
    let bytes = content(300_000);
    registry.put_blob("a", &bytes);
    let (client, name, layer) = (client(), reference(&registry, "a:1"), layer(&bytes));
    for offset in [0, 1, 299_999, 300_000] {
        assert_eq!(download(&client, &name, &layer, offset).unwrap(), &bytes[offset as usize..], "{offset}");
    }
    assert_eq!(registry.asked("GET", "/blobs/").len(), 3, "what is complete is not asked for");
    assert_eq!(client.blob(&name, &layer, 300_001).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let nothing = super::layer(b"");
    registry.put_blob("a", b"");
    assert_eq!(download(&client, &name, &nothing, 0).unwrap(), b"");
}

#[test]
fn a_download_goes_on_where_it_was_cut_off() {
    let registry = Registry::start();
    let bytes = content(500_000);
    registry.put_blob("a", &bytes);
    for at in [100_000, 1, 99_999] {
        registry.misbehave(rule("GET", "/blobs/", 1, Fault::Cut(at)));
    }
    assert_eq!(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap(), bytes);
    let asked = registry.asked("GET", "/blobs/");
    let ranges: Vec<_> = asked.iter().map(|line| line.range.as_deref().unwrap_or_default()).collect();
    assert_eq!(ranges, ["", "bytes=100000-", "bytes=100001-", "bytes=200000-"]);
    assert_eq!(asked.iter().map(|line| line.sent).sum::<u64>(), 500_000, "no byte came twice");
}

#[test]
fn one_that_does_not_know_ranges_sends_all_again() {
    let registry = Registry::start();
    let bytes = content(50_000);
    registry.put_blob("a", &bytes);
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::Cut(20_000)));
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::WholeContent));
    assert_eq!(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap(), bytes);
}

#[test]
fn a_download_without_progress_is_given_up_and_begun_again() {
    let registry = Registry::start();
    let bytes = content(50_000);
    registry.put_blob("a", &bytes);
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::Stall(10_000, Duration::from_secs(20))));
    assert_eq!(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap(), bytes);
    // Slow is not stuck.
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::Slow(10_000, Duration::from_millis(20))));
    assert_eq!(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap(), bytes);
}

#[test]
fn tries_without_a_byte_between_them_come_to_an_end() {
    let registry = Registry::start();
    let bytes = content(50_000);
    registry.put_blob("a", &bytes);
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::Cut(10_000)));
    registry.misbehave(rule("GET", "/blobs/", 100, Fault::Status(502, Vec::new())));
    let error = inner(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("502"), "{error}");
    assert!(registry.asked("GET", "/blobs/").len() < 20);
}

#[test]
fn wrong_lengths_ranges_and_bytes_are_found() {
    let registry = Registry::start();
    let bytes = content(50_000);
    registry.put_blob("a", &bytes);
    let (client, name, layer) = (client(), reference(&registry, "a:1"), layer(&bytes));
    for (fault, offset) in [(Fault::OtherLength(1), 0), (Fault::OtherLength(-1), 0), (Fault::OtherRange, 10)]
    {
        registry.misbehave(rule("GET", "/blobs/", 1, fault.clone()));
        let error = inner(download(&client, &name, &layer, offset).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{fault:?}: {error}");
    }
    registry.misbehave(rule("GET", "/blobs/", 1, Fault::OtherBytes));
    let error = client.content(&name, &layer, 100_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("has the digest"), "{error}");
}

#[test]
fn a_redirect_leads_elsewhere_without_the_credentials() {
    use containerv_tests::registry::Access;
    let (registry, store) = (Registry::start(), Registry::start());
    let bytes = content(100_000);
    registry.put_blob("a", &bytes);
    store.put_blob("a", &bytes);
    registry.redirect_blobs(&store.origin());
    registry.require(Access::Token(String::new()));
    store.misbehave(rule("GET", "/blobs/", 1, Fault::Cut(40_000)));
    assert_eq!(download(&client(), &reference(&registry, "a:1"), &layer(&bytes), 0).unwrap(), bytes);
    let there = store.asked("GET", "/blobs/");
    assert_eq!(there.len(), 2);
    assert!(there.iter().all(|line| line.authorization.is_none()), "{there:?}");
    assert!(
        registry.asked("GET", "/blobs/").iter().any(|line| line.authorization.as_deref() == Some("Bearer"))
    );
}

#[test]
fn a_layer_that_the_registry_has_not_comes_from_where_its_descriptor_says() {
    let (registry, elsewhere) = (Registry::start(), Registry::start());
    let bytes = content(10_000);
    let digest = elsewhere.put_blob("base", &bytes);
    let mut layer = Descriptor::of(media_type::DOCKER_FOREIGN_LAYER_GZIP, &bytes);
    let name = reference(&registry, "a:1");
    layer.urls = vec![
        "http://192.0.2.1/without-tls".to_owned(),
        format!("{}/v2/base/blobs/sha256:{}", elsewhere.origin(), "0".repeat(64)),
        format!("{}/v2/base/blobs/{digest}", elsewhere.origin()),
    ];
    assert_eq!(download(&client(), &name, &layer, 5).unwrap(), &bytes[5..]);
    layer.urls.truncate(2);
    let error = client().blob(&name, &layer, 0).unwrap_err();
    assert_eq!(error.all_problems().len(), 3, "{error}");
}
