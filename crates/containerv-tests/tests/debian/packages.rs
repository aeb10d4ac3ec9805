//! Packages that are installed in a container, from an archive in it: no network is needed.

use super::{Debian, feed};

/// Makes a package whose installation makes a user, and an archive that offers it.
const MAKE_ARCHIVE: &str = r#"
mkdir -p /srv/archive /tmp/package/DEBIAN /tmp/package/usr/bin /tmp/package/etc
cd /tmp/package
printf '#!/bin/sh\necho greetings from $(id -un)\n' > usr/bin/greet
chmod 755 usr/bin/greet
echo setting=1 > etc/greet.conf
echo /etc/greet.conf > DEBIAN/conffiles
cat > DEBIAN/control <<END
Package: greet
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Depends: adduser, python3-minimal
Description: says a word
END
cat > DEBIAN/postinst <<'END'
#!/bin/sh
set -e
adduser --quiet --system --group --home /var/lib/greet greet
install -d -o greet -g greet -m 2750 /var/lib/greet
dpkg-statoverride --update --add root greet 2755 /usr/bin/greet
END
chmod 755 DEBIAN/postinst
dpkg-deb --root-owner-group --build . /srv/archive/greet.deb
cd /srv/archive
{
    dpkg-deb --field greet.deb
    echo "Filename: ./greet.deb"
    echo "Size: $(stat -c %s greet.deb)"
    echo "SHA256: $(sha256sum greet.deb | cut -d' ' -f1)"
} > Packages
echo 'deb [trusted=yes] copy:/srv/archive ./' > /etc/apt/sources.list
"#;

const INSTALL: &str = r#"
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y greet
runuser -u greet greet
stat -c '%n %U:%G %a' /usr/bin/greet /var/lib/greet
dpkg --verify greet && dpkg --audit && apt-get check
apt-get download greet && test -s greet_1.0_all.deb
apt-get purge -y greet
test ! -e /usr/bin/greet -a ! -e /etc/greet.conf
echo all is well
"#;

#[test]
fn apt_installs_and_removes_a_package() {
    let Some(debian) = Debian::of_root() else { return };
    debian.background("box", &[]);
    let steps = format!("set -e\n{MAKE_ARCHIVE}\ncd /tmp\n{INSTALL}");
    let output = feed(&mut debian.call(["exec", "-i", "box", "bash"]), steps.as_bytes());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {out}\n{err}", output.status);
    for line in [
        "Setting up greet (1.0) ...",
        "greetings from greet",
        "/usr/bin/greet root:greet 2755",
        "/var/lib/greet greet:greet 2750",
        "all is well",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line}: {out}\n{err}");
    }
    debian.cv(&["rm", "-f", "box"]);
}
