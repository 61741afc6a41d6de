import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DaemonProcess } from "./daemon-process.ts";
import type { ExpectStream } from "./expect-stream.ts";
import { debianGuest } from "./real-guests.ts";

/** How long a boot may take on a busy machine. */
export const BOOT_MS = 240_000;
const DISK_BYTES = 16 * 2 ** 20;
const ANSWER_MS = 60_000;

/**
 * Writes the configuration of a guest `deb`, Debian's kernel with an empty disk, for guests that are saved and moved.
 * @param lines what it has beside that
 * @returns paths of the configuration and of the disk's image
 */
export async function configureDebian(
  daemon: DaemonProcess,
  lines: Record<string, string | number | string[]> = {},
): Promise<{ config: string; disk: string }> {
  const { kernel, initrd } = await debianGuest();
  const disk = join(daemon.folder, "disk.img");
  await writeFile(disk, "");
  await truncate(disk, DISK_BYTES);
  const config = await daemon.config("deb", {
    kernel,
    ramdisk: initrd,
    extra: "console=hvc0",
    memory: 144,
    disk: [`${disk},raw,xvda,w`],
    ...lines,
  });
  return { config, disk };
}

/** The last lines that a command prints in a guest's shell: a long one is echoed in several. */
export async function answer(stream: ExpectStream, line: string, lines = 1): Promise<string> {
  const text = await stream.command(line, ANSWER_MS);
  return text.trimEnd().split("\n").slice(-lines).join("\n");
}
