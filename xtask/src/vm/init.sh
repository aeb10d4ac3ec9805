#!/bin/busybox sh
# The machine's init: the usual mounts with cgroup v2 alone, then the command, then the end.
# The host reads the lines that begin with @vm.
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t devtmpfs dev /dev
exec </dev/null >/dev/ttyS0 2>&1
set -e
trap 'echo "@vm exit 125"; reboot -f' EXIT
stty -onlcr -echo </dev/ttyS0
set -x
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t ext4 /dev/vda /scratch
ln -s /proc/self/fd /dev/fd
ln -s /bin/busybox /usr/bin/busybox
ip link set lo up
hostname vm
ulimit -n 4096
set +ex
trap - EXIT
echo "@vm begin"
/bin/sh /command
echo "@vm exit $?"
reboot -f
