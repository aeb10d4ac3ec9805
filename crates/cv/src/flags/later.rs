//! Docker's options that are known here and not offered: each refusal names the option and a way out.

use crate::syntax::{Flag, Section};

const NETWORK: &str =
    "use `--network host` to reach and be reached through this machine's network, or leave it away";
const HEALTH: &str = "health checks come with a later version; `cv exec NAME COMMAND` runs a check by hand";
const VOLUMES: &str = "bind a directory instead: `-v HOST:INSIDE`";
const MEMORY: &str = "use `--memory` and `--memory-swap`";
const REALTIME: &str = "use `--cpu-shares` or `--cpus`";
const RUNTIME: &str = "there is one way to run containers here; leave it away";

/// Options that `run` and `create` refuse.
pub static LATER: Section = Section {
    title: "Not offered",
    flags: &[
        Flag::value("layer", "DIR", "Windows: layer of an image").refused("use `--rootfs DIR`"),
        Flag::value("publish", "PORTS", "Publish ports").short('p').refused(NETWORK),
        Flag::switch("publish-all", "Publish every exposed port").short('P').refused(NETWORK),
        Flag::value("expose", "PORT", "Note a port")
            .refused("leave it away; it has no effect without published ports"),
        Flag::value("network-alias", "NAME", "Alias in a network")
            .refused("use `--add-host` in the other container"),
        Flag::value("ip", "ADDRESS", "IPv4 address").refused(NETWORK),
        Flag::value("ip6", "ADDRESS", "IPv6 address").refused(NETWORK),
        Flag::value("link-local-ip", "ADDRESS", "Link-local address").refused(NETWORK),
        Flag::value("mac-address", "ADDRESS", "Hardware address").refused(NETWORK),
        Flag::value("link", "CONTAINER", "Link to a container")
            .refused("use `--network container:NAME` or `--add-host`"),
        Flag::value("dns", "ADDRESS", "Name server")
            .refused("bind a resolv.conf: `-v FILE:/etc/resolv.conf:ro`"),
        Flag::value("dns-search", "DOMAIN", "Search domain")
            .refused("bind a resolv.conf: `-v FILE:/etc/resolv.conf:ro`"),
        Flag::value("dns-option", "OPTION", "Resolver option")
            .refused("bind a resolv.conf: `-v FILE:/etc/resolv.conf:ro`"),
        Flag::value("dns-opt", "OPTION", "Resolver option")
            .refused("bind a resolv.conf: `-v FILE:/etc/resolv.conf:ro`"),
        Flag::value("gpus", "GPUS", "Graphics processors")
            .refused("name the device files: `--device /dev/dri/renderD128`"),
        Flag::value("runtime", "NAME", "Another runtime").refused(RUNTIME),
        Flag::value("annotation", "NAME=VALUE", "Annotation").refused("use `--label`"),
        Flag::value("storage-opt", "NAME=VALUE", "Storage option")
            .refused("use `--overlay DIR` with a directory on a file system of the right size"),
        Flag::value("volumes-from", "CONTAINER", "Mounts of another container").refused(VOLUMES),
        Flag::value("volume-driver", "NAME", "Volume driver").refused(VOLUMES),
        Flag::value("health-cmd", "COMMAND", "Health check").refused(HEALTH),
        Flag::value("health-interval", "DURATION", "Health check").refused(HEALTH),
        Flag::value("health-retries", "NUMBER", "Health check").refused(HEALTH),
        Flag::value("health-start-interval", "DURATION", "Health check").refused(HEALTH),
        Flag::value("health-start-period", "DURATION", "Health check").refused(HEALTH),
        Flag::value("health-timeout", "DURATION", "Health check").refused(HEALTH),
        Flag::value("memory-swappiness", "NUMBER", "Swappiness").refused(MEMORY),
        Flag::value("kernel-memory", "BYTES", "Kernel memory").refused(MEMORY),
        Flag::switch("oom-kill-disable", "Stop instead of killing")
            .refused("use `--oom-score-adj` to choose what is killed"),
        Flag::value("cpu-rt-period", "MICROSECONDS", "Realtime period").refused(REALTIME),
        Flag::value("cpu-rt-runtime", "MICROSECONDS", "Realtime time").refused(REALTIME),
        Flag::value("cpu-count", "NUMBER", "Windows: CPUs").refused("use `--cpus`"),
        Flag::value("cpu-percent", "NUMBER", "Windows: CPU share").refused("use `--cpus`"),
        Flag::value("io-maxbandwidth", "BYTES", "Windows: I/O rate")
            .refused("use `--device-read-bps` and `--device-write-bps`"),
        Flag::value("io-maxiops", "NUMBER", "Windows: I/O rate")
            .refused("use `--device-read-iops` and `--device-write-iops`"),
        Flag::value("blkio-weight-device", "DEVICE:WEIGHT", "Weight of one device")
            .refused("use `--blkio-weight`"),
        Flag::value("device-cgroup-rule", "RULE", "Device rule").refused("use `--device`"),
        Flag::switch("disable-content-trust", "Image signatures")
            .refused("leave it away; every byte of an image is verified against its digest"),
        Flag::switch("use-api-socket", "API socket").refused("there is no daemon and no socket"),
    ],
};
