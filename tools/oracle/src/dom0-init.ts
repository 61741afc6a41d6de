/** Marks in what Dom0 writes to its second serial port. */
export const Mark = { start: "=== start", toolstack: "=== xl", end: "=== end", done: "=== done" } as const;

/** Longest life of a guest, seconds: QEMU interprets the processor, so it is generous. */
const GUEST_SECONDS = 60;

/**
 * The only process of Dom0: brings up xenstored and xenconsoled, then creates the guests that /guests/list names ("name
 * vcpus MiB" a line) one after the other, and tells ttyS1 what each has printed.
 */
export const DOM0_INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/sbin LD_LIBRARY_PATH=/lib/x86_64-linux-gnu
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /run
ln -s /run /var/run
ln -s /run/lock /var/lock
mkdir -p /run/xen /run/xenstored /run/lock /var/lib/xen /var/lib/xenstored /var/log/xen/console
exec >/dev/hvc0 2>&1 </dev/null
for module in /modules/*.ko; do insmod $module; done
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xen/xenstored.pid
xen-init-dom0
xenconsoled --log=guest --log-dir=/var/log/xen/console
stty -F /dev/ttyS1 raw
exec 3>/dev/ttyS1
while read name vcpus memory; do
  printf 'name="%s"\\nkernel="/guests/%s.elf"\\nmemory=%s\\nvcpus=%s\\non_crash="destroy"\\non_reboot="destroy"\\n' $name $name $memory $vcpus >/tmp/$name.cfg
  echo "${Mark.start} $name" >&3
  timeout -s KILL ${GUEST_SECONDS} xl create -F /tmp/$name.cfg >/tmp/$name.out 2>&1 </dev/null
  xl destroy $name 2>/dev/null </dev/null
  sleep 0.2
  cat /var/log/xen/console/guest-$name.log >&3
  echo "${Mark.toolstack}" >&3
  cat /tmp/$name.out >&3
  echo "${Mark.end} $name" >&3
done </guests/list
echo "${Mark.done}" >&3
sleep 1
poweroff -f
`;
