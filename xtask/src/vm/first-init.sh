#!/bin/busybox sh
# The first program. The root that the kernel unpacks cannot be pivoted away from, so everything
# moves to a tmpfs first.
/bin/busybox mount -t proc proc /proc
for module in $(/bin/busybox cat /modules/order); do
    /bin/busybox insmod "/modules/$module" || echo "cannot load $module" >/dev/console
done
/bin/busybox mount -t tmpfs -o mode=755,size=90% root /root
/bin/busybox cp -a /image/. /root/
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
