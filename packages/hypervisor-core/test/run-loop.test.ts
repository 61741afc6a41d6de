import { ExitReason } from "@xen-node/x86-cpu";
import { describe, expect, it } from "vitest";
import { exportChromeTrace, Hypervisor, type Processor, TraceRing, VirtualClock } from "../src/index.ts";
import {
  addGuest,
  exception,
  type Guest,
  HANDLER,
  hypercall,
  makeGuest,
  Page,
  readU32,
  readU64,
  ScriptedProcessor,
  va,
  write,
  writeU32,
  writeU64,
} from "./machine.ts";

const ARG = va(Page.data, 0x100);
const sched_op = 29;
const vcpu_op = 24;
const event_channel_op = 32;
const MS = 1_000_000;

/** Makes the guest execute hypercalls in the run loop: each `run` is one SYSCALL until the list is empty. */
function perform(g: Guest, calls: (() => void)[]): void {
  g.cpu.script = (budget) => {
    const next = calls.shift();
    if (next === undefined) {
      g.cpu.retired += budget;
      return ExitReason.BUDGET;
    }
    g.cpu.retired += 10;
    next();
    return ExitReason.SYSCALL;
  };
}

function registers(g: Guest, number: number, ...args: number[]): void {
  g.hv.regs.setNumber(0, number);
  [7, 6, 2, 10, 8, 9].forEach((gpr, i) => {
    g.hv.regs.setNumber(gpr, args[i] ?? 0);
  });
}

describe("time", () => {
  it("gives an exact pvclock and the wall clock", () => {
    const g = makeGuest();
    g.clock.advance(12_345_678_901);
    g.hv.runSlice(1 * MS);
    const view = g.hv.mmu.memory.view;
    const at = g.vcpu.infoHost + 32;
    expect(view.getUint32(at, true) & 1).toBe(0);
    const stamp = view.getBigUint64(at + 8, true);
    const system = view.getBigUint64(at + 16, true);
    const mul = BigInt(view.getUint32(at + 24, true));
    const shift = BigInt(view.getInt8(at + 28));
    const tsc = 99_999_999_999n;
    expect(system + ((((tsc - stamp) << shift) * mul) >> 32n)).toBe(tsc);
    expect(view.getUint8(at + 29)).toBe(1);
    const shared = g.hv.mmu.frames.hostAddress(g.domain.sharedInfoMfn);
    expect(view.getUint32(shared + 3076, true)).toBe(1_700_000_000);
  });

  it("ticks at 100 Hz until stopped, and fires single shots", () => {
    const g = makeGuest();
    writeU32(g, ARG, 0, 0);
    expect(hypercall(g, event_channel_op, 1, ARG)).toBe(0);
    const port = readU32(g, ARG + 8);
    const shared = g.hv.mmu.frames.hostAddress(g.domain.sharedInfoMfn);
    const pending = (): number => g.hv.mmu.memory.u32[(shared + 2048) >>> 2] & (1 << port);
    const clear = (): void => {
      g.hv.mmu.memory.u32[(shared + 2048) >>> 2] = 0;
    };
    g.hv.runSlice(5 * MS);
    expect(pending()).toBe(0);
    g.hv.runSlice(6 * MS);
    expect(pending()).not.toBe(0);
    clear();
    expect(hypercall(g, vcpu_op, 7, 0)).toBe(0);
    g.hv.runSlice(25 * MS);
    expect(pending()).toBe(0);
    writeU64(g, ARG, g.hv.now() + 3 * MS);
    writeU32(g, ARG + 8, 1);
    expect(hypercall(g, vcpu_op, 8, 0, ARG)).toBe(0);
    g.hv.runSlice(2 * MS);
    expect(pending()).toBe(0);
    g.hv.runSlice(2 * MS);
    expect(pending()).not.toBe(0);
    clear();
    // In the past: at once, whether or not the guest asked for an error.
    writeU64(g, ARG, g.hv.now() - 1);
    expect(hypercall(g, vcpu_op, 8, 0, ARG)).toBe(0);
    g.hv.runSlice(MS);
    expect(pending()).not.toBe(0);
    clear();
    expect(hypercall(g, 15, g.hv.now() + MS)).toBe(0);
    g.hv.runSlice(3 * MS);
    expect(pending()).not.toBe(0);
  });
});

describe("blocking", () => {
  it("block clears the mask and sleeps until an event; idle time is skipped", () => {
    const g = makeGuest();
    writeU32(g, ARG, 0, 0);
    hypercall(g, event_channel_op, 1, ARG);
    expect(hypercall(g, vcpu_op, 7, 0)).toBe(0);
    writeU64(g, ARG, 500 * MS);
    hypercall(g, vcpu_op, 8, 0, ARG);
    g.vcpu.callbacks.event = HANDLER;
    hypercall(g, sched_op, 1, 0);
    expect(g.vcpu.state).toBe("blocked");
    expect(g.hv.mmu.memory.u8[g.vcpu.infoHost + 1]).toBe(0);
    g.hv.runSlice(600 * MS);
    expect(g.vcpu.state).toBe("runnable");
    expect(g.hv.regs.rip).toBe(HANDLER);
    // pending already: returns at once
    g.hv.mmu.memory.u8[g.vcpu.infoHost] = 1;
    hypercall(g, sched_op, 1, 0);
    expect(g.vcpu.blocked).toBe(false);
  });

  it("poll waits for its port or the timeout", () => {
    const g = makeGuest();
    hypercall(g, vcpu_op, 7, 0);
    writeU32(g, ARG, 0);
    hypercall(g, event_channel_op, 7, ARG);
    const port = readU32(g, ARG + 4);
    writeU32(g, va(20), port);
    writeU64(g, ARG, va(20), 1, 50 * MS);
    perform(g, [() => registers(g, sched_op, 3, ARG)]);
    g.hv.runSlice(20 * MS);
    expect(g.vcpu.state).toBe("blocked");
    g.hv.runSlice(40 * MS);
    expect(g.vcpu.state).toBe("runnable");
    expect(g.hv.regs.lo(0)).toBe(0);
    perform(g, [() => registers(g, sched_op, 3, ARG)]);
    writeU64(g, ARG, va(20), 1, 0);
    g.hv.runSlice(5 * MS);
    expect(g.vcpu.polling).toBe(true);
    expect(g.domain.hypercalls.eventChannel.send(port)).toBe(0);
    expect(g.vcpu.state).toBe("runnable");
    writeU32(g, va(20), 999);
    expect(hypercall(g, sched_op, 3, ARG)).toBe(-22);
    writeU64(g, ARG, va(20), 129, 0);
    expect(hypercall(g, sched_op, 3, ARG)).toBe(-22);
  });
});

describe("several vcpus", () => {
  it("initialises and brings up a second vcpu with the guest's own selectors", () => {
    const g = makeGuest({ vcpus: 2 });
    const is_up = (id: number): number => hypercall(g, vcpu_op, 3, id);
    expect([is_up(0), is_up(1), is_up(2)]).toEqual([1, 0, -2]);
    // a GDT with 0x10 code and 0x18 stack
    writeU32(g, va(30) + 16, 0xffff, 0x00af9b00, 0xffff, 0x00cf9300);
    expect(hypercall(g, 14, va(30), g.p2m[30] * 4096 + 0x21, 0)).toBe(0);
    const context = va(20);
    write(g, context, new Uint8Array(4096));
    write(g, context + 4096, new Uint8Array(2048));
    writeU64(g, context + 512, 4);
    writeU64(g, context + 648, va(Page.code, 0x80), 0x10, 0x1000, va(Page.userStack), 0x18);
    writeU64(g, context + 4832, g.p2m[30]);
    writeU64(g, context + 4960, 16, 0x18, va(Page.stack + 1));
    writeU64(g, context + 4984 + 24, g.p2m[Page.l4] * 4096);
    writeU64(g, context + 5112, HANDLER, HANDLER);
    writeU64(g, context + 5152, 0xabcd);
    expect(hypercall(g, vcpu_op, 1, 1)).toBe(-22);
    expect(hypercall(g, vcpu_op, 0, 1, context)).toBe(0);
    expect(hypercall(g, vcpu_op, 0, 1, context)).toBe(-17);
    expect(g.cpu.root).toBe(g.p2m[Page.l4]);
    expect(hypercall(g, vcpu_op, 1, 1)).toBe(0);
    const second = g.domain.vcpus[1];
    expect(second.state).toBe("runnable");
    const seen = new Set<number>();
    g.cpu.script = (budget) => {
      seen.add(g.hv.current!.id);
      if (g.hv.current === second && !seen.has(100)) {
        seen.add(100);
        expect(g.hv.regs.selector(1)).toBe(0x13);
        expect(g.hv.regs.selector(2)).toBe(0x1b);
        expect(g.hv.regs.rip).toBe(va(Page.code, 0x80));
        expect(g.hv.regs.baseLo(5)).toBe(0xabcd);
        expect(second.iopl).toBe(0x1000);
      }
      g.cpu.retired += budget;
      return ExitReason.BUDGET;
    };
    g.hv.runSlice(5 * MS);
    expect([...seen].sort()).toEqual([0, 1, 100]);
    g.hv.load(g.vcpu);
    g.hv.addressSpaces.enter(g.vcpu);
    expect(hypercall(g, vcpu_op, 2, 1)).toBe(0);
    expect(is_up(1)).toBe(0);
    expect(g.hv.auditFrames()).toEqual([]);
    hypercall(g, vcpu_op, 2, 0);
    expect(g.domain.shutdownReason).toBe(0);
  });

  it("registers vcpu_info, runstate and time areas", () => {
    const g = makeGuest();
    writeU64(g, ARG, g.p2m[20]);
    writeU32(g, ARG + 8, 0x40, 0);
    expect(hypercall(g, vcpu_op, 10, 0, ARG)).toBe(0);
    expect(hypercall(g, vcpu_op, 10, 0, ARG)).toBe(-22);
    expect(g.vcpu.infoHost & 0xfff).toBe(0x40);
    expect(readU64(g, va(20, 0x48))).toBe(-1);
    writeU64(g, ARG, va(21));
    expect(hypercall(g, vcpu_op, 5, 0, ARG)).toBe(0);
    expect(hypercall(g, vcpu_op, 13, 0, ARG)).toBe(0);
    writeU64(g, ARG, va(22));
    expect(hypercall(g, vcpu_op, 5, 0, ARG)).toBe(0);
    g.hv.runSlice(2 * MS);
    expect(readU32(g, va(22))).toBe(0);
    expect(hypercall(g, vcpu_op, 4, 0, va(23))).toBe(0);
    expect(readU64(g, va(23, 16))).toBeGreaterThan(MS);
    expect(hypercall(g, vcpu_op, 12, 0, ARG)).toBe(-22);
    expect(hypercall(g, vcpu_op, 14, 0, ARG)).toBe(-38);
    expect(g.hv.auditFrames()).toEqual([]);
  });
});

describe("domains", () => {
  it("takes turns, survives a crash of one, and frees everything", () => {
    const g = makeGuest();
    const { hv } = g;
    const free = hv.mmu.frames.freeFrames;
    const other = addGuest(hv);
    const ran = new Map<number, number>();
    g.cpu.script = (budget) => {
      const { domid } = hv.current!.domain;
      ran.set(domid, (ran.get(domid) ?? 0) + budget);
      g.cpu.retired += budget;
      return ExitReason.BUDGET;
    };
    hv.runSlice(20 * MS);
    const [a, b] = [...ran.values()];
    expect(Math.abs(a - b) / a).toBeLessThan(0.2);
    const seen: string[] = [];
    hv.listen({
      onCrash: (d) => seen.push(`crash ${d.domid}`),
      onShutdown: (d, reason) => seen.push(`shutdown ${d.domid} ${reason}`),
      onDestroyed: (d) => seen.push(`destroyed ${d.domid}`),
    });
    g.cpu.script = (budget) => {
      if (hv.current!.domain === other.domain) throw new Error("boom");
      g.cpu.retired += budget;
      return ExitReason.BUDGET;
    };
    hv.runSlice(5 * MS);
    expect(seen).toEqual(["crash 2", "shutdown 2 3"]);
    expect(g.vcpu.state).toBe("runnable");
    hv.destroyDomain(other.domain);
    hv.runSlice(5 * MS);
    expect(seen[2]).toBe("destroyed 2");
    expect(hv.mmu.frames.freeFrames).toBe(free);
    hv.destroyDomain(g.domain);
    hv.runSlice(5 * MS);
    expect(hv.domains.size).toBe(0);
    expect(hv.auditFrames()).toEqual([]);
    expect(hv.runSlice(MS)).toBe(Number.POSITIVE_INFINITY);
  });

  it("pauses and unpauses", () => {
    const g = makeGuest();
    g.hv.pauseDomain(g.domain);
    expect(g.vcpu.state).toBe("paused");
    g.hv.runSlice(2 * MS);
    expect(g.vcpu.retired).toBe(0);
    g.hv.unpauseDomain(g.domain);
    g.hv.runSlice(2 * MS);
    expect(g.vcpu.retired).toBeGreaterThan(0);
  });

  it("watchdog and shutdown codes", () => {
    const g = makeGuest();
    writeU32(g, ARG, 0, 1);
    expect(hypercall(g, sched_op, 6, ARG)).toBe(1);
    writeU32(g, ARG, 1, 2);
    expect(hypercall(g, sched_op, 6, ARG)).toBe(0);
    g.hv.runSlice(1500 * MS);
    expect(g.domain.state).toBe("running");
    g.hv.runSlice(600 * MS);
    expect(g.domain.shutdownReason).toBe(4);
    const h = makeGuest();
    writeU32(h, ARG, 1);
    expect(hypercall(h, sched_op, 5, ARG)).toBe(0);
    writeU32(h, ARG, 0);
    hypercall(h, sched_op, 2, ARG);
    expect(h.domain.shutdownReason).toBe(1);
  });
});

describe("a TypeScript domain", () => {
  it("binds to a guest's port, is told of events from the run loop, and maps a granted frame as live bytes", () => {
    const g = makeGuest();
    const { hv } = g;
    const events: number[] = [];
    const dom0 = hv.createDomain({ kind: "typescript", domid: 0, maxPages: 16, onEvent: (port) => events.push(port) });
    const calls = hv.hypercallsFor(0);
    expect(dom0.privileged).toBe(true);
    const guestPort = calls.eventChannel.allocUnbound(g.domain.domid, 0);
    expect(guestPort).toBeGreaterThan(0);
    const port = calls.eventChannel.bindInterdomain(g.domain.domid, guestPort);
    expect(port).toBeGreaterThan(0);
    hv.runSlice(MS);
    events.length = 0;
    writeU32(g, ARG, guestPort);
    expect(hypercall(g, event_channel_op, 4, ARG)).toBe(0);
    expect(hypercall(g, event_channel_op, 4, ARG)).toBe(0);
    expect(events).toEqual([]);
    hv.runSlice(MS);
    expect(events).toEqual([port]);
    let woken = 0;
    hv.onWorkAvailable = () => woken++;
    g.vcpu.blocked = true;
    hv.cpupools.initial.scheduler.sleep(g.vcpu.unit, hv.now());
    hv.mmu.memory.u8[g.vcpu.infoHost] = 0;
    hv.mmu.memory.u32[(g.vcpu.infoHost + 8) >>> 2] = 0;
    expect(calls.eventChannel.send(port)).toBe(0);
    expect(g.vcpu.blocked).toBe(false);
    expect(woken).toBe(1);

    hv.grants.writeEntry(g.domain.domid, 1, 1, 0, g.p2m[40]);
    const mapping = calls.grantTable.mapGrantRef(g.domain.domid, 1, 0);
    expect(mapping.status).toBe(0);
    const bytes = calls.memory.frameBytes(mapping.mfn)!;
    write(g, va(40), [7, 8, 9]);
    expect([...bytes.subarray(0, 3)]).toEqual([7, 8, 9]);
    bytes[0] = 99;
    expect(readU32(g, va(40)) & 0xff).toBe(99);
    expect(calls.memory.frameBytes(g.p2m[41])).toBeUndefined();
    expect(calls.grantTable.unmapGrantRef(mapping.handle)).toBe(0);
    expect(calls.memory.frameBytes(mapping.mfn)).toBeUndefined();
    expect(hv.auditFrames()).toEqual([]);
    expect(calls.version.features(0) & (1 << 11)).not.toBe(0);
    const mfn = calls.memory.increaseReservation();
    expect(calls.memory.frameBytes(mfn)).toHaveLength(4096);
    expect(calls.memory.decreaseReservation(mfn)).toBe(0);
  });

  it("keeps a destroyed guest's granted frame until it is unmapped", () => {
    const g = makeGuest();
    const { hv } = g;
    hv.createDomain({ kind: "typescript", domid: 0, maxPages: 16 });
    const calls = hv.hypercallsFor(0);
    hv.grants.writeEntry(g.domain.domid, 1, 1, 0, g.p2m[40]);
    const mapping = calls.grantTable.mapGrantRef(g.domain.domid, 1, 0);
    let destroyed = false;
    hv.listen({ onDestroyed: () => (destroyed = true) });
    hv.destroyDomain(g.domain);
    hv.runSlice(MS);
    expect(destroyed).toBe(false);
    calls.memory.frameBytes(mapping.mfn)![0] = 1;
    expect(calls.grantTable.unmapGrantRef(mapping.handle)).toBe(0);
    hv.runSlice(MS);
    expect(destroyed).toBe(true);
    expect(hv.auditFrames()).toEqual([]);
  });
});

describe("debugging and tracing", () => {
  it("stops at traps the debugger takes, reads and writes registers and memory, steps", () => {
    const g = makeGuest();
    const { hv } = g;
    const hits: number[] = [];
    g.domain.debugger = {
      onTrap: (_vcpu, vector) => {
        hits.push(vector);
        return true;
      },
    };
    exception(g, 1);
    expect(hits).toEqual([1]);
    expect(g.domain.paused).toBe(true);
    const r = hv.debug.readRegisters(g.vcpu);
    expect(r.rip).toBe(BigInt(va(Page.code)));
    r.gpr[3] = 0xffff_ffff_8000_0001n;
    r.rip = BigInt(va(Page.code, 5));
    hv.debug.writeRegisters(g.vcpu, r);
    expect(hv.regs.va(3)).toBe(-0x7fff_ffff);
    expect(hv.regs.rip).toBe(va(Page.code, 5));
    expect(hv.debug.writeMemory(g.vcpu, va(Page.code, 0xffe), Uint8Array.of(1, 2, 3, 4))).toBe(true);
    expect([...hv.debug.readMemory(g.vcpu, va(Page.code, 0xffe), 4)]).toEqual([1, 2, 3, 4]);
    expect(hv.debug.writeMemory(g.vcpu, va(Page.l1), Uint8Array.of(0))).toBe(false);
    expect(hv.debug.readMemory(g.vcpu, va(63), 8192)).toHaveLength(4096);
    expect(hv.debug.singleStep(g.vcpu)).toBe(true);
    expect(g.cpu.retired).toBe(1);
  });

  it("records a trace that exports as Chrome events, and hashes equal runs equally", () => {
    const run = (): TraceRing => {
      const trace = new TraceRing({ enabled: true });
      let cpu: ScriptedProcessor | undefined;
      const hv = new Hypervisor({
        memoryBytes: 32 * 2 ** 20,
        clock: new VirtualClock(),
        trace,
        processor: (self): Processor => (cpu = new ScriptedProcessor(self)),
      });
      const { domain, p2m } = addGuest(hv);
      const g: Guest = { hv, cpu: cpu!, clock: hv.clock as VirtualClock, domain, vcpu: domain.vcpus[0], logs: [], p2m };
      perform(g, [() => registers(g, 17, 0), () => registers(g, sched_op, 0)]);
      hv.runSlice(3 * MS);
      return trace;
    };
    const trace = run();
    const { traceEvents } = exportChromeTrace(trace, { hypercall: (n) => (n === 17 ? "xen_version" : undefined) });
    expect(traceEvents.some((e) => e.name === "xen_version" && e.ph === "X")).toBe(true);
    expect(traceEvents.some((e) => e.name === "run")).toBe(true);
    expect(run().hash()).toBe(trace.hash());
  });
});
