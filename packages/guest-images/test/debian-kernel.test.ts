import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { kernelSymbols, loadKernelImage } from "../src/index.ts";

// Real guests, unpacked from Debian's packages into the directory that XEN_NODE_GUESTS names.
const guests = process.env.XEN_NODE_GUESTS ?? "";
const boot = join(guests, "boot");
const vmlinuz =
  guests !== "" && existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith("vmlinuz-6.1")) : undefined;
const grub = join(guests, "usr/lib/grub-xen/grub-x86_64-xen.bin");

describe.skipIf(vmlinuz === undefined)("Debian's kernel", () => {
  it("unpacks, has its notes and its own symbol table", async () => {
    const image = await loadKernelImage(join(boot, vmlinuz ?? ""));
    expect(image).toMatchObject({ container: "bzimage", compression: "xz" });
    expect(image.notes).toMatchObject({
      source: "PT_NOTE",
      virtBase: -0x80000000,
      initP2m: 0x8000000000,
      hypercallPage: null,
      modStartPfn: true,
      requiredFeatures: 0,
      supportedFeatures: 0x8811,
      l1MfnValid: [{ mask: 1n, value: 1n }],
    });
    const symbols = kernelSymbols(image.elf);
    expect(symbols?.source).toBe("kallsyms");
    expect(symbols?.size).toBeGreaterThan(50_000);
    expect(symbols?.describe(image.notes.entry ?? 0)).toBe("startup_xen");
    expect(symbols?.lookup("startup_64")).toBe(-0x7f000000);
    for (const name of ["start_kernel", "xen_start_kernel", "schedule", "do_syscall_64"]) {
      expect(symbols?.describe(symbols.lookup(name) ?? 0)).toBe(name);
    }
  });
});

describe.skipIf(guests === "" || !existsSync(grub))("GRUB for PV", () => {
  it("has notes in a segment without memory, and no symbols", async () => {
    const image = await loadKernelImage(grub);
    expect(image.container).toBe("elf");
    expect(image.notes).toMatchObject({ source: "PT_NOTE", guestOs: "GRUB", virtBase: 0, entry: 0, initP2m: null });
    expect(kernelSymbols(image.elf)).toBeNull();
  });
});
