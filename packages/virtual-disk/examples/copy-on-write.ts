// A disk image that stays as it is, under a guest that writes.
import { createMemoryDisk, createMemoryOverlay } from "@xen-node/virtual-disk";

const image = createMemoryDisk(1 << 20, { contents: new TextEncoder().encode("as delivered"), readOnly: true });
const disk = createMemoryOverlay(image); // in earnest: of openDisk({ target: "disk.img", readOnly: true })
await disk.write(0, [new TextEncoder().encode("now changed!")]);
await disk.flush();

for (const device of [image, disk]) {
  const bytes = new Uint8Array(12);
  await device.read(0, [bytes]);
  process.stdout.write(`${new TextDecoder().decode(bytes)}\n`);
}
