import { readFileSync } from "node:fs";
import { type CpioEntry, writeCpio } from "xen-node";
import type { SuiteProgram } from "./suite-programs.ts";
import { initScript, suiteScript } from "./suite-script.ts";

const DIRECTORIES = ["bin", "dev", "proc", "sys", "tmp"];

/** An initial ram disk whose /init runs programs of the suite. Paths are of the host; the files have the guest's width. */
export function suiteRamDisk(
  files: { readonly suite: string; readonly busybox: string },
  programs: readonly SuiteProgram[],
  rounds: number,
): Uint8Array {
  const executable = (name: string, data: Uint8Array): CpioEntry => ({ name, type: "file", mode: 0o755, data });
  return writeCpio([
    ...DIRECTORIES.map((name): CpioEntry => ({ name, type: "directory" })),
    // The kernel opens /dev/console for init before anything is mounted.
    { name: "dev/console", type: "character-device", major: 5, minor: 1 },
    executable("bin/busybox", readFileSync(files.busybox)),
    executable("bin/suite", readFileSync(files.suite)),
    executable("init", Buffer.from(initScript(suiteScript("/bin/suite", programs, rounds)))),
  ]);
}
