import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { QEMU } from "./contenders.ts";

/** A command that starts a guest whose console is its standard output. */
export interface Command {
  readonly program: string;
  readonly parameters: readonly string[];
}

/** A Linux guest to start. */
export interface GuestFiles {
  /** Paths of files on the host. */
  readonly kernel: string;
  readonly initrd: string;
  readonly memoryMiB: number;
  /** Kernel parameters besides the console's. */
  readonly parameters?: string;
}

const commandLine = (console: string, parameters = ""): string => `${console} ${parameters}`.trim();

/** The built runner, with further options of it. */
export function xenNodeCommand(
  { kernel, initrd, memoryMiB, parameters }: GuestFiles,
  options: readonly string[] = [],
): Command {
  const cli = join(dirname(fileURLToPath(import.meta.resolve("xen-node"))), "cli.js");
  const guest = ["--kernel", kernel, "--initrd", initrd, "--memory", String(memoryMiB)];
  const cmdline = commandLine("console=hvc0 earlyprintk=xen", parameters);
  return { program: process.execPath, parameters: [cli, "run", ...options, ...guest, "--cmdline", cmdline] };
}

/** QEMU's system emulation with its translator. */
export function qemuCommand({ kernel, initrd, memoryMiB, parameters }: GuestFiles): Command {
  const machine = ["-accel", "tcg", "-m", String(memoryMiB), "-nographic", "-no-reboot", "-net", "none"];
  const boot = ["-kernel", kernel, "-initrd", initrd, "-append", commandLine("console=ttyS0", parameters)];
  return { program: QEMU, parameters: [...machine, ...boot] };
}

/** v86 in a process of its own; the kernel is 32-bit. */
export function v86Command({ kernel, initrd, memoryMiB, parameters }: GuestFiles): Command {
  // The program as it lies beside this one once it is built.
  const part = fileURLToPath(new URL("./v86-guest.js", import.meta.url));
  const cmdline = commandLine("console=ttyS0", parameters);
  return { program: process.execPath, parameters: [part, kernel, initrd, String(memoryMiB), cmdline] };
}
