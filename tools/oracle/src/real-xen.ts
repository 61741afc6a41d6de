import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConformanceGuest } from "@xen-node/guest-sdk";
import { type Dom0Files, OracleError, packRamDisk } from "./dom0-image.ts";
import { Mark } from "./dom0-init.ts";

/** What became of a guest on the real hypervisor. */
export interface RealRun {
  output: string;
  /** What xl said, with the reason of the shutdown. */
  toolstack: string;
}

const MINUTES = 60_000;
const LIMIT_MS = 20 * MINUTES;
/** Nothing new for so long: Dom0 has died. The longest guest may take a minute. */
const SILENCE_MS = 3 * MINUTES;
const POLL_MS = 500;

/**
 * SMEP and SMAP are off since QEMU's TCG takes them wrongly in IRET at CPL 3; speculation control would only slow it down.
 */
const XEN_OPTIONS =
  "console=com1 com1=115200,8n1 loglvl=error guest_loglvl=error smap=0 smep=0 spec-ctrl=no dom0_mem=700M,max:700M dom0_max_vcpus=1";
const KERNEL_OPTIONS = "console=hvc0 loglevel=4 rdinit=/init";

/**
 * Runs guests one after the other on Xen 4.17 in QEMU, as PV domains that xl creates.
 *
 * @throws OracleError, one sentence, if Dom0 does not get so far.
 */
export async function runOnRealXen(
  dom0: Dom0Files,
  guests: { guest: ConformanceGuest; elf: string }[],
  progress: (message: string) => void,
): Promise<Map<string, RealRun>> {
  const folder = mkdtempSync(join(tmpdir(), "xen-oracle-"));
  try {
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "guests"), { recursive: true });
    for (const { guest, elf } of guests) copyFileSync(elf, join(tree, "guests", `${guest.name}.elf`));
    const list = guests.map(({ guest }) => `${guest.name} ${guest.vcpus} ${guest.memoryMiB}\n`).join("");
    writeFileSync(join(tree, "guests", "list"), list);
    const ramDisk = join(folder, "ramdisk");
    packRamDisk(tree, join(folder, "guests.cpio.gz"));
    // Linux unpacks archives that lie one behind the other.
    writeFileSync(ramDisk, Buffer.concat([readFileSync(dom0.ramDisk), readFileSync(join(folder, "guests.cpio.gz"))]));
    const output = join(folder, "com2");
    const log = join(folder, "com1");
    await runQemu(dom0, ramDisk, log, output, progress);
    const runs = parseRuns(existsSync(output) ? readFileSync(output, "latin1") : "");
    if (runs.size === 0) {
      throw new OracleError(`Dom0 has run no guest; it said:\n${readFileSync(log, "latin1").slice(-2000)}`);
    }
    return runs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runQemu(dom0: Dom0Files, ramDisk: string, log: string, output: string, progress: (message: string) => void) {
  const args = [
    ...[
      "-machine",
      "pc",
      "-cpu",
      "max",
      "-accel",
      "tcg",
      "-m",
      "1536",
      "-display",
      "none",
      "-no-reboot",
      "-nic",
      "none",
    ],
    ...["-kernel", dom0.xen, "-append", XEN_OPTIONS, "-initrd", `${dom0.kernel} ${KERNEL_OPTIONS},${ramDisk}`],
    ...["-serial", `file:${log}`, "-serial", `file:${output}`],
  ];
  const qemu = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "inherit", "inherit"] });
  const size = (file: string): number => (existsSync(file) ? statSync(file).size : 0);
  const start = Date.now();
  let told = 0;
  let grown = start;
  let before = 0;
  const watch = setInterval(() => {
    const bytes = size(output) + size(log);
    if (bytes !== before) grown = Date.now();
    before = bytes;
    const text = size(output) > 0 ? readFileSync(output, "latin1") : "";
    const started = [...text.matchAll(new RegExp(`^${Mark.start} (\\S+)`, "gm"))].map(([, name]) => name);
    for (; told < started.length; told++) progress(`on the real Xen: ${started[told]}`);
    if (Date.now() - start > LIMIT_MS || Date.now() - grown > SILENCE_MS) qemu.kill("SIGKILL");
  }, POLL_MS);
  return new Promise<void>((resolve, reject) => {
    qemu.on("error", (error) => reject(new OracleError(`qemu-system-x86_64 cannot be started: ${error.message}`)));
    qemu.on("close", () => resolve());
  }).finally(() => clearInterval(watch));
}

/** Takes apart what Dom0 wrote. */
export function parseRuns(text: string): Map<string, RealRun> {
  const runs = new Map<string, RealRun>();
  let name: string | undefined;
  let inToolstack = false;
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith(`${Mark.start} `)) {
      name = line.slice(Mark.start.length + 1).trim();
      inToolstack = false;
      runs.set(name, { output: "", toolstack: "" });
    } else if (line.startsWith(Mark.end)) name = undefined;
    else if (line.startsWith(Mark.toolstack)) inToolstack = true;
    else if (name !== undefined) {
      const run = runs.get(name);
      if (run !== undefined) run[inToolstack ? "toolstack" : "output"] += `${line}\n`;
    }
  }
  return runs;
}
