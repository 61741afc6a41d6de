import { readKernelImage } from "@xen-node/guest-images";
import { describe, expect, it } from "vitest";
import { demoGuest } from "../src/index.ts";

describe("the demonstration guest", () => {
  it("is a PV kernel by its notes", async () => {
    const { elf, notes } = await readKernelImage(demoGuest());
    expect(notes).toMatchObject({ guestOs: "xen-node-demo", xenVersion: "xen-3.0", virtBase: 0x40000000 });
    expect(notes.entry).toBe(elf.entry);
    const [segment] = elf.segments.filter(({ type }) => type === 1);
    expect(segment.virtualAddress).toBe(0x40000000);
    expect(elf.entry).toBeGreaterThanOrEqual(segment.virtualAddress);
    expect(elf.entry).toBeLessThan(segment.virtualAddress + segment.fileSize);
  });

  it("is the same bytes each time", () => {
    expect(Buffer.compare(demoGuest(), demoGuest())).toBe(0);
  });
});
