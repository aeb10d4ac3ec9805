//! Verbs about images, against a registry of the test's own: what each prints.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use containerv_tests::image::Image;
use containerv_tests::registry::Registry;
use serde_json::json;
use support::{Place, words};

const COMMANDS: &str = r#"
images
image check NAME
image check --format '{{.Isolation}} {{.Runs}}' NAME
image check --platform linux/s390x NAME
pull NAME
pull -q NAME
images
images --digests --no-trunc
images -q
images --filter reference=*/none
images --filter dangling=true
images --format json
history --format '{{.ID}} {{.CreatedBy}} {{.Size}}' NAME
history -q --no-trunc NAME
image inspect --format '{{.Os}} {{.Config.Entrypoint}} {{.RepoTags}}' NAME
tag NAME mine:2
images --format 'table {{.Repository}}\t{{.Tag}}\t{{.Containers}}'
run --rm mine:2
run --rm mine:2 'id -u; pwd; echo $WHO'
run --rm -u 0 -w / -e WHO=me --entrypoint echo --pull never NAME words
run --rm --pull never no/such:1
run --rm --platform linux/s390x NAME
create --name web mine:2
ps -a --format '{{.Image}} {{.Command}} {{.Labels}}'
create --name own -e WHO=me -e https_proxy=http://secret -w /tmp -u 0 --stop-signal INT -l team=red --entrypoint echo mine:2 one two
commit --change 'ENV MORE=1' own committed:1
image inspect --format '{{json .Config}}' committed:1
run --rm committed:1
rm own
rmi committed:1
inspect --format '{{.Config.Image}} {{.Image}} {{json .Config.ExposedPorts}}' web
system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
rmi mine:2
rmi NAME
image prune -af
rmi -f NAME
rm web
image prune -f
images
system df --format '{{.Type}} {{.TotalCount}} {{.Size}}'
"#;

#[test]
fn an_image_lives_its_life() {
    let place = Place::new();
    let root = place.join("tree");
    containerv_tests::make_rootfs(&root);
    let registry = Registry::start();
    let image = Image::default().tree(&root).layer(&[("srv/file", b"content")]).config(json!({
        "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["cat file"], "Env": ["WHO=image"], "WorkingDir": "/srv",
        "User": "alice", "Labels": { "team": "blue" }, "ExposedPorts": { "80/tcp": {} },
    }));
    image.put(&registry, "team/app", Some("1"));
    let name = format!("{}/team/app:1", registry.name());
    let here = containerv_spec::image::Platform::new("linux", std::env::consts::ARCH).to_string();
    let mut transcript = String::new();
    for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
        let outcome = place.run(words(&line.replace("NAME", &name)));
        let said =
            (outcome.stdout + &outcome.stderr).replace(&registry.name(), "REGISTRY").replace(&here, "HERE");
        let said = without_sizes(&without_digests(&said));
        transcript.push_str(&format!("$ cv {line}\n{said}[{}]\n\n", outcome.code));
    }
    insta::assert_snapshot!(transcript);
}

#[test]
fn an_ordinary_user_is_warned_of_what_could_not_be_unpacked() {
    let place = Place::ordinary();
    let mut archive = tar::Builder::new(Vec::new());
    for number in 0..13 {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Char);
        header.set_mode(0o600);
        header.set_size(0);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        archive.append_data(&mut header, format!("null{number}"), &b""[..]).unwrap();
    }
    std::fs::write(place.join("devices.tar"), archive.into_inner().unwrap()).unwrap();
    let outcome = place.run(words("import devices.tar devices:1"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let named = (0..10).map(|number| format!("warning: `null{number}`: left out: a device node\n"));
    assert_eq!(outcome.stderr, named.collect::<String>() + "warning: and 3 more\n");
}

/// The shell's size is another one with each of its versions.
fn without_sizes(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split("iB").enumerate() {
        if index > 0 {
            let number = plain
                .trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | 'K' | 'M' | 'G'))
                .len();
            plain.truncate(number);
            plain.push_str("SIZE");
        }
        plain.push_str(part);
    }
    plain
}

/// Digests are of what a compressor makes, and ids are random.
fn without_digests(text: &str) -> String {
    let mut plain = String::new();
    let mut run = String::new();
    for character in text.chars().chain(['\n']) {
        if character.is_ascii_digit() || ('a'..='f').contains(&character) {
            run.push(character);
            continue;
        }
        plain.push_str(if run.len() >= 12 { "HEX" } else { &run });
        run.clear();
        plain.push(character);
    }
    plain.pop();
    plain
}
