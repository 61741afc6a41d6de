import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { array, layOut, ringEntries, scalars, struct, structs, structs32 } from "../src/index.ts";

const view = () => new DataView(new ArrayBuffer(8192), 16);

describe("layouts", () => {
  it("gives plain numbers for hot code, nested members included", () => {
    expect(structs.vcpu_info.size).toBe(64);
    expect(structs.vcpu_info.offsets.evtchn_upcall_mask).toBe(1);
    expect(structs.vcpu_info.offsets["time.system_time"]).toBe(48);
    expect(structs.start_info.offsets["console.domU.evtchn"]).toBe(80);
    expect(structs32.start_info.offsets["console.domU.evtchn"]).toBe(56);
    expect(structs.start_info.fields.cmd_line).toEqual({
      offset: 128,
      size: 1024,
      stride: 1,
      count: 1024,
      type: "char",
    });
  });

  it("has the sizes of rings and of what is newer than the header tables", () => {
    expect(structs.xencons_interface.offsets.connection).toBe(3088);
    expect(structs.xenstore_domain_interface.offsets.error).toBe(2072);
    expect(structs.xenstore_domain_interface.size).toBe(2080);
    expect(ringEntries(structs.blkif_sring.fields.ring.stride)).toBe(32);
    expect(ringEntries(structs32.blkif_sring.fields.ring.stride)).toBe(32);
    expect(ringEntries(structs.netif_tx_sring.fields.ring.stride)).toBe(256);
    expect(ringEntries(structs.blkif_sring.fields.ring.stride, 16 * 4096)).toBe(512);
    expect(ringEntries(112, 64)).toBe(0);
  });

  it("steps through arrays, and only through them", () => {
    const { shared_info } = structs;
    expect(shared_info.offsetOf("vcpu_info", 31)).toBe(31 * 64);
    expect(shared_info.offsetOf("evtchn_mask", 1)).toBe(2568);
    expect(structs32.shared_info.fields.evtchn_mask.count).toBe(32);
    expect(() => shared_info.offsetOf("evtchn_mask", 64)).toThrow(RangeError);
    expect(() => shared_info.offsetOf("wc_sec", 1)).toThrow(RangeError);
    expect(() => shared_info.offsetOf("evtchn_mask", 0.5)).toThrow(RangeError);
  });
});

describe("accessors", () => {
  const { start_info, sched_poll, mmu_update, vcpu_time_info, gnttab_copy } = structs;

  it("reads and writes numbers, little-endian, relative to the view", () => {
    const v = view();
    start_info.set(v, 8, "nr_pages", 65536);
    expect(new DataView(v.buffer).getUint32(16 + 8 + 32, true)).toBe(65536);
    expect(start_info.get(v, 8, "nr_pages")).toBe(65536);
    vcpu_time_info.set(v, 0, "tsc_shift", -3);
    expect(vcpu_time_info.get(v, 0, "tsc_shift")).toBe(-3);
    gnttab_copy.set(v, 0, "status", -10);
    expect(gnttab_copy.get(v, 0, "status")).toBe(-10);
  });

  it("keeps 64-bit values exact, or says that it can't", () => {
    const v = view();
    mmu_update.setLoHi(v, 0, "val", 0x067, 0x80000000);
    expect(mmu_update.getBig(v, 0, "val")).toBe(0x80000000_00000067n);
    expect([mmu_update.getLo(v, 0, "val"), mmu_update.getHi(v, 0, "val")]).toEqual([0x067, 0x80000000]);
    expect(() => mmu_update.get(v, 0, "val")).toThrow(/no number can hold/);
    expect(mmu_update.getRounded(v, 0, "val")).toBe(2 ** 63);
    expect(() => mmu_update.set(v, 0, "val", 2 ** 60)).toThrow(RangeError);
  });

  it("reads guest addresses as signed canonical numbers", () => {
    const v = view();
    sched_poll.setBig(v, 0, "ports", 0xffff_8880_0000_1000n);
    expect(sched_poll.getVa(v, 0, "ports")).toBe(-0x777f_ffff_f000);
    sched_poll.set(v, 0, "ports", -0x777f_ffff_f000);
    expect(sched_poll.getBig(v, 0, "ports")).toBe(0xffff_8880_0000_1000n);
    sched_poll.setBig(v, 0, "ports", 0x8000_0000_0000n);
    expect(sched_poll.getVa(v, 0, "ports")).toBeNull();
    structs32.sched_poll.set(v, 0, "ports", 0xc0001000);
    expect(structs32.sched_poll.getVa(v, 0, "ports")).toBe(0xc0001000);
    expect(structs32.sched_poll.getHi(v, 0, "ports")).toBe(0);
  });

  it("stores text with its NUL", () => {
    const v = view();
    start_info.setText(v, 0, "magic", "xen-3.0-x86_64");
    expect(start_info.getText(v, 0, "magic")).toBe("xen-3.0-x86_64");
    expect(start_info.bytes(v, 0, "magic")).toHaveLength(32);
    expect(() => start_info.setText(v, 0, "magic", "x".repeat(32))).toThrow(RangeError);
    start_info.setText(v, 0, "magic", "x".repeat(31));
    expect(start_info.getText(v, 0, "magic")).toBe("x".repeat(31));
  });

  it("refuses what the caller can't mean", () => {
    const v = view();
    expect(() => start_info.set(v, 0, "store_evtchn", 2 ** 32)).toThrow(RangeError);
    expect(() => start_info.set(v, 0, "store_evtchn", 1.5)).toThrow(RangeError);
    expect(() => start_info.get(v, 0, "console")).toThrow(TypeError);
    expect(() => start_info.get(v, 8000, "nr_p2m_frames")).toThrow(RangeError);
    expect(() => start_info.setLoHi(v, 0, "flags", 0, 0)).toThrow(TypeError);
    // @ts-expect-error there is no such field
    expect(() => start_info.get(v, 0, "nr_pagez")).toThrow();
  });

  it("gives back every value that fits, in every kind of field", () => {
    const specs = { all: struct("all", Object.fromEntries(Object.keys(scalars).map((k) => [k, k as "u8"]))) };
    for (const abi of ["x86_64", "x86_32"] as const) {
      const { all } = layOut(specs, abi);
      fc.assert(
        fc.property(
          fc.constantFrom(...Object.keys(scalars)),
          fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
          (kind, any) => {
            const { signed, size } = scalars[kind as keyof typeof scalars];
            const value = signed ? BigInt.asIntN(size[abi] * 8, any) : BigInt.asUintN(size[abi] * 8, any);
            const v = view();
            all.setBig(v, 3, kind, value);
            expect(all.getBig(v, 3, kind)).toBe(value);
          },
        ),
      );
    }
  });

  it("lays out arrays of structures with their padding", () => {
    const pair = struct("pair", { a: "u64", b: "u8" });
    const specs = { pair, list: struct("list", { n: "u32", pairs: array(pair, 3) }) };
    expect(layOut(specs, "x86_64").list.size).toBe(8 + 3 * 16);
    expect(layOut(specs, "x86_32").list.size).toBe(4 + 3 * 12);
    expect(layOut(specs, "x86_32").list.offsetOf("pairs", 2)).toBe(28);
  });
});
