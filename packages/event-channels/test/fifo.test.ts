import { EACCES, EINVAL, ENOENT, ENOSPC, EVTCHN_FIFO_PRIORITY_DEFAULT } from "@xen-node/xen-abi";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Guest, Machine } from "./machine.ts";

/** A guest on the FIFO ABI with one array page and `count` IPI ports on its vcpus in turn. */
function fifoGuest(count: number, vcpus = 1): { machine: Machine; guest: Guest } {
  const machine = new Machine();
  const guest = machine.addGuest(1, { vcpus });
  for (let vcpu = 0; vcpu < vcpus; vcpu++) expect(guest.initControl(vcpu)).toBe(0);
  expect(guest.expandArray()).toBe(0);
  for (let i = 0; i < count; i++) expect(machine.events.bindIpi(1, i % vcpus)).toBe(i + 1);
  return { machine, guest };
}

function drain(guest: Guest, vcpu: number): number[] {
  const ports: number[] = [];
  for (let port = guest.consume(vcpu); port !== 0; port = guest.consume(vcpu)) ports.push(port);
  return ports;
}

describe("FIFO set-up", () => {
  it("checks vcpu, offset and frame", () => {
    const machine = new Machine();
    machine.addGuest(1, { vcpus: 2 });
    machine.addGuest(2);
    const { events, mmu } = machine;
    const mfn = mmu.alloc(1);
    const foreign = mmu.alloc(2);
    const table = mmu.alloc(1);
    mmu.pageTables.add(table);
    expect(events.initControl(1, 2, mfn, 0)).toBe(-ENOENT);
    expect(events.initControl(1, 0, mfn, 4096 - 64)).toBe(-EINVAL);
    expect(events.initControl(1, 0, mfn, 4)).toBe(-EINVAL);
    expect(events.initControl(1, 0, foreign, 0)).toBe(-EINVAL);
    expect(events.initControl(1, 0, table, 0)).toBe(-EINVAL);
    expect(events.abiOf(1)).toBe("2-level");
    expect(events.initControl(1, 0, mfn, 4096 - 72)).toBe(0);
    expect(events.abiOf(1)).toBe("fifo");
    expect(events.initControl(1, 0, mfn, 0)).toBe(-EINVAL);
    expect(events.initControl(1, 1, mfn, 0)).toBe(0);
    expect(events.expandArray(1, table)).toBe(-EINVAL);
    for (let page = 0; page < 128; page++) expect(events.expandArray(1, mfn)).toBe(0);
    expect(events.expandArray(1, mfn)).toBe(-ENOSPC);
    expect(mmu.typed.get(mfn)).toBe(130);
    expect(events.setPriority(1, 1, 3)).toBe(-EACCES);
    events.bindIpi(1, 0);
    expect(events.setPriority(1, 1, 16)).toBe(-EINVAL);
    expect(events.setPriority(1, 64, 3)).toBe(-EINVAL);
    events.reset(1, 1);
    expect(events.abiOf(1)).toBe("2-level");
    expect([mmu.typed.get(mfn), mmu.general.get(mfn), mmu.general.get(table)]).toEqual([0, 1, 1]);
  });

  it("drops its page references with the domain", () => {
    const { machine } = fifoGuest(3, 2);
    machine.events.removeDomain(1);
    expect([...machine.mmu.typed.values()].every((count) => count === 0)).toBe(true);
    expect([...machine.mmu.general.values()].every((count) => count === 1)).toBe(true);
  });

  it("carries 2-level pending bits over to the array page that holds them", () => {
    const machine = new Machine();
    const guest = machine.addGuest(1, { vcpus: 1, maxPort: 4095 });
    const { events } = machine;
    for (let port = 1; port <= 1030; port++) events.bindIpi(1, 0);
    for (const port of [3, 1025]) events.send(1, port);
    events.close(1, 3);
    events.send(1, 7);
    guest.takeUpcall(0);
    expect(guest.initControl(0)).toBe(0);
    events.send(1, 9);
    expect(guest.expandArray()).toBe(0);
    expect(drain(guest, 0)).toEqual([7, 9]);
    expect(guest.expandArray()).toBe(0);
    expect(drain(guest, 0)).toEqual([1025]);
  });

  it("drops events for a vcpu without a control block", () => {
    const machine = new Machine();
    const guest = machine.addGuest(1, { vcpus: 2 });
    guest.initControl(0);
    guest.expandArray();
    machine.events.bindIpi(1, 1);
    machine.events.send(1, 1);
    expect(guest.word(1)).toBe(0);
    expect(machine.takeLog()).toEqual([]);
  });
});

describe("FIFO delivery", () => {
  it("writes words, heads and ready bits as Xen does", () => {
    const { machine, guest } = fifoGuest(3);
    const control = guest.controlWords[0];
    const u32 = machine.mmu.memory.u32;
    machine.events.send(1, 2);
    machine.events.send(1, 1);
    machine.events.send(1, 3);
    machine.events.send(1, 2);
    expect([1, 2, 3].map((port) => guest.word(port).toString(16))).toEqual(["a0000003", "a0000001", "a0000000"]);
    expect(u32[control]).toBe(1 << EVTCHN_FIFO_PRIORITY_DEFAULT);
    expect(u32[control + 2 + EVTCHN_FIFO_PRIORITY_DEFAULT]).toBe(2);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    expect(drain(guest, 0)).toEqual([2, 1, 3]);
    expect(guest.word(3)).toBe(0);
  });

  it("starts a queue anew with the port that was its last", () => {
    const { machine, guest } = fifoGuest(2);
    machine.events.send(1, 1);
    expect(drain(guest, 0)).toEqual([1]);
    machine.events.send(1, 1);
    expect(guest.word(1)).toBe(0xa0000000);
    expect(drain(guest, 0)).toEqual([1]);
  });

  it("tells of a queue that becomes ready, once until the guest has seen it", () => {
    const { machine, guest } = fifoGuest(3);
    machine.events.setPriority(1, 2, 1);
    machine.events.send(1, 1);
    machine.events.send(1, 3);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    guest.takeUpcall(0);
    machine.events.send(1, 2);
    expect(machine.takeLog()).toEqual(["notify d1v0"]);
    guest.takeUpcall(0);
    // Queue 1 is still marked ready: a new head in it is found without an upcall.
    expect(guest.takeHead(0, 1)).toBe(2);
    machine.events.send(1, 2);
    expect(machine.takeLog()).toEqual([]);
    expect(drain(guest, 0)).toEqual([2, 1, 3]);
  });

  it("replaces the link of a tail that still has an old one", () => {
    const { machine, guest } = fifoGuest(3);
    machine.events.send(1, 1);
    machine.mmu.memory.u32[guest.wordAt(1)] |= 0x10000000 | 0x1fff0;
    machine.events.send(1, 2);
    expect(guest.word(1)).toBe(0xa0000002);
  });

  it("serves priorities first", () => {
    const { machine, guest } = fifoGuest(3);
    machine.events.setPriority(1, 3, 0);
    machine.events.setPriority(1, 1, 15);
    for (const port of [1, 2, 3]) machine.events.send(1, port);
    expect(drain(guest, 0)).toEqual([3, 2, 1]);
  });

  it("leaves a masked event unlinked until it is unmasked", () => {
    const { machine, guest } = fifoGuest(1);
    guest.maskWord(1);
    machine.events.send(1, 1);
    expect(guest.word(1)).toBe(0xc0000000);
    expect(drain(guest, 0)).toEqual([]);
    machine.events.unmask(1, 1);
    expect(drain(guest, 0)).toEqual([1]);
  });

  it("does not hand out a closed port that is still on a queue", () => {
    const { machine, guest } = fifoGuest(2);
    machine.events.send(1, 1);
    machine.events.close(1, 1);
    expect(machine.events.bindIpi(1, 0)).toBe(3);
    expect(drain(guest, 0)).toEqual([-1]);
    expect(machine.events.bindIpi(1, 0)).toBe(1);
  });

  it("keeps queues apart when a tail moves to another priority", () => {
    const { machine, guest } = fifoGuest(3);
    const { events } = machine;
    events.send(1, 1);
    expect(guest.consume(0)).toBe(1);
    events.setPriority(1, 1, 2);
    events.send(1, 1);
    events.send(1, 2);
    events.send(1, 3);
    expect(drain(guest, 0)).toEqual([1, 2, 3]);
  });
});

/** What the FIFO ABI promises, said with plain lists. */
class FifoModel {
  readonly pending = new Set<number>();
  readonly masked = new Set<number>();
  readonly linked = new Set<number>();
  private readonly queues = new Map<number, number[]>();
  readonly priority = new Map<number, number>();
  readonly vcpu = new Map<number, number>();

  private queue(vcpu: number, priority: number): number[] {
    const key = vcpu * 16 + priority;
    const queue = this.queues.get(key) ?? [];
    this.queues.set(key, queue);
    return queue;
  }

  send(port: number): void {
    this.pending.add(port);
    if (this.masked.has(port) || this.linked.has(port)) return;
    this.linked.add(port);
    this.queue(this.vcpu.get(port)!, this.priority.get(port) ?? EVTCHN_FIFO_PRIORITY_DEFAULT).push(port);
  }

  unmask(port: number): void {
    this.masked.delete(port);
    if (this.pending.has(port)) this.send(port);
  }

  consume(vcpu: number): number {
    for (let priority = 0; priority < 16; priority++) {
      const port = this.queue(vcpu, priority).shift();
      if (port === undefined) continue;
      this.linked.delete(port);
      if (this.masked.has(port) || !this.pending.delete(port)) return -port;
      return port;
    }
    return 0;
  }
}

describe("FIFO properties", () => {
  const PORTS = 4;
  const VCPUS = 2;
  const port = fc.integer({ min: 1, max: PORTS });
  const vcpu = fc.integer({ min: 0, max: VCPUS - 1 });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant("send" as const), port }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("consume" as const), vcpu }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("mask" as const), port }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("unmask" as const), port }) },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constant("priority" as const), port, priority: fc.constantFrom(0, 6, 7, 8, 15) }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("vcpu" as const), port, vcpu }) },
  );

  it("keeps order within a queue and loses nothing", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const machine = new Machine();
        machine.addDom0();
        const guest = machine.addGuest(1, { vcpus: VCPUS });
        const { events } = machine;
        const model = new FifoModel();
        for (let v = 0; v < VCPUS; v++) guest.initControl(v);
        guest.expandArray();
        const senders = new Map<number, number>();
        for (let p = 1; p <= PORTS; p++) {
          const dom0Port = events.allocUnbound(0, 0, 1);
          expect(events.bindInterdomain(1, 0, dom0Port)).toBe(p);
          senders.set(p, dom0Port);
          model.vcpu.set(p, 0);
          model.send(p);
        }
        for (const s of steps) {
          switch (s.op) {
            case "send":
              events.send(0, senders.get(s.port)!);
              model.send(s.port);
              break;
            case "consume":
              expect(guest.consume(s.vcpu)).toBe(model.consume(s.vcpu));
              break;
            case "mask":
              guest.maskWord(s.port);
              model.masked.add(s.port);
              break;
            case "unmask":
              events.unmask(1, s.port);
              model.unmask(s.port);
              break;
            case "priority":
              events.setPriority(1, s.port, s.priority);
              model.priority.set(s.port, s.priority);
              break;
            case "vcpu":
              events.bindVcpu(1, s.port, s.vcpu);
              model.vcpu.set(s.port, s.vcpu);
              break;
          }
        }
        for (let p = 1; p <= PORTS; p++) {
          events.unmask(1, p);
          model.unmask(p);
        }
        for (let v = 0; v < VCPUS; v++) {
          const seen = drain(guest, v);
          for (const p of seen) expect(p).toBe(model.consume(v));
          expect(model.consume(v)).toBe(0);
        }
        for (let p = 1; p <= PORTS; p++) expect(events.isPending(1, p)).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
