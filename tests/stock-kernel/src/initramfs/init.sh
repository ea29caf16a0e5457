#!/bin/busybox sh
# The first process of the emulated machine. It loads KVM, runs /command on the console, and reports
# on the second serial port, out of the way of all that the command prints.

report() {
    # Setting anything waits until the console is written out, which takes time where the port's speed is emulated.
    stty 115200
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
mkdir -p /dev/pts
mount -t devpts -o ptmxmode=666 devpts /dev/pts
ip link set lo up

while read -r module; do
    # Not quoted: parameters follow the name.
    insmod /modules/$module || report "cannot load $module"
done </modules/list
[ -c /dev/kvm ] || report "the kernel has no /dev/kvm after loading its modules"

sh /command
report "exit $?"
