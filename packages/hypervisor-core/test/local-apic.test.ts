import { beforeEach, describe, expect, it } from "vitest";
import { Hypervisor, VirtualClock } from "../src/index.ts";
import type { LocalApic } from "../src/pvh/local-apic.ts";

const Msr = { id: 0x802, tpr: 0x808, eoi: 0x80b, svr: 0x80f, isr: 0x810, irr: 0x820, esr: 0x828, icr: 0x830 } as const;
const Timer = { entry: 0x832, initial: 0x838, current: 0x839, divide: 0x83e } as const;
const SELF = 0x83f;
const PERIODIC = 0x20000;

describe("a local APIC", () => {
  let hypervisor: Hypervisor;
  let apic: LocalApic;
  beforeEach(() => {
    hypervisor = new Hypervisor({
      memoryBytes: 64 * 2 ** 20,
      translator: false,
      clock: new VirtualClock({ nsPerInstruction: 10 }),
    });
    const domain = hypervisor.createDomain({ kind: "pvh", maxPages: 16 });
    const [vcpu] = domain.vcpus;
    // Up, and waiting for something.
    Object.assign(vcpu, { initialised: true, down: false, blocked: true });
    apic = vcpu.native!.apic;
    apic.write(Msr.svr, 0x1ff, 0);
  });
  const read = (msr: number): number => apic.read(msr)?.lo ?? Number.NaN;

  it("takes nothing while it is disabled", () => {
    apic.write(Msr.svr, 0xff, 0);
    apic.write(SELF, 0x40, 0);
    expect(apic.pending).toBe(-1);
    expect(read(Timer.entry)).toBe(0x10000);
  });

  it("serves the highest class first, and lower ones after its end", () => {
    for (const vector of [0x41, 0x93, 0x45]) apic.write(SELF, vector, 0);
    expect(apic.pending).toBe(0x93);
    apic.accept(0x93);
    expect([read(Msr.isr + 4), apic.pending]).toEqual([1 << 0x13, -1]);
    apic.write(Msr.eoi, 0, 0);
    apic.accept(apic.pending);
    expect(read(Msr.isr + 2)).toBe(1 << 5);
    // The other one is of the same class.
    expect(apic.pending).toBe(-1);
    apic.write(Msr.eoi, 0, 0);
    expect(apic.pending).toBe(0x41);
    apic.write(Msr.tpr, 0x40, 0);
    expect(apic.pending).toBe(-1);
  });

  it("knows commands to itself from those to others, and vectors from exceptions", () => {
    apic.write(Msr.icr, 0x50, 7);
    apic.write(Msr.icr, 0x51 | (3 << 18), 0);
    expect(apic.pending).toBe(-1);
    apic.write(Msr.icr, 0x52, 0);
    expect(apic.pending).toBe(0x52);
    apic.write(SELF, 3, 0);
    apic.write(Msr.esr, 0, 0);
    expect(read(Msr.esr)).toBe(0x20);
  });

  it("refuses what is reserved", () => {
    expect(apic.write(Msr.id, 1, 0)).toBe(false);
    expect(apic.write(Msr.eoi, 1, 0)).toBe(false);
    expect(apic.write(Msr.tpr, 0x100, 0)).toBe(false);
    expect(apic.write(Msr.svr, 0x1ff, 1)).toBe(false);
    expect(apic.read(0x8ff)).toBeUndefined();
    expect(apic.read(SELF)).toBeUndefined();
  });

  it("counts down once, or again and again", () => {
    // Divided by one: a count is 10 ns.
    apic.write(Timer.divide, 0xb, 0);
    apic.write(Timer.entry, 0x60, 0);
    apic.write(Timer.initial, 100_000, 0);
    const { timers } = hypervisor;
    const start = hypervisor.now();
    expect(timers.next - start).toBeCloseTo(1_000_000, -3);
    timers.expire(start + 1_000_001);
    expect([apic.pending, read(Timer.current)]).toEqual([0x60, 0]);
    apic.accept(0x60);
    apic.write(Msr.eoi, 0, 0);

    apic.write(Timer.entry, 0x61 | PERIODIC, 0);
    apic.write(Timer.initial, 1, 0);
    timers.expire(timers.next);
    expect(apic.pending).toBe(0x61);
    // No host would do ten nanoseconds.
    expect(timers.next - hypervisor.now()).toBeGreaterThanOrEqual(50_000);
    apic.stop();
    expect(timers.next).toBe(Number.POSITIVE_INFINITY);
  });
});
