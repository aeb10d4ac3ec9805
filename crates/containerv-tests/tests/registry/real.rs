//! Debian's registry, which is the distribution project's: without TLS, and with TLS and a password.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use containerv::ErrorKind;
use containerv::images::registry::{Credential, Pushed};
use containerv::spec::image::{Digest, Document};
use containerv_tests::{skip, wait_until};

use super::*;

/// `user:s3cret`, as `htpasswd -B` has it.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";
pub(super) const PASSWORD: &str = "s3cret";
/// For a program to start on a machine with much to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom a registry lets in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everybody, without TLS.
    Plain,
    /// With TLS, who has the password.
    Password,
    /// With TLS, who has a certificate.
    Certificate,
}

/// A running registry.
pub(super) struct Real {
    pub(super) directory: Directory,
    pub(super) name: String,
    process: Child,
}

impl Real {
    /// Starts one; nothing, and the reason is said, where there is none.
    pub(super) fn start(name: &str, kind: Kind) -> Option<Self> {
        let programs = ["docker-registry", "openssl"];
        if let Some(missing) = programs.iter().find(|program| {
            Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
        }) {
            skip(&format!("there is no {missing}"));
            return None;
        }
        // Somebody else may take the port between its choice and its use.
        (0..5).find_map(|_| Self::try_start(name, kind)).or_else(|| panic!("the registry does not start"))
    }

    fn try_start(name: &str, kind: Kind) -> Option<Self> {
        let directory = Directory::new(name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = |file: &str| directory.0.join(file).display().to_string();
        let mut configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            at("storage")
        );
        if kind != Kind::Plain {
            make_certificates(&directory.0);
            let (certificate, key) = (at("server.pem"), at("server.key"));
            configuration += &format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        }
        match kind {
            Kind::Plain => {}
            Kind::Password => {
                fs::write(at("htpasswd"), HTPASSWD).unwrap();
                configuration +=
                    &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", at("htpasswd"));
            }
            Kind::Certificate => configuration += &format!("    clientcas:\n      - {}\n", at("ca.pem")),
        }
        fs::write(at("config.yml"), configuration).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let mut process = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut ended = false;
        let up = wait_until(PATIENCE, || {
            ended = process.try_wait().unwrap().is_some();
            ended || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let started = Self { directory, name: format!("127.0.0.1:{port}"), process };
        (up && !ended).then_some(started)
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.name).parse().unwrap()
    }

    /// The directory about this registry.
    fn hosts(&self) -> PathBuf {
        self.directory.0.join("hosts").join(format!("{}_", self.name.replace(':', "_")))
    }

    /// Settings with a `hosts.toml` about this registry.
    fn with_hosts(&self, text: &str) -> Settings {
        fs::create_dir_all(self.hosts()).unwrap();
        fs::write(self.hosts().join("hosts.toml"), text).unwrap();
        Settings { hosts: vec![self.directory.0.join("hosts")], ..settings() }
    }

    /// Settings that know this registry's authority.
    pub(super) fn trusting(&self) -> Settings {
        Settings { authorities: vec![self.directory.0.join("ca.pem")], ..settings() }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority, and two certificates of it: for 127.0.0.1, and for a client.
fn make_certificates(directory: &Path) {
    let openssl = |arguments: &str| {
        let output =
            Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(directory.join("san"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {curve} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    for name in ["server", "client"] {
        openssl(&format!("req {curve} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let signed = format!("-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out {name}.pem");
        openssl(&format!("x509 -req -in {name}.csr {signed}"));
    }
}

/// Pushes an image and pulls it again.
fn round_trip(client: &Client, name: &Reference, size: usize) {
    let (config, bytes) = (b"{\"os\":\"linux\"}".to_vec(), content(size));
    let (config_at, layer_at) = (Descriptor::of(media_type::OCI_CONFIG, &config), layer(&bytes));
    for (descriptor, bytes) in [(&config_at, &config), (&layer_at, &bytes)] {
        let open = |offset: u64| -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(io::Cursor::new(bytes[usize::try_from(offset).unwrap()..].to_vec())))
        };
        assert_eq!(client.push_blob(name, descriptor, &[], &open).unwrap(), Pushed::Uploaded);
        assert_eq!(client.push_blob(name, descriptor, &[], &open).unwrap(), Pushed::Present);
    }
    let manifest = serde_json::to_vec(&Manifest::new(config_at.clone(), vec![layer_at.clone()])).unwrap();
    let digest = client.push_manifest(name, media_type::OCI_MANIFEST, &manifest).unwrap();
    let fetched = client.resolve(name).unwrap();
    assert_eq!((fetched.descriptor.digest, &fetched.bytes), (digest, &manifest));
    assert!(matches!(fetched.document, Document::Manifest(_)));
    assert_eq!(client.content(name, &config_at, 1000).unwrap(), config);
    for offset in [0, 1, size as u64 / 2] {
        assert_eq!(download(client, name, &layer_at, offset).unwrap(), &bytes[offset as usize..]);
    }
}

#[test]
fn images_go_to_a_real_registry_and_come_back() {
    let Some(real) = Real::start("plain", Kind::Plain) else { return };
    let client = client();
    round_trip(&client, &real.reference("team/app:1"), 300_000);
    // In pieces.
    let pieces = Client::new(Settings { chunk_bytes: 100_000, ..settings() });
    round_trip(&pieces, &real.reference("team/pieces:1"), 1_000_001);
    let bytes = content(300_000);
    let unused = |_: u64| -> io::Result<Box<dyn Read + Send>> { Err(io::Error::other("it is mounted")) };
    let other = real.reference("team/other:1");
    assert_eq!(client.push_blob(&other, &layer(&bytes), &["team/app"], &unused).unwrap(), Pushed::Mounted);
    assert_eq!(client.tags(&real.reference("team/app")).unwrap(), ["1"]);
    assert!(client.catalogue(&real.name).unwrap().contains(&"team/app".to_owned()));
    let error = client.resolve(&real.reference("team/app:none")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
    let lost = Digest::of(b"nobody has this");
    let missing = Manifest::new(Descriptor::new(media_type::OCI_CONFIG, lost, 15), Vec::new());
    let bytes = serde_json::to_vec(&missing).unwrap();
    let error =
        client.push_manifest(&real.reference("team/app:bad"), media_type::OCI_MANIFEST, &bytes).unwrap_err();
    assert!(error.to_string().contains("BLOB_UNKNOWN"), "{error}");
}

#[test]
fn a_real_registry_with_tls_and_a_password_wants_both() {
    let Some(real) = Real::start("tls", Kind::Password) else { return };
    let name = real.reference("team/app:1");
    let error = client().resolve(&name).unwrap_err();
    assert!(error.to_string().contains("TLS: invalid peer certificate"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("hosts.toml")), "{error:?}");
    let trusting = Client::new(real.trusting());
    let error = trusting.resolve(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let credentials = real.directory.credentials();
    let client = Client::new(Settings { credentials, ..real.trusting() });
    let user = |password: &str| Credential::Basic { user: "user".to_owned(), password: password.to_owned() };
    assert_eq!(client.login(&real.name, user("wrong")).unwrap_err().kind(), ErrorKind::PermissionDenied);
    client.login(&real.name, user(PASSWORD)).unwrap();
    round_trip(&client, &name, 300_000);
    // By an explicit setting, the certificate does not count.
    let insecure = Settings {
        insecure: vec![real.name.clone()],
        credentials: real.directory.credentials(),
        ..settings()
    };
    Client::new(insecure).resolve(&name).unwrap();
    // By hosts.toml.
    let by_file = real.with_hosts("ca = \"../../ca.pem\"\n");
    Client::new(Settings { credentials: real.directory.credentials(), ..by_file }).resolve(&name).unwrap();
}

#[test]
fn a_real_registry_that_wants_a_certificate_gets_the_one_of_its_directory() {
    let Some(real) = Real::start("client", Kind::Certificate) else { return };
    let name = real.reference("team/app:1");
    let error = Client::new(real.trusting()).resolve(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let hosts = "ca = \"../../ca.pem\"\nclient = [[\"../../client.pem\", \"../../client.key\"]]\n";
    round_trip(&Client::new(real.with_hosts(hosts)), &name, 1000);
    // As Docker has it: files alone.
    let place = real.hosts();
    fs::remove_file(place.join("hosts.toml")).unwrap();
    for (from, to) in [("ca.pem", "ca.crt"), ("client.pem", "client.cert"), ("client.key", "client.key")] {
        fs::copy(real.directory.0.join(from), place.join(to)).unwrap();
    }
    let settings = Settings { hosts: vec![real.directory.0.join("hosts")], ..settings() };
    Client::new(settings).resolve(&name).unwrap();
}
