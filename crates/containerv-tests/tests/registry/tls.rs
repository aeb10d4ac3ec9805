//! TLS with the certificate of an authority that the system does not know, on both systems.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use containerv_tests::registry::tls::{AUTHORITY, Tls};
use containerv_tests::skip;
use containerv_tests::windows_image::WindowsImage;

use super::*;

/// A file of the registry of Windows.
const HIVE: &[u8] = include_bytes!("../../../../fuzz/seeds/windows_hive/delta");

impl Directory {
    fn authority(&self) -> PathBuf {
        let path = self.0.join("authority.pem");
        fs::write(&path, AUTHORITY).unwrap();
        path
    }

    /// Directories about registries, of which one says this about a registry.
    fn hosts(&self, registry: &str, file: &str, text: &str) -> PathBuf {
        let hosts = self.0.join("hosts");
        let about = hosts.join(format!("{}_", registry.replace(':', "_")));
        let _ = fs::remove_dir_all(&about);
        fs::create_dir_all(&about).unwrap();
        fs::write(about.join(file), text).unwrap();
        hosts
    }
}

#[test]
fn only_who_knows_the_authority_trusts_a_registry() {
    let (registry, directory) = (Registry::start(), Directory::new("authority"));
    let image = put_image(&registry, "team/app", "1");
    let tls = Tls::before(&registry);
    let name: Reference = format!("{}/team/app:1", tls.name()).parse().unwrap();
    let error = client().resolve(&name).unwrap_err();
    assert!(error.to_string().contains("TLS: invalid peer certificate"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("hosts.toml")), "{error:?}");
    assert!(registry.log().is_empty(), "nothing is asked of whom nobody trusts");
    let authority = directory.authority();
    let with = |settings| {
        let client = Client::new(settings);
        assert_eq!(client.resolve(&name).unwrap().descriptor, image);
        let content = content(1000);
        assert_eq!(download(&client, &name, &layer(&content), 0).unwrap(), content);
    };
    with(Settings { authorities: vec![authority], ..settings() });
    with(Settings { insecure: vec![tls.name()], ..settings() });
    for (file, text) in [("hosts.toml", "ca = \"../../authority.pem\"\n"), ("ca.crt", AUTHORITY)] {
        with(Settings { hosts: vec![directory.hosts(&tls.name(), file, text)], ..settings() });
    }
}

#[test]
fn cv_pulls_from_a_registry_whose_authority_it_was_told() {
    let Some(cv) = std::env::var_os("CONTAINERV_CV") else { return skip("`CONTAINERV_CV` names no `cv`") };
    let (registry, directory) = (Registry::start(), Directory::new("cv-authority"));
    WindowsImage::base("10.0.20348.1", "old", HIVE).publish(&registry, "base", "1");
    let tls = Tls::before(&registry);
    directory.authority();
    let name = format!("{}/base:1", tls.name());
    let cv = |arguments: &[&str], hosts: PathBuf| -> Output {
        let mut command = Command::new(&cv);
        command.arg("--root").arg(directory.0.join("root")).args(arguments);
        command.env("CONTAINERV_REGISTRY_HOSTS", hosts).output().unwrap()
    };
    let pull = ["pull", "--platform", "windows/amd64", &name];
    let strange = cv(&pull, directory.0.join("nothing"));
    let said = String::from_utf8_lossy(&strange.stderr);
    assert!(!strange.status.success() && said.contains("TLS: invalid peer certificate"), "{said}");
    assert!(said.contains("hosts.toml"), "{said}");
    let hosts = directory.hosts(&tls.name(), "hosts.toml", "ca = \"../../authority.pem\"\n");
    let pulled = cv(&pull, hosts.clone());
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    let listed = cv(&["images", "--format", "{{.Repository}}:{{.Tag}}"], hosts);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), name);
}
