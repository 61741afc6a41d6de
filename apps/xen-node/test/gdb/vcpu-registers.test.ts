import type { VcpuRegisters } from "@xen-node/hypervisor-core";
import { describe, expect, it } from "vitest";
import { RegisterFile, registerNamed } from "../../src/gdb/register-file.ts";
import { decodeRegisters, encodeRegisters } from "../../src/gdb/vcpu-registers.ts";

const sample = (): VcpuRegisters => ({
  gpr: BigUint64Array.from({ length: 16 }, (_, index) => 0xffff_8880_0000_0000n + BigInt(index)),
  rip: 0xffffffff81000000n,
  rflags: 0x246n,
  cs: 0xe033,
  ss: 0xe02b,
  ds: 1,
  es: 2,
  fs: 3,
  gs: 4,
  fsBase: 5n,
  gsBase: 6n,
  gsBaseShadow: 7n,
  cr0: 0x80050033,
  cr2: 8n,
  root: 0x12345,
  kernelMode: true,
  st: Uint8Array.from({ length: 80 }, (_, index) => index),
  fcw: 0x37f,
  fsw: 0x3800,
  ftw: 0xfffe,
  xmm: Uint8Array.from({ length: 256 }, (_, index) => 255 - index),
  mxcsr: 0x1f80,
});

describe("a vcpu's registers", () => {
  it("are encoded in gdb's order", () => {
    const file = new RegisterFile(encodeRegisters(sample()));
    expect(file.get64("rax") & 0xffn).toBe(0n);
    expect(file.get64("rcx") & 0xffn).toBe(1n);
    expect(file.get64("rbx") & 0xffn).toBe(3n);
    expect(file.get64("rsp") & 0xffn).toBe(4n);
    expect(registerNamed("rbx").number).toBe(1);
    expect(registerNamed("rip").number).toBe(16);
    expect(registerNamed("st0").number).toBe(24);
    expect(registerNamed("xmm0").number).toBe(40);
    expect(registerNamed("mxcsr").number).toBe(56);
    expect(registerNamed("fs_base").number).toBe(57);
    expect(file.get32("cs")).toBe(0xe033);
    expect([...file.slice(registerNamed("st1"))]).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    expect(file.get64("cr3")).toBe(0x12345000n);
    expect(file.get64("k_gs_base")).toBe(7n);
  });

  it("take over what a debugger may set and keep the rest", () => {
    const from = sample();
    from.gpr[3] = 99n;
    from.rip = 1n;
    from.rflags = 0x202n;
    from.st.reverse();
    from.xmm.reverse();
    from.mxcsr = 0x1fa0;
    from.fsw = 0;
    from.gsBase = 66n;
    from.cs = 0;
    from.cr2 = 0n;
    const into = sample();
    decodeRegisters(encodeRegisters(from), into);
    expect(into).toEqual({ ...from, cs: 0xe033, cr2: 8n });
  });
});
