//! Whether an image fits this machine, told without a byte of a layer.

use containerv::spec::image::{Descriptor, Index, Platform};
use containerv::{ErrorKind, Fit, PullOptions, PullPolicy};
use containerv_tests::Bed;
use containerv_tests::image::Image;
use containerv_tests::registry::Registry;
use serde_json::json;

use super::{images, pull};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Puts an index of images for these platforms.
fn index(registry: &Registry, repository: &str, platforms: &[(&str, &str, Option<&str>)]) -> String {
    let manifests = platforms.iter().enumerate().map(|(number, (os, architecture, version))| {
        let image = Image::default().layer(&[("name", number.to_string().as_bytes())]);
        let mut platform = json!({ "os": os, "architecture": architecture });
        if let Some(version) = version {
            platform["os.version"] = json!(version);
        }
        let descriptor = image.platform(platform).put(registry, repository, None);
        let platform =
            Platform { os_version: version.map(str::to_owned), ..Platform::new(*os, *architecture) };
        Descriptor { platform: Some(platform), ..descriptor }
    });
    let index = Index::new(manifests.collect());
    registry.put_manifest(repository, Some("1"), INDEX, &serde_json::to_vec(&index).unwrap());
    format!("{}/{repository}:1", registry.name())
}

#[test]
fn an_index_is_judged_by_what_it_offers() {
    let bed = Bed::new();
    let registry = Registry::start();
    let here = Platform::new(std::env::consts::OS, std::env::consts::ARCH);
    let other = if here.architecture == "amd64" { "arm64" } else { "amd64" };
    let both = index(&registry, "both", &[("linux", other, None), ("linux", &here.architecture, None)]);
    let answer = images(&bed).check(&both, None).unwrap();
    assert_eq!((answer.fit, answer.platform), (Fit::Process, Some(here.clone())));
    assert_eq!(answer.offered.len(), 2);
    assert!(answer.missing == answer.size && answer.size > 0);

    let wrong = Platform::new("linux", other);
    let answer = images(&bed).check(&both, Some(&wrong)).unwrap();
    assert_eq!((answer.fit, answer.platform), (Fit::No, Some(wrong)));
    assert_eq!(answer.hint, Some(format!("`--platform {here}` would run here")));

    let foreign = index(&registry, "foreign", &[("linux", other, None)]);
    let answer = images(&bed).check(&foreign, None).unwrap();
    assert_eq!((answer.fit, answer.platform, answer.hint), (Fit::No, None, None));

    let windows = index(&registry, "windows", &[("windows", "amd64", Some("10.0.20348.2527"))]);
    let answer = images(&bed).check(&windows, Some(&"windows/amd64".parse().unwrap())).unwrap();
    assert_eq!(answer.fit, Fit::No);
    assert!(answer.reason.contains("do not run on linux"), "{}", answer.reason);

    // A layer is asked for by nobody.
    assert!(registry.asked("GET", "/blobs/").iter().all(|line| line.sent < 1000));
    let error = pull(&bed, &foreign).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains(other)), "{error:?}");
}

#[test]
fn a_policy_says_when_the_registry_is_asked() {
    let bed = Bed::new();
    let registry = Registry::start();
    let name = format!("{}/app:1", registry.name());
    let with = |policy| images(&bed).pull(&name, &PullOptions { policy, ..PullOptions::default() });
    assert_eq!(with(PullPolicy::Never).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(registry.log(), []);
    Image::default().layer(&[("a", b"1")]).put(&registry, "app", Some("1"));
    let old = with(PullPolicy::Missing).unwrap().id().clone();
    let asked = registry.log().len();
    Image::default().layer(&[("a", b"2")]).put(&registry, "app", Some("1"));
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(*with(policy).unwrap().id(), old);
    }
    assert_eq!(registry.log().len(), asked);
    let new = with(PullPolicy::Always).unwrap();
    assert_ne!(*new.id(), old);
    // The old one has no tag any more, and is found by its ID.
    let all = images(&bed).list().unwrap();
    assert_eq!(
        all.iter().filter(|image| image.is_dangling()).map(|image| &image.id).collect::<Vec<_>>(),
        [&old]
    );
    assert_eq!(images(&bed).get(old.short()).unwrap().id(), &old);
    // A platform that is not there is pulled.
    let wanted = PullOptions {
        platform: Some(Platform::new("windows", "amd64")),
        policy: PullPolicy::Never,
        ..PullOptions::default()
    };
    assert_eq!(images(&bed).pull(&name, &wanted).unwrap_err().kind(), ErrorKind::NotFound);
}

/// An image for another system is kept and looked at; no container is made of it.
#[test]
fn an_image_for_windows_is_pulled_here_and_does_not_run() {
    let bed = Bed::new();
    let registry = Registry::start();
    let image = Image::default()
        .layer(&[("Files/", b""), ("Files/a.dll", b"a"), ("Hives/", b""), ("Hives/System_Base", b"regf")])
        .layer(&[("Files/", b""), ("Files/b.txt", b"b"), ("Files/.wh.a.dll", b"")])
        .platform(json!({ "os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2527" }));
    image.put(&registry, "windows", Some("1"));
    let name = format!("{}/windows:1", registry.name());
    let image = pull(&bed, &name).unwrap();
    assert_eq!(image.platform().os_version.as_deref(), Some("10.0.20348.2527"));
    assert!(image.layers().unwrap().iter().all(|layer| layer.size.is_some()));
    let error = image.root().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let freed = {
        drop(image);
        images(&bed).remove(&name, false).unwrap()
    };
    assert_eq!(freed.deleted.len(), 6);
}
