import { SCRIPT_FOLDER } from "./network-scripts.ts";

/** What the Debian userland prints when it has booted, before its shell. */
export const DEBIAN_ROOT_MARKER = "xen-node: Debian userland is up";

/** busybox's init reads it (busybox, examples/inittab). */
export const INITTAB = `# busybox init: what to run, and when.
::sysinit:/${SCRIPT_FOLDER}/boot
::respawn:/${SCRIPT_FOLDER}/console
::ctrlaltdel:/sbin/reboot
::shutdown:/${SCRIPT_FOLDER}/shutdown
::restart:/sbin/init
`;

/** Mounts, checks and makes ready, then starts what was installed for runlevel 2. */
export const BOOT_SCRIPT = `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

# The ram disk may have mounted some of them.
mounted() { while read -r _ place _; do [ "$place" = "$1" ] && return; done </proc/mounts; return 1; }
[ -r /proc/mounts ] || mount -n -t proc proc /proc
mounted /sys || mount -n -t sysfs sys /sys
mounted /dev || mount -n -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -n -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
mount -n -t tmpfs -o mode=1777,nosuid,nodev shm /dev/shm
mount -n -t tmpfs -o mode=755,nosuid,nodev run /run
mkdir -m 1777 /run/lock
mount -n -t tmpfs -o mode=1777,nosuid,nodev tmp /tmp
: >/run/utmp

# The root file system, while nothing can be written to it.
while read -r source place type options _; do
  [ "$place" = / ] && [ "$type" != rootfs ] && break
done </proc/mounts
case $type,$options in
  ext[234],ro*)
    DEVNAME=
    number=$(mountpoint -d /) && . "/sys/dev/block/$number/uevent"
    if [ -b "/dev/$DEVNAME" ]; then
      fsck.$type -p "/dev/$DEVNAME"
      status=$?
      if [ $status -ge 4 ]; then
        echo "xen-node: the root file system is damaged: repair it with fsck.$type -y /dev/$DEVNAME. Leaving this shell restarts."
        setsid cttyhack sh -l
        sync
        reboot -f
      elif [ $status -ge 2 ]; then
        sync
        reboot -f
      fi
    fi
    ;;
esac
mount -n -o remount,rw / || echo "xen-node: the root file system stays read-only."
mount -a
swapon -a 2>/dev/null
hostname -F /etc/hostname
[ ! -d /etc/sysctl.d ] || sysctl -q --system 2>/dev/null >&2

# The frontends of Xen's devices that the ram disk found no use for.
for device in /sys/bus/xen/devices/*; do
  case $device in
    */vbd-*) modprobe -q xen_blkfront ;;
    */vif-*) modprobe -q xen_netfront ;;
  esac
done
ip link set lo up
networks=
for device in /sys/bus/xen/devices/vif-* /sys/class/net/eth0; do [ -e "$device" ] && networks=yes; done
[ -z "$networks" ] || sh /${SCRIPT_FOLDER}/network dhcp stay

for script in /etc/rcS.d/S* /etc/rc2.d/S*; do [ ! -x "$script" ] || "$script" start; done
echo "${DEBIAN_ROOT_MARKER}"
`;

/** A shell of root on the kernel's console, which is hvc0 in a guest of Xen. */
export const CONSOLE_SCRIPT = `#!/bin/busybox sh
export HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM=linux PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root
# cttyhack makes the console the shell's controlling terminal, which job control needs.
exec cttyhack bash --login
`;

/** Leaves the root file system as if it had been unmounted: init goes on to switch off. */
export const SHUTDOWN_SCRIPT = `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for script in /etc/rc0.d/K*; do [ ! -x "$script" ] || "$script" stop; done
killall5 -15
tries=20
while [ $((tries -= 1)) -gt 0 ]; do
  left=
  for process in /proc/[0-9]*; do
    # Threads of the kernel have no program.
    case $process in /proc/1 | /proc/$$) continue ;; esac
    [ -e "$process/exe" ] && readlink "$process/exe" >/dev/null 2>&1 && left=yes && break
  done
  [ -n "$left" ] || break
  sleep 0.1
done
killall5 -9
swapoff -a 2>/dev/null
sync
umount -a -r -t noproc,nosysfs,nodevtmpfs,nodevpts,notmpfs,norootfs 2>/dev/null
mount -n -o remount,ro / || echo "xen-node: the root file system could not be made read-only."
`;

/** shutdown(8) of those init systems that have one. */
export const SHUTDOWN_COMMAND = `#!/bin/sh
# shutdown [-h | -P | -r | -H] [now]
case " $* " in
  *" -r "*) exec /sbin/reboot ;;
  *" -H "*) exec /sbin/halt ;;
  *) exec /sbin/poweroff ;;
esac
`;
