//! `hosts.toml`: mirrors, and who may be asked for what.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use containerv::ErrorKind;

use super::*;

/// A client for which the registry `example.test` is this.
fn with(directory: &Directory, hosts: &str) -> Client {
    let place = directory.0.join("example.test");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("hosts.toml"), hosts).unwrap();
    Client::new(Settings { hosts: vec![directory.0.clone()], ..settings() })
}

#[test]
fn a_mirror_is_asked_first_and_the_registry_when_it_has_not() {
    let (directory, registry, mirror) = (Directory::new("mirror"), Registry::start(), Registry::start());
    let image = put_image(&registry, "a", "1");
    put_image(&registry, "a", "2");
    put_image(&mirror, "a", "1");
    let client = with(
        &directory,
        &format!(
            "server = \"{}\"\n[host.\"{}\"]\ncapabilities = [\"pull\", \"resolve\"]\n[host.\"{}\".header]\nx-test = \"1\"\n",
            registry.origin(),
            mirror.origin(),
            mirror.origin()
        ),
    );
    let name: Reference = "example.test/a:1".parse().unwrap();
    client.resolve(&name).unwrap();
    let asked = mirror.asked("GET", "/v2/a/manifests/1");
    assert_eq!(asked.len(), 1);
    assert!(asked[0].target.contains("?ns=example.test"), "{asked:?}");
    assert_eq!(registry.log(), []);
    client.resolve(&name.with_tag("2").unwrap()).unwrap();
    assert_eq!(registry.asked("GET", "/v2/a/manifests/2").len(), 1);
    let error = client.resolve(&name.with_tag("3").unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.all_problems().len()), (ErrorKind::NotFound, 2), "{error}");
    // Nothing is pushed to a mirror that may not be.
    client.push_manifest(&name.with_tag("4").unwrap(), &image.media_type, b"{}").unwrap();
    assert!(mirror.asked("PUT", "").is_empty());
    assert_eq!(registry.asked("PUT", "/manifests/4").len(), 1);
}

#[test]
fn a_mirror_that_lies_is_passed_over() {
    let (directory, registry, mirror) = (Directory::new("liar"), Registry::start(), Registry::start());
    let image = put_image(&registry, "a", "1");
    put_image(&mirror, "a", "1");
    mirror.misbehave(rule("GET", "/manifests/", 100, Fault::OtherBytes));
    let client = with(
        &directory,
        &format!(
            "server = \"{}\"\n[host.\"{}\"]\ncapabilities = [\"pull\"]\n",
            registry.origin(),
            mirror.origin()
        ),
    );
    let name: Reference = "example.test/a:1".parse().unwrap();
    client.resolve(&name).unwrap();
    assert_eq!(mirror.log(), [], "who may not resolve is not asked what a tag means");
    client.manifest(&name, &image).unwrap();
    assert_eq!(mirror.asked("GET", "/manifests/sha256").len(), 1);
    assert_eq!(registry.asked("GET", "/manifests/sha256").len(), 1);
}

#[test]
fn what_is_wrong_in_the_file_is_named() {
    let directory = Directory::new("wrong");
    let name: Reference = "example.test/a:1".parse().unwrap();
    for (hosts, why) in [
        ("speed = 1", "`speed` is not known"),
        ("capabilities = [\"push\"]", "`capabilities`"),
        ("ca = \"missing.pem\"", "missing.pem"),
        ("client = \"example.test/hosts.toml\"", "hosts.toml"),
    ] {
        let error = with(&directory, hosts).resolve(&name).unwrap_err();
        let text = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(text.contains(why), "{hosts}: {text}");
    }
}

#[test]
fn a_proxy_is_asked_for_all_but_this_machine() {
    let (registry, proxy) = (Registry::start(), Registry::start());
    put_image(&registry, "a", "1");
    let mut settings = settings();
    settings.proxies.https = Some(proxy.origin());
    settings.proxies.http = Some(proxy.origin());
    let client = Client::new(settings);
    client.resolve(&reference(&registry, "a:1")).unwrap();
    assert_eq!(proxy.log(), []);
    let error = client.resolve(&"example.test/a:1".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(proxy.asked("CONNECT", "example.test:443").len(), 1, "{error}");
}

/// A proxy that leads all connections to one registry, and tells where they were to go.
fn proxy(registry: &Registry) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, registry) = (listener.local_addr().unwrap(), registry.name());
    let serving = thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(client.try_clone().unwrap());
        let mut head = Vec::new();
        while head.last().is_none_or(|line: &String| line != "\r\n") {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            head.push(line);
        }
        let mut server = TcpStream::connect(registry).unwrap();
        (&client).write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let (mut back, mut to_client) = (server.try_clone().unwrap(), client);
        thread::spawn(move || io::copy(&mut back, &mut to_client));
        // Ends with the client's connection.
        let _ = io::copy(&mut reader, &mut server);
        head.concat()
    });
    (format!("http://name:pass@{address}"), serving)
}

#[test]
fn a_proxy_leads_to_a_registry_that_only_it_knows() {
    let (directory, registry) = (Directory::new("proxied"), Registry::start());
    put_image(&registry, "a", "1");
    let (address, serving) = proxy(&registry);
    let place = directory.0.join("example.test");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("hosts.toml"), "server = \"http://example.test\"\n").unwrap();
    let mut settings = Settings { hosts: vec![directory.0.clone()], ..settings() };
    settings.proxies.http = Some(address);
    let client = Client::new(settings);
    client.resolve(&"example.test/a:1".parse().unwrap()).unwrap();
    drop(client);
    let head = serving.join().unwrap();
    assert!(head.starts_with("CONNECT example.test:80 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic bmftztpwyxnz"), "{head}");
}
