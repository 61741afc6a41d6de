import { SCRIPT_FOLDER } from "./network-scripts.ts";

/** What /init prints when userspace is there; the runner looks for it to print the time that took. */
export const USERSPACE_MARKER = "Userspace is up.";

/** Lists of modules in the ram disk, in the order in which to load them. */
export const DISK_MODULE_LIST = `${SCRIPT_FOLDER}/disk-modules`;
export const NETWORK_MODULE_LIST = `${SCRIPT_FOLDER}/network-modules`;

/**
 * PID 1 of the ram disk. With root= on the kernel's command line it goes on to that file system's init, as Linux would
 * without a ram disk; else, or if that fails, it starts a shell on the console, with job control, and powers off when that
 * is left. A guest without devices reaches the shell by builtins of the shell and three mounts alone.
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
export PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root TERM=linux

root= rootfstype= rootflags= rootdelay=30 access=ro init= ip=
read -r parameters </proc/cmdline
for parameter in $parameters; do
  case $parameter in
    root=/dev/ram*) ;;
    root=*) root=\${parameter#root=} ;;
    rootfstype=*) rootfstype=\${parameter#rootfstype=} ;;
    rootflags=*) rootflags=\${parameter#rootflags=} ;;
    rootdelay=*) rootdelay=\${parameter#rootdelay=} ;;
    rootwait) rootdelay=1000000000 ;;
    ro | rw) access=$parameter ;;
    init=*) init=\${parameter#init=} ;;
    ip=*) ip=\${parameter#ip=} ;;
  esac
done
disks= networks=
for device in /sys/bus/xen/devices/*; do
  case $device in
    */vbd-*) disks=yes ;;
    */vif-*) networks=yes ;;
  esac
done

load() {
  while read -r module; do /bin/busybox insmod "$module" 2>/dev/null; done <"$1"
}
[ -z "$disks$root" ] || load /${DISK_MODULE_LIST}
[ -z "$networks" ] || load /${NETWORK_MODULE_LIST}

# The device of root=, once it is there; nothing and a failure if it does not come.
find_root() {
  tries=0
  while :; do
    case $root in
      /dev/*) [ -b "$root" ] && device=$root && return ;;
      LABEL=* | UUID=*) device=$(/bin/busybox findfs "$root" 2>/dev/null) && return ;;
      *) failure="root=$root is none of /dev/NAME, LABEL=NAME and UUID=NUMBER"; return 1 ;;
    esac
    [ $tries -ne 30 ] || echo "xen-node: waiting for the root file system's device, $root ..."
    [ $tries -lt $((rootdelay * 10)) ] || { failure="there is no device $root"; return 1; }
    : $((tries += 1))
    /bin/busybox sleep 0.1
  done
}

mount_root() {
  failure="$device holds no file system that can be mounted"
  options=$access\${rootflags:+,$rootflags}
  [ -n "$rootfstype" ] || { /bin/busybox mount -o "$options" "$device" /newroot; return; }
  for type in $(IFS=,; echo $rootfstype); do
    /bin/busybox mount -t "$type" -o "$options" "$device" /newroot && return
  done
  return 1
}

# Whether a path of the new root is a program there. Its links are not to be followed in this root.
is_program() {
  path=$1 links=0
  while [ -L "/newroot$path" ] && [ $((links += 1)) -lt 20 ]; do
    target=$(/bin/busybox readlink "/newroot$path")
    case $target in
      /*) path=$target ;;
      *) path=\${path%/*}/$target ;;
    esac
  done
  [ -f "/newroot$path" ] && [ -x "/newroot$path" ]
}

find_init() {
  failure="$device has no \${init:-init}"
  for candidate in \${init:-/sbin/init /etc/init /bin/init /bin/sh}; do
    is_program "$candidate" && init=$candidate && return
  done
  return 1
}

if [ -n "$root" ]; then
  /bin/busybox mkdir -p /newroot
  if find_root && mount_root && find_init; then
    for folder in dev proc sys; do
      /bin/busybox mount -o move /$folder /newroot/$folder 2>/dev/null || /bin/busybox umount -l /$folder
    done
    exec /bin/busybox switch_root /newroot "$init" "$@"
  fi
  echo "xen-node: the root file system could not be started: $failure."
  echo "xen-node: this is a shell of the initial ram disk, to look why; leaving it powers off."
elif [ -n "$ip" ] && { [ -n "$networks" ] || [ -e /sys/class/net/eth0 ]; }; then
  /bin/busybox sh /${SCRIPT_FOLDER}/network off
fi

echo "${USERSPACE_MARKER}"
/bin/busybox --install -s 2>/dev/null
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
hostname xen-node
cd /root
# cttyhack finds the kernel's console and makes it the shell's controlling terminal, which job control needs.
setsid cttyhack sh -l
echo "The shell ended; powering off."
poweroff -f
`;

/**
 * The ram disk's poweroff, reboot and halt. busybox's own ask init to do it, which only its own init understands; and the
 * kernel runs them without arguments when Xen asks it to shut down.
 */
export const endScript = (command: "poweroff" | "reboot" | "halt"): string =>
  `#!/bin/busybox sh\nexec /bin/busybox ${command} -f\n`;
