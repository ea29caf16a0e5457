#!/bin/busybox sh
# The first process of the emulated machine. It loads KVM, runs /command on the console, and reports
# on the second serial port, out of the way of all that the command prints.

report() {
    echo "$*" >/dev/ttyS1
    # The kernel announces the power-off at its most urgent level, which only 0 silences.
    echo 0 >/proc/sys/kernel/printk
    poweroff -f
}

export PATH=/bin HOME=/tmp TMPDIR=/tmp RUST_BACKTRACE=1
# Fails for an applet whose place a program has that was taken along, which stays there.
/bin/busybox --install -s /bin 2>/dev/null

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ip link set lo up

for module in /modules/*.ko; do
    insmod "$module" || report "cannot load $module"
done
[ -c /dev/kvm ] || report "the kernel has no /dev/kvm after loading its modules"

sh /command
report "exit $?"
