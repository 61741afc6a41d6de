import { readFileSync } from "node:fs";
import { type CpioEntry, writeCpio } from "xen-node";
import type { GuestModule } from "./guest-modules.ts";
import { initScript } from "./suite-script.ts";

const DIRECTORIES = ["bin", "dev", "lib", "proc", "sys", "tmp"];

/** Where the program of guest/io lies in a guest. */
export const IO_IN_GUEST = "/bin/io";

/** What is in a ram disk besides its script: paths on the host, and modules in the order in which to load them. */
export interface IoGuestFiles {
  readonly io: string;
  readonly busybox: string;
  readonly modules: readonly GuestModule[];
}

/** An initial ram disk whose /init loads all modules, for Xen's devices and for virtio's, and then runs a script. */
export function ioRamDisk({ io, busybox, modules }: IoGuestFiles, script: string): Uint8Array {
  const executable = (name: string, data: Uint8Array): CpioEntry => ({ name, type: "file", mode: 0o755, data });
  // Those of the other machine's devices find nothing, and some of them say so by failing.
  const load = modules.map(({ name }) => `/bin/busybox insmod /lib/${name}.ko 2>/dev/null\n`).join("");
  return writeCpio([
    ...DIRECTORIES.map((name): CpioEntry => ({ name, type: "directory" })),
    // The kernel opens /dev/console for init before anything is mounted.
    { name: "dev/console", type: "character-device", major: 5, minor: 1 },
    executable("bin/busybox", readFileSync(busybox)),
    executable(IO_IN_GUEST.slice(1), readFileSync(io)),
    ...modules.map(({ name, data }): CpioEntry => ({ name: `lib/${name}.ko`, type: "file", data })),
    executable("init", Buffer.from(initScript(load + script))),
  ]);
}
