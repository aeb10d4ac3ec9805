use super::*;
use crate::image::Digest;

fn read(text: &str) -> Platform {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn platforms_are_read_in_long_and_short_form() {
    for (text, full) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/5", "linux/arm/v5"),
        ("linux/i386", "linux/386"),
        ("windows", "windows/amd64"),
        ("arm64", "linux/arm64"),
        ("windows/amd64", "windows/amd64"),
        ("windows(10.0.20348.2527)/amd64", "windows(10.0.20348.2527)/amd64"),
        ("windows(10.0.17763)", "windows(10.0.17763)/amd64"),
    ] {
        assert_eq!(read(text).to_string(), full, "{text}");
    }
    let host = Platform::new("windows", "arm64");
    assert_eq!(Platform::parse("amd64", &host).unwrap().to_string(), "windows/amd64");
    assert_eq!(Platform::parse("linux", &host).unwrap().to_string(), "linux/arm64");
    for wrong in [
        "",
        "/",
        "linux/",
        "/amd64",
        "a/b/c/d",
        "vax",
        "linux(",
        "linux()/amd64",
        "linux(1/2)/amd64",
        "li nux/amd64",
        "amd64(1)",
        "linux/amd64/",
    ] {
        assert!(wrong.parse::<Platform>().is_err(), "{wrong}");
    }
}

/// An index with these platforms; `-` is a manifest without one.
fn index(platforms: &[&str]) -> Vec<Descriptor> {
    let descriptor = |text: &&str| {
        let platform = (*text != "-").then(|| read(text));
        Descriptor { platform, ..Descriptor::new("m", Digest::of(text.as_bytes()), 1) }
    };
    platforms.iter().map(descriptor).collect()
}

fn chosen(platforms: &[&str], wanted: &str, host: Option<u32>) -> Option<String> {
    let index = index(platforms);
    let chosen = choose(&index, &read(wanted), host)?;
    Some(chosen.platform.as_ref().map_or("-".to_owned(), ToString::to_string))
}

#[test]
fn the_nearest_kind_of_processor_is_chosen() {
    let all = [
        "linux/amd64",
        "linux/amd64/v3",
        "linux/arm/v5",
        "linux/arm/v7",
        "linux/arm64",
        "windows/amd64",
        "unknown/unknown",
    ];
    for (wanted, expected) in [
        ("linux/amd64", Some("linux/amd64")),
        ("linux/amd64/v2", Some("linux/amd64")),
        ("linux/amd64/v4", Some("linux/amd64/v3")),
        ("linux/arm/v6", Some("linux/arm/v5")),
        ("linux/arm/v7", Some("linux/arm/v7")),
        ("linux/arm64/v9", Some("linux/arm64")),
        ("linux/s390x", None),
        ("freebsd/amd64", None),
    ] {
        assert_eq!(chosen(&all, wanted, None).as_deref(), expected, "{wanted}");
    }
    assert_eq!(chosen(&["-"], "linux/amd64", None).as_deref(), Some("-"));
    assert_eq!(chosen(&["-", "-"], "linux/amd64", None), None);
}

#[test]
fn windows_images_are_chosen_by_build_and_revision() {
    let all = [
        "windows(10.0.17763.5696)/amd64",
        "windows(10.0.20348.2402)/amd64",
        "windows(10.0.20348.2527)/amd64",
        "windows(10.0.26100.1)/amd64",
    ];
    let (old, patched, newest) = (Some(all[0]), Some(all[2]), Some(all[3]));
    for (wanted, host, expected) in [
        ("windows/amd64", Some(17763), old),
        ("windows/amd64", Some(20348), patched),
        ("windows/amd64", Some(22631), patched),
        ("windows/amd64", Some(26100), newest),
        ("windows/amd64", Some(26200), newest),
        // Only in Hyper-V isolation, and never too new.
        ("windows/amd64", Some(19045), old),
        ("windows/amd64", Some(14393), None),
        ("windows/amd64", None, newest),
        ("windows(10.0.20348)/amd64", None, patched),
        ("windows(10.0.20348.2402)/amd64", None, Some(all[1])),
        ("windows(10.0.20348.9999)/amd64", Some(20348), patched),
        ("windows(10.0.17763.1)/amd64", Some(20348), old),
        ("windows(10.0.25398.1)/amd64", None, None),
        ("windows(10.0.26100.1)/amd64", Some(20348), None),
        ("windows/arm64", Some(26100), None),
    ] {
        assert_eq!(chosen(&all, wanted, host).as_deref(), expected, "{wanted} on {host:?}");
    }
}
