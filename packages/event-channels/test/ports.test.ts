import {
  DOMID_SELF,
  EBUSY,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOSPC,
  EOPNOTSUPP,
  EPERM,
  ERESTART,
  ESRCH,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  VIRQ_ARGO,
  VIRQ_CONSOLE,
  VIRQ_DEBUG,
  VIRQ_TIMER,
} from "@xen-node/xen-abi";
import { describe, expect, it } from "vitest";
import type { PortStatus } from "../src/index.ts";
import { Machine } from "./machine.ts";

/** The last of several steps' results. */
function last<T>(...steps: [...unknown[], T]): T {
  return steps[steps.length - 1] as T;
}

function statusOf(machine: Machine, domid: number, port: number): PortStatus {
  const out: PortStatus = { status: -1, vcpu: -1, dom: -1, port: -1, virq: -1 };
  expect(machine.events.status(domid, DOMID_SELF, port, out)).toBe(0);
  return out;
}

function twoGuests(): Machine {
  const machine = new Machine();
  machine.addDom0();
  machine.addGuest(1);
  machine.addGuest(2);
  return machine;
}

describe("port states", () => {
  it("goes unbound, interdomain, unbound, closed", () => {
    const machine = twoGuests();
    const { events } = machine;
    expect(events.allocUnbound(1, DOMID_SELF, 2)).toBe(1);
    expect(statusOf(machine, 1, 1)).toEqual({ status: EVTCHNSTAT_unbound, vcpu: 0, dom: 2, port: 0, virq: 0 });
    expect(events.bindInterdomain(2, 1, 1)).toBe(1);
    expect(statusOf(machine, 1, 1)).toEqual({ status: EVTCHNSTAT_interdomain, vcpu: 0, dom: 2, port: 1, virq: 0 });
    expect(statusOf(machine, 2, 1)).toEqual({ status: EVTCHNSTAT_interdomain, vcpu: 0, dom: 1, port: 1, virq: 0 });
    expect(events.close(2, 1)).toBe(0);
    expect(statusOf(machine, 1, 1)).toMatchObject({ status: EVTCHNSTAT_unbound, dom: 2, port: 0 });
    expect(statusOf(machine, 2, 1)).toMatchObject({ status: EVTCHNSTAT_closed });
    expect(events.close(2, 1)).toBe(-EINVAL);
    expect(events.bindInterdomain(2, 1, 1)).toBe(1);
  });

  it("forgets where a closed port was bound", () => {
    const machine = twoGuests();
    const { events } = machine;
    events.allocUnbound(1, DOMID_SELF, 0);
    events.bindVcpu(1, 1, 1);
    events.close(1, 1);
    expect(statusOf(machine, 1, 1)).toEqual({ status: EVTCHNSTAT_closed, vcpu: 0, dom: 0, port: 0, virq: 0 });
    events.bindIpi(1, 0);
    expect(statusOf(machine, 1, 1)).toMatchObject({ status: EVTCHNSTAT_ipi, vcpu: 0 });
  });

  it("forgets a closed callback port's mask and event", () => {
    const machine = twoGuests();
    const { events } = machine;
    const port = events.bindIpi(0, 0);
    events.mask(0, port);
    events.send(0, port);
    events.close(0, port);
    events.bindIpi(0, 0);
    expect([events.isPending(0, port), events.send(0, port)]).toEqual([0, 0]);
    expect(machine.takeLog()).toEqual([`dom0 ${port}`]);
  });

  it("lets only the former peer bind again after a close", () => {
    const machine = twoGuests();
    const { events } = machine;
    const port = events.allocUnbound(1, DOMID_SELF, 2);
    const local = events.bindInterdomain(2, 1, port);
    events.close(1, port);
    expect(statusOf(machine, 2, local)).toMatchObject({ status: EVTCHNSTAT_unbound, dom: 1, port: 0 });
    events.addDomain(3, { onEvent: () => {} });
    expect(events.bindInterdomain(3, 2, local)).toBe(-EINVAL);
    expect(events.bindInterdomain(1, 2, local)).toBe(port);
  });

  it("binds to itself", () => {
    const { events } = twoGuests();
    const unbound = events.allocUnbound(1, DOMID_SELF, DOMID_SELF);
    const bound = events.bindInterdomain(1, DOMID_SELF, unbound);
    expect([unbound, bound]).toEqual([1, 2]);
    events.send(1, unbound);
    expect(events.isPending(1, bound)).toBe(1);
    expect(events.isPending(1, unbound)).toBe(0);
    events.close(1, unbound);
    expect(events.bindInterdomain(1, 1, bound)).toBe(1);
  });

  it("marks the local port of a new binding pending, so that early sends are not lost", () => {
    const { events } = twoGuests();
    const unbound = events.allocUnbound(1, DOMID_SELF, 2);
    expect(events.send(1, unbound)).toBe(0);
    const bound = events.bindInterdomain(2, 1, unbound);
    expect(events.isPending(2, bound)).toBe(1);
    expect(events.isPending(1, unbound)).toBe(0);
  });

  it.each<[string, (m: Machine) => number, number]>([
    ["alloc_unbound in no domain", (m) => m.events.allocUnbound(1, 9, 2), -ESRCH],
    ["alloc_unbound in another's table", (m) => m.events.allocUnbound(1, 2, 1), -EPERM],
    ["alloc_unbound by dom0 for a guest", (m) => m.events.allocUnbound(0, 1, 0), 1],
    ["bind to no domain", (m) => m.events.bindInterdomain(1, 9, 1), -ESRCH],
    ["bind to a port outside the table", (m) => m.events.bindInterdomain(1, 2, 5000), -EINVAL],
    ["bind to the reserved port", (m) => m.events.bindInterdomain(1, 2, 0), -EINVAL],
    ["bind to a free port", (m) => m.events.bindInterdomain(1, 2, 3), -EINVAL],
    [
      "bind to a port for another",
      (m) => last(m.events.allocUnbound(2, DOMID_SELF, 0), m.events.bindInterdomain(1, 2, 1)),
      -EINVAL,
    ],
    ["unknown VIRQ", (m) => m.events.bindVirq(1, 24, 0), -EINVAL],
    ["per-vcpu VIRQ on no vcpu", (m) => m.events.bindVirq(1, VIRQ_TIMER, 2), -ENOENT],
    ["per-vcpu VIRQ", (m) => m.events.bindVirq(1, VIRQ_TIMER, 1), 1],
    [
      "the same VIRQ twice",
      (m) => last(m.events.bindVirq(1, VIRQ_TIMER, 1), m.events.bindVirq(1, VIRQ_TIMER, 1)),
      -EEXIST,
    ],
    [
      "the same VIRQ on the other vcpu",
      (m) => last(m.events.bindVirq(1, VIRQ_TIMER, 1), m.events.bindVirq(1, VIRQ_TIMER, 0)),
      2,
    ],
    ["global VIRQ on vcpu 1", (m) => m.events.bindVirq(1, VIRQ_CONSOLE, 1), -EINVAL],
    ["global VIRQ of the hardware domain", (m) => m.events.bindVirq(1, VIRQ_CONSOLE, 0), -EBUSY],
    ["global VIRQ in dom0", (m) => m.events.bindVirq(0, VIRQ_CONSOLE, 0), 1],
    ["per-domain VIRQ", (m) => m.events.bindVirq(1, VIRQ_ARGO, 0), 1],
    ["IPI on no vcpu", (m) => m.events.bindIpi(1, 7), -ENOENT],
    ["physical IRQ", (m) => m.events.bindPirq(1, 9), -EPERM],
    ["physical IRQ that does not exist", (m) => m.events.bindPirq(1, 4000), -EINVAL],
    ["send on a free port", (m) => m.events.send(1, 5), -EINVAL],
    ["send outside the table", (m) => m.events.send(1, 64), -EINVAL],
    ["send on a VIRQ", (m) => last(m.events.bindVirq(1, VIRQ_TIMER, 0), m.events.send(1, 1)), -EINVAL],
    ["send on an IPI", (m) => last(m.events.bindIpi(1, 0), m.events.send(1, 1)), 0],
    ["close the reserved port", (m) => m.events.close(1, 0), -EINVAL],
    ["close outside the table", (m) => m.events.close(1, 64), -EINVAL],
    ["unmask a free port", (m) => m.events.unmask(1, 5), 0],
    ["unmask outside the table", (m) => m.events.unmask(1, 64), -EINVAL],
    ["bind_vcpu of a free port", (m) => m.events.bindVcpu(1, 5, 0), -EINVAL],
    ["bind_vcpu to no vcpu", (m) => m.events.bindVcpu(1, 5, 2), -ENOENT],
    ["bind_vcpu of an IPI", (m) => last(m.events.bindIpi(1, 0), m.events.bindVcpu(1, 1, 1)), -EINVAL],
    [
      "bind_vcpu of a per-vcpu VIRQ",
      (m) => last(m.events.bindVirq(1, VIRQ_DEBUG, 0), m.events.bindVcpu(1, 1, 1)),
      -EINVAL,
    ],
    ["bind_vcpu of a per-domain VIRQ", (m) => last(m.events.bindVirq(1, VIRQ_ARGO, 0), m.events.bindVcpu(1, 1, 1)), 0],
    [
      "bind_vcpu of an unbound port",
      (m) => last(m.events.allocUnbound(1, DOMID_SELF, 0), m.events.bindVcpu(1, 1, 1)),
      0,
    ],
    [
      "status of another's port",
      (m) => m.events.status(1, 2, 1, { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 }),
      -EPERM,
    ],
    ["status in no domain", (m) => m.events.status(1, 9, 1, { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 }), -ESRCH],
    [
      "status outside the table",
      (m) => m.events.status(1, 1, 64, { status: 0, vcpu: 0, dom: 0, port: 0, virq: 0 }),
      -EINVAL,
    ],
    ["expand_array before init_control", (m) => m.events.expandArray(1, 1), -EOPNOTSUPP],
    ["init_control in a callback domain", (m) => m.events.initControl(0, 0, 1, 0), -EOPNOTSUPP],
    ["mask in a machine-code domain", (m) => m.events.mask(1, 1), -EOPNOTSUPP],
    ["reset of no domain", (m) => m.events.reset(0, 9), -ESRCH],
    ["reset of another, unprivileged", (m) => m.events.reset(1, 2), -EPERM],
    ["reset of another, not paused", (m) => m.events.reset(0, 2), -EINVAL],
    ["resume without a reset", (m) => m.events.reset(1, 1, true), -EBUSY],
    ["poll of a free port", (m) => m.events.poll(1, 0, [5]), -EINVAL],
    ["poll of 129 ports", (m) => m.events.poll(1, 0, new Array(129).fill(1)), -EINVAL],
  ])("%s", (_name, call, result) => {
    expect(call(twoGuests())).toBe(result);
  });

  it("stops at the limits", () => {
    const machine = new Machine();
    machine.addGuest(1, { maxPort: 3 });
    machine.addGuest(2, { wordBits: 32, maxPort: 131071 });
    const { events } = machine;
    const alloc = (domid: number): number => events.allocUnbound(domid, DOMID_SELF, 0);
    expect([alloc(1), alloc(1), alloc(1), alloc(1)]).toEqual([1, 2, 3, -ENOSPC]);
    events.close(1, 2);
    expect(alloc(1)).toBe(2);
    let last = 0;
    for (let port = alloc(2); port > 0; port = alloc(2)) last = port;
    expect(last).toBe(1023);
    events.markDying(1);
    events.close(1, 1);
    expect(alloc(1)).toBe(-EINVAL);
  });

  it("reports VIRQs and IPIs", () => {
    const machine = twoGuests();
    machine.events.bindVirq(1, VIRQ_TIMER, 1);
    machine.events.bindIpi(1, 1);
    expect(statusOf(machine, 1, 1)).toEqual({ status: EVTCHNSTAT_virq, vcpu: 1, dom: 0, port: 0, virq: VIRQ_TIMER });
    expect(statusOf(machine, 1, 2)).toEqual({ status: EVTCHNSTAT_ipi, vcpu: 1, dom: 0, port: 0, virq: 0 });
    expect(machine.events.listPorts(1).map((port) => port.localPort)).toEqual([1, 2]);
  });

  it("resets in pieces", () => {
    const machine = twoGuests();
    const { events } = machine;
    for (let i = 0; i < 10; i++) events.allocUnbound(1, DOMID_SELF, 0);
    expect(events.reset(1, DOMID_SELF, false, 4)).toBe(-ERESTART);
    expect(events.reset(1, DOMID_SELF)).toBe(-EBUSY);
    expect(events.reset(1, DOMID_SELF, true, 100)).toBe(0);
    expect(events.listPorts(1)).toEqual([]);
    machine.paused.add(1);
    expect(events.reset(0, 1)).toBe(0);
  });

  it("gives a removed domain's peers back their unbound ports", () => {
    const machine = twoGuests();
    const { events } = machine;
    const dom0Port = events.allocUnbound(0, DOMID_SELF, 1);
    events.bindInterdomain(1, 0, dom0Port);
    events.removeDomain(1);
    expect(statusOf(machine, 0, dom0Port)).toMatchObject({ status: EVTCHNSTAT_unbound, dom: 1 });
    expect(events.send(0, dom0Port)).toBe(0);
    expect(events.bindInterdomain(0, 1, 1)).toBe(-ESRCH);
    machine.addGuest(1);
    expect(events.bindInterdomain(1, 0, dom0Port)).toBe(1);
  });
});

describe("VIRQs", () => {
  it("raises where bound", () => {
    const machine = twoGuests();
    const { events } = machine;
    const timer = events.bindVirq(1, VIRQ_TIMER, 1);
    expect(events.raiseVirq(1, 0, VIRQ_TIMER)).toBe(false);
    expect(events.raiseVirq(1, 1, VIRQ_TIMER)).toBe(true);
    expect(events.isPending(1, timer)).toBe(1);
    expect(machine.takeLog()).toEqual(["notify d1v1"]);
    events.close(1, timer);
    expect(events.raiseVirq(1, 1, VIRQ_TIMER)).toBe(false);

    const argo = events.bindVirq(1, VIRQ_ARGO, 0);
    events.bindVcpu(1, argo, 1);
    events.raiseVirq(1, 0, VIRQ_ARGO);
    expect(events.isPending(1, argo)).toBe(1);
    expect(events.close(1, argo)).toBe(0);
    expect(events.raiseVirq(1, 0, VIRQ_ARGO)).toBe(false);
  });

  it("sends global ones to their handler", () => {
    const machine = twoGuests();
    const { events } = machine;
    const port = events.bindVirq(0, VIRQ_CONSOLE, 0);
    expect(events.raiseGlobalVirq(VIRQ_CONSOLE)).toBe(true);
    expect(machine.takeLog()).toEqual([`dom0 ${port}`]);
    expect(events.setGlobalVirqHandler(1, VIRQ_CONSOLE)).toBe(-EBUSY);
    events.close(0, port);
    expect(events.setGlobalVirqHandler(1, VIRQ_TIMER)).toBe(-EINVAL);
    expect(events.setGlobalVirqHandler(1, VIRQ_CONSOLE)).toBe(0);
    expect(events.bindVirq(0, VIRQ_CONSOLE, 0)).toBe(-EBUSY);
    events.bindVirq(1, VIRQ_CONSOLE, 0);
    expect(events.raiseGlobalVirq(VIRQ_CONSOLE)).toBe(true);
    events.removeDomain(1);
    expect(events.raiseGlobalVirq(VIRQ_CONSOLE)).toBe(false);
    expect(events.bindVirq(0, VIRQ_CONSOLE, 0)).toBe(port);
  });
});

describe("callback domains", () => {
  it("hears of each unmasked send, and of masked ones on unmasking", () => {
    const machine = twoGuests();
    const { events } = machine;
    const dom0Port = events.allocUnbound(0, DOMID_SELF, 1);
    const port = events.bindInterdomain(1, 0, dom0Port);
    machine.takeLog();
    events.send(1, port);
    events.send(1, port);
    expect(machine.takeLog()).toEqual([`dom0 ${dom0Port}`, `dom0 ${dom0Port}`]);
    expect(events.mask(0, dom0Port)).toBe(0);
    events.send(1, port);
    events.send(1, port);
    expect(machine.takeLog()).toEqual([]);
    expect(events.isPending(0, dom0Port)).toBe(1);
    events.unmask(0, dom0Port);
    events.unmask(0, dom0Port);
    expect(machine.takeLog()).toEqual([`dom0 ${dom0Port}`]);
    expect(events.isPending(0, dom0Port)).toBe(0);
    expect(events.setPriority(0, dom0Port, 1)).toBe(-38);
    events.send(0, dom0Port);
    expect(events.isPending(1, port)).toBe(1);
  });
});
