use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn short_names_are_completed() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (text, full, short) in [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
        ("library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("team/app:1.0_x-y", "docker.io/team/app:1.0_x-y", "team/app:1.0_x-y"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t"),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        ("Server/app", "Server/app:latest", "Server/app:latest"),
        ("ghcr.io/o/app", "ghcr.io/o/app:latest", "ghcr.io/o/app:latest"),
        (
            "mcr.microsoft.com/windows/servercore:ltsc2022",
            "mcr.microsoft.com/windows/servercore:ltsc2022",
            "mcr.microsoft.com/windows/servercore:ltsc2022",
        ),
        ("a__b/c--d/e.f", "docker.io/a__b/c--d/e.f:latest", "a__b/c--d/e.f:latest"),
        (
            &format!("debian@{digest}"),
            &format!("docker.io/library/debian@{digest}"),
            &format!("debian@{digest}"),
        ),
        (
            &format!("x.io/debian:12@{digest}"),
            &format!("x.io/debian:12@{digest}"),
            &format!("x.io/debian:12@{digest}"),
        ),
        // Without `library/` it would be an id.
        (
            &format!("docker.io/{}@{digest}", "ab".repeat(32)),
            &format!("docker.io/library/{}@{digest}", "ab".repeat(32)),
            &format!("library/{}@{digest}", "ab".repeat(32)),
        ),
    ] {
        let reference = read(text);
        assert_eq!(reference.to_string(), full, "{text}");
        assert_eq!(reference.familiar(), short, "{text}");
    }
}

#[test]
fn what_is_no_name_is_refused_with_the_reason() {
    let hex = "ab".repeat(32);
    for (text, why) in [
        ("", "empty"),
        (&*hex, "id"),
        ("https://x.io/app", "URL"),
        ("Debian", "upper-case"),
        ("docker/Docker", "upper-case"),
        ("docker.io/docker/Docker", "upper-case"),
        ("-docker", "no part"),
        ("docker-/a", "no part"),
        ("a//b", "no part"),
        ("a/", "no part"),
        ("/a", "no part"),
        ("a/../b", "no part"),
        ("a___b", "no part"),
        ("a.-b", "no part"),
        ("a._b", "no part"),
        ("naïve", "no part"),
        ("a b", "no part"),
        ("-x.io/a", "no host"),
        ("x..io/a", "no host"),
        ("x_y.io/a", "no host"),
        ("x.io:http/a", "no port"),
        ("x.io:99999/a", "no port"),
        ("x.io:/a", "no port"),
        ("[::1/a", "no host"),
        ("[zz]:5000/a", "no host"),
        ("debian:", "no tag"),
        ("debian:-x", "no tag"),
        ("debian:a/b:c d", "no tag"),
        (&format!("debian:{}", "t".repeat(129)), "longer"),
        (&"a".repeat(256), "longer"),
        ("debian@sha256:12", "digest"),
        (&format!("debian@md5:{hex}"), "digest"),
        (&format!("debian@sha256:{}", hex.to_uppercase()), "digest"),
        (&format!("debian@sha256:{hex}:tag"), "digest"),
    ] {
        let error = text.parse::<Reference>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_reference_is_stored_as_its_text() {
    let reference = read("debian:12");
    let json = serde_json::to_string(&reference).unwrap();
    assert_eq!(json, "\"docker.io/library/debian:12\"");
    assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), reference);
    assert!(serde_json::from_str::<Reference>("\"../x\"").is_err());
    let digest = Digest::of(b"x");
    assert_eq!(
        reference.with_digest(digest.clone()).to_string(),
        format!("docker.io/library/debian@{digest}")
    );
    assert_eq!(reference.with_tag("13").unwrap().familiar(), "debian:13");
    assert!(reference.with_tag("a/b").is_err());
}

proptest! {
    #[test]
    fn names_of_the_grammar_are_read_and_both_forms_read_back(
        registry in prop::option::of("([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\\.){1,3}[a-z0-9]{2,4}(:[1-9][0-9]{0,3})?|localhost(:5000)?"),
        path in prop::collection::vec("[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,6}){0,3}", 1..4),
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        digest in prop::option::of("sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"),
    ) {
        let mut text = path.join("/");
        let bare = registry.is_none();
        if let Some(registry) = registry {
            text = format!("{registry}/{text}");
        }
        // `localhost` and names with a dot before the first slash are hosts.
        let hosted = text.split_once('/').is_some_and(|(first, _)| first.contains('.') || first == "localhost");
        prop_assume!(!bare || !hosted);
        if let Some(tag) = &tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &digest {
            text = format!("{text}@{digest}");
        }
        let reference = read(&text);
        prop_assert_eq!(&read(&reference.to_string()), &reference);
        prop_assert_eq!(&read(&reference.familiar()), &reference);
        prop_assert!(reference.to_string().ends_with(&text) || tag.is_none() || bare);
        prop_assert_eq!(reference.digest().map(ToString::to_string), digest);
        if let Some(tag) = tag {
            prop_assert_eq!(reference.tag(), Some(&*tag));
        }
    }

    #[test]
    fn any_text_is_read_back_or_refused(text in "[a-zA-Z0-9:/@._\\[\\]é -]{0,80}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(&read(&reference.to_string()), &reference);
            prop_assert_eq!(&read(&reference.familiar()), &reference);
            prop_assert!(!reference.repository().contains(".."));
            prop_assert!(!reference.repository().starts_with('/'));
        }
    }
}
