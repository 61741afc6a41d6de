import { type CpioEntry, writeCpio } from "./cpio.ts";

/** What /init prints when userspace is there; the runner looks for it to print the time that took. */
export const USERSPACE_MARKER = "Userspace is up.";

/** PID 1 of the ram disk: a shell on the console, with job control; leaving it powers the guest off. */
const INIT_SCRIPT = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
export PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root TERM=linux
echo "${USERSPACE_MARKER}"
/bin/busybox --install -s
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
hostname xen-node
cd /root
# cttyhack finds the kernel's console and makes it the shell's controlling terminal, which job control needs.
setsid cttyhack sh -l
echo "The shell ended; powering off."
poweroff -f
`;

const PROFILE = `export PS1='\\w \\$ '
`;

/** Builds the initial ram disk of `xen-node fetch debian`: a statically linked busybox and a script that starts its shell. */
export function buildInitramfs(busybox: Uint8Array, extraFiles: CpioEntry[] = []): Uint8Array {
  const directories = ["bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin"];
  return writeCpio([
    ...directories.map((name): CpioEntry => ({ name, type: "directory", mode: name === "tmp" ? 0o1777 : 0o755 })),
    // The kernel opens /dev/console for init before anything is mounted.
    { name: "dev/console", type: "character-device", major: 5, minor: 1 },
    { name: "bin/busybox", type: "file", mode: 0o755, data: busybox },
    { name: "init", type: "file", mode: 0o755, data: new TextEncoder().encode(INIT_SCRIPT) },
    { name: "etc/passwd", type: "file", data: new TextEncoder().encode("root::0:0:root:/root:/bin/sh\n") },
    { name: "etc/group", type: "file", data: new TextEncoder().encode("root:x:0:\n") },
    { name: "etc/profile", type: "file", data: new TextEncoder().encode(PROFILE) },
    ...extraFiles,
  ]);
}
