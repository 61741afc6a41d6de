import { structs } from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import { acpiTables } from "../../src/builder/pvh-acpi.ts";
import { BuildError, buildPvhDomain, type Domain, Hypervisor, pvhBuilderTarget } from "../../src/index.ts";
import { makeKernel } from "./kernel-maker.ts";

const ENTRY = 0x100010;
const PAGES = 1024;

function build(options: Partial<Parameters<typeof buildPvhDomain>[2]> = {}) {
  const hypervisor = new Hypervisor({ memoryBytes: 64 * 2 ** 20, translator: false });
  const domain = hypervisor.createDomain({ kind: "pvh", maxPages: PAGES });
  const content = Uint8Array.of(1, 2, 3, 4);
  const kernel = makeKernel([{ paddr: 0x100000, content, memorySize: 0x3000 }], { phys32Entry: ENTRY });
  const built = buildPvhDomain(pvhBuilderTarget(hypervisor.mmu, hypervisor.grants, domain), domain, {
    kernel,
    commandLine: "console=hvc0",
    initrd: Uint8Array.of(9, 8, 7),
    pages: PAGES,
    storeEvtchn: 1,
    consoleEvtchn: 2,
    ...options,
  });
  return { hypervisor, domain, built };
}

function guestView(hypervisor: Hypervisor, domain: Domain, address: number): DataView {
  const host = hypervisor.mmu.frames.hostAddress(domain.frameOf(address >>> 12)) + (address & 0xfff);
  return new DataView(hypervisor.mmu.memory.u8.buffer, host, 4096 - (address & 0xfff));
}

describe("a PVH domain", () => {
  it("is laid out as its kernel expects", () => {
    const { hypervisor, domain, built } = build();
    expect(built.vcpu.entry).toBe(ENTRY);
    expect(guestView(hypervisor, domain, 0x100000).getUint32(0, true)).toBe(0x04030201);
    const { hvm_start_info: info, hvm_modlist_entry: module, hvm_memmap_table_entry: range } = structs;
    const view = guestView(hypervisor, domain, built.vcpu.startInfo);
    expect([info.get(view, 0, "magic"), info.get(view, 0, "version")]).toEqual([0x336ec578, 1]);
    const at = (field: "cmdline_paddr" | "modlist_paddr" | "memmap_paddr" | "rsdp_paddr"): DataView =>
      guestView(hypervisor, domain, Number(info.get(view, 0, field)));
    const text = at("cmdline_paddr");
    expect(String.fromCharCode(...Array.from({ length: 12 }, (_, i) => text.getUint8(i)))).toBe("console=hvc0");
    expect(text.getUint8(12)).toBe(0);
    const list = at("modlist_paddr");
    expect(Number(module.get(list, 0, "size"))).toBe(3);
    expect(guestView(hypervisor, domain, Number(module.get(list, 0, "paddr"))).getUint8(2)).toBe(7);
    const map = at("memmap_paddr");
    const ranges = Array.from({ length: 3 }, (_, i) => {
      const field = (name: "addr" | "size" | "type"): number => Number(range.get(map, i * range.size, name));
      return { address: field("addr"), size: field("size"), type: field("type") };
    });
    expect(ranges).toEqual(domain.memoryMap);
    expect(at("rsdp_paddr").getUint8(0)).toBe("R".charCodeAt(0));
    expect(hypervisor.auditFrames()).toEqual([]);
  });

  it.each([
    ["does not fit", { initrd: new Uint8Array(PAGES * 4096) }, /ram disk need 6 MiB, but the domain has 4 MiB/],
    ["has a NUL in its command line", { commandLine: "a\0b" }, /NUL/],
    ["has no PVH entry", { kernel: makeKernel([{ paddr: 0, content: Uint8Array.of(1) }]) }, /no PVH entry/],
    ["has too much memory", { pages: 2 ** 20 }, /3840 MiB of memory at most/],
  ])("is refused if it %s", (_what, options, message) => {
    expect(() => build(options)).toThrow(BuildError);
    expect(() => build(options)).toThrow(message);
  });

  it("has one vcpu", () => {
    const hypervisor = new Hypervisor({ memoryBytes: 64 * 2 ** 20, translator: false });
    expect(() => hypervisor.createDomain({ kind: "pvh", maxPages: 16, vcpus: 2 })).toThrow(/a PVH guest has one/);
  });
});

describe("ACPI tables", () => {
  const sum = (bytes: Uint8Array): number => bytes.reduce((a, b) => (a + b) & 0xff, 0);

  it("sum up to 0 and lead to each other", () => {
    const base = 0xfc000000;
    const { bytes, rsdpAddress } = acpiTables(base, 2);
    const view = new DataView(bytes.buffer);
    expect(rsdpAddress).toBe(base);
    expect([sum(bytes.subarray(0, 20)), sum(bytes.subarray(0, 36))]).toEqual([0, 0]);
    const table = (address: bigint): { signature: string; at: number; length: number } => {
      const at = Number(address) - base;
      const length = view.getUint32(at + 4, true);
      expect(sum(bytes.subarray(at, at + length))).toBe(0);
      return { signature: String.fromCharCode(...bytes.subarray(at, at + 4)), at, length };
    };
    const xsdt = table(view.getBigUint64(24, true));
    const fadt = table(view.getBigUint64(xsdt.at + 36, true));
    const madt = table(view.getBigUint64(xsdt.at + 44, true));
    const dsdt = table(view.getBigUint64(fadt.at + 140, true));
    expect([xsdt, fadt, madt, dsdt].map(({ signature }) => signature)).toEqual(["XSDT", "FACP", "APIC", "DSDT"]);
    expect(view.getUint32(fadt.at + 112, true) & (1 << 20)).not.toBe(0);
    expect(madt.length).toBe(44 + 2 * 8);
    expect(view.getUint8(madt.at + 44 + 8 + 3)).toBe(2);
  });
});
