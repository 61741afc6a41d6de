// A process of its own for a guest on v86: v86-guest KERNEL INITRD MEMORY-MIB CMDLINE. Its console is standard output.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { V86 } from "v86";
import { QEMU } from "./contenders.ts";

/** v86 comes without a BIOS, which its Linux loader needs. QEMU has one: SeaBIOS. */
const BIOS = "bios.bin";
const VGA_BIOS = "vgabios-stdvga.bin";

function contents(path: string): { buffer: ArrayBuffer } {
  const { buffer, byteOffset, length } = readFileSync(path);
  return { buffer: buffer.slice(byteOffset, byteOffset + length) as ArrayBuffer };
}

/** A file of QEMU's data folders, as it lists them itself. */
function firmware(name: string): { buffer: ArrayBuffer } {
  const folders = execFileSync(QEMU, ["-L", "help"], { encoding: "utf8" }).trim().split("\n");
  const path = folders.map((folder) => join(folder, name)).find(existsSync);
  if (path === undefined) throw new Error(`QEMU has no ${name} in ${folders.join(", ")}`);
  return contents(path);
}

const [kernel, initrd, memoryMiB, cmdline] = process.argv.slice(2);

const emulator = new V86({
  wasm_path: join(dirname(createRequire(import.meta.url).resolve("v86")), "v86.wasm"),
  bios: firmware(BIOS),
  vga_bios: firmware(VGA_BIOS),
  bzimage: contents(kernel),
  initrd: contents(initrd),
  cmdline,
  memory_size: Number(memoryMiB) << 20,
  autostart: true,
});
emulator.add_listener("serial0-output-byte", (byte: number) => {
  process.stdout.write(Uint8Array.of(byte));
});
