//! What is measured of an image: commands of ours, of others, and of tools for single steps.

/// A table of results. Its first line is ours, which the others are compared with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Pulling,
    Pushing,
    Mounting,
}

pub(super) const GROUPS: &[Group] = &[Group::Pulling, Group::Pushing, Group::Mounting];

impl Group {
    pub(super) fn title(self) -> &'static str {
        match self {
            Group::Pulling => "pulling and unpacking",
            Group::Pushing => "pushing to an empty registry",
            Group::Mounting => "pushing what another repository has",
        }
    }
}

pub(super) struct Contender {
    pub(super) group: Group,
    pub(super) name: &'static str,
    /// For a shell. `$layout` is the image as an image layout, `$blobs` its layers, `$archives` the same not
    /// compressed, `$urls` the same in the registry, `$image` the image there, `$new` a name in a registry that has
    /// none of it under this name, or nothing at all, at `$host`; `$kept` a root of ours that has the image,
    /// `$kept_podman` and `$kept_ctr` the same of others, and `$to` a directory that is not there yet.
    pub(super) script: &'static str,
}

const fn pulling(name: &'static str, script: &'static str) -> Contender {
    Contender { group: Group::Pulling, name, script }
}

const fn pushing(name: &'static str, script: &'static str) -> Contender {
    Contender { group: Group::Pushing, name, script }
}

const fn mounting(name: &'static str, script: &'static str) -> Contender {
    Contender { group: Group::Mounting, name, script }
}

const CV_PUSH: &str =
    "CONTAINERV_ROOT=$kept; export CONTAINERV_ROOT; $cv tag $image $new; $cv push --quiet $new; $cv rmi $new";
const SKOPEO_PUSH: &str =
    "skopeo copy --quiet --insecure-policy --dest-tls-verify=false oci:$layout:bench docker://$new";

/// One pull, and two at once: what the second adds is shown.
pub(super) const ONE_PULL: &str = "cv pull";
pub(super) const TWO_PULLS: &str = "cv pull, two at once into one store";

pub(super) const CONTENDERS: &[Contender] = &[
    pulling(ONE_PULL, "CONTAINERV_ROOT=$to $cv pull --quiet $image"),
    pulling(
        TWO_PULLS,
        "CONTAINERV_ROOT=$to; export CONTAINERV_ROOT; $cv pull --quiet $image & one=$!; $cv pull --quiet $image; wait $one",
    ),
    pulling(
        "skopeo copy, umoci unpack",
        "skopeo copy --quiet --insecure-policy --src-tls-verify=false docker://$image oci:$to.oci:bench; \
         umoci unpack --image $to.oci:bench $to",
    ),
    pulling(
        "podman pull",
        // It takes no long path for this.
        "run=$(mktemp -d); podman --root $to/root --runroot $run --storage-driver overlay pull --quiet \
         --tls-verify=false --signature-policy $policy $image; rm -r $run",
    ),
    pulling(
        "ctr image pull",
        "state=$to; kept=$to/root; . $daemon; ctr --address $state/socket image pull --plain-http $image; $stop",
    ),
    pulling(
        "wget, openssl twice, pigz -dc, tar x, sync",
        "mkdir $to; mkfifo $to.compressed $to.plain; for url in $urls; do openssl sha256 < $to.compressed & \
         openssl sha256 < $to.plain & wget -q -O - $url | tee $to.blob $to.compressed | pigz -dc | tee $to.plain | \
         tar -C $to -x; wait; mv $to.blob $to.kept-${url##*:}; done; sync -f $to",
    ),
    pulling("download alone", "for url in $urls; do wget -q -O /dev/null $url; done"),
    pulling("cv load", "CONTAINERV_ROOT=$to $cv load --quiet --input $layout"),
    pulling("umoci unpack", "umoci unpack --image $layout:bench $to"),
    pulling(
        "openssl twice, pigz -dc, tar x",
        "mkdir $to; mkfifo $to.plain; for blob in $blobs; do openssl sha256 $blob & openssl sha256 < $to.plain & \
         pigz -dc $blob | tee $to.plain | tar -C $to -x; wait; done",
    ),
    pulling("pigz -dc, tar x", "mkdir $to; for blob in $blobs; do pigz -dc $blob | tar -C $to -x; done"),
    pulling("tar x", "mkdir $to; for archive in $archives; do tar -C $to -xf $archive; done"),
    pulling("pigz -dc", "for blob in $blobs; do pigz -dc $blob > /dev/null; done"),
    pulling("sha256sum", "cat $archives | sha256sum"),
    pulling("openssl sha256", "cat $archives | openssl sha256"),
    pushing("cv push", CV_PUSH),
    pushing("skopeo copy", SKOPEO_PUSH),
    pushing(
        "ctr image push",
        "state=$to; kept=$kept_ctr; . $daemon; ctr --address $state/socket image push --plain-http $new $image; $stop",
    ),
    pushing(
        "podman push",
        "run=$(cat $kept_podman.run); mkdir -p $run; podman --root $kept_podman --runroot $run --storage-driver overlay \
         push --quiet --tls-verify=false --signature-policy $policy $image $new; rm -r $run",
    ),
    pushing(
        "curl, one layer after the other",
        "for blob in $blobs; do place=$(curl -sf -o /dev/null -w '%header{location}' -X POST \
         http://$host/v2/bench/blobs/uploads/); curl -sf -o /dev/null -H Expect: -H \
         'Content-Type: application/octet-stream' -T $blob \"$place&digest=sha256:${blob##*/}\"; done",
    ),
    mounting("cv push", CV_PUSH),
    mounting("skopeo copy", SKOPEO_PUSH),
];

/// What peers keep of the image, for pushing it. Podman wants the same short path at its side each time.
pub(super) const PREPARATION: &str = "\
test -s $kept_podman.run || mktemp -u > $kept_podman.run; run=$(cat $kept_podman.run); mkdir -p $run; \
podman --root $kept_podman --runroot $run --storage-driver overlay pull --quiet --tls-verify=false \
--signature-policy $policy $image; rm -r $run; state=$to; kept=$kept_ctr; . $daemon; \
ctr --address $state/socket image pull --plain-http $image; $stop";

/// Starts containerd for the images in `$kept`, with what it needs meanwhile in `$state`; `$stop` ends it.
pub(super) const DAEMON: &str = "\
mkdir $state
containerd --config $containerd --root $kept --state $state/state --address $state/socket 2> $state/log &
pid=$!
stop=\"eval kill $pid; wait $pid\"
until ctr --address $state/socket version > /dev/null 2>&1; do sleep 0.02; done
";
