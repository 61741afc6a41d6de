import { ExitReason } from "@xen-node/x86-cpu";
import { __HYPERVISOR_event_channel_op, __HYPERVISOR_xen_version } from "@xen-node/xen-abi";
import { expect, it } from "vitest";
import { addGuest, hypercall, makeGuest, va } from "./machine.ts";

const EVTCHNOP_send = 4;
const SEND = va(4);

it("a domain's hypercalls, exits and events are counted, and nobody else's", () => {
  const g = makeGuest();
  const other = addGuest(g.hv).domain;
  g.hv.load(g.vcpu);
  g.hv.addressSpaces.enter(g.vcpu);
  const { activity } = g.domain;
  expect([...activity.hypercalls, ...activity.exits, activity.events].every((count) => count === 0)).toBe(true);
  hypercall(g, __HYPERVISOR_xen_version, 0, 0);
  hypercall(g, __HYPERVISOR_xen_version, 0, 0);
  expect(hypercall(g, 62)).toBe(-38);
  expect(activity.hypercalls[__HYPERVISOR_xen_version]).toBe(2);
  expect(activity.hypercalls[62]).toBe(0);
  expect(activity.exits[ExitReason.SYSCALL]).toBe(3);

  const port = g.hv.events.bindIpi(g.domain.domid, 0);
  const { frames, memory } = g.hv.mmu;
  memory.u32[(frames.hostAddress(g.domain.sharedInfoMfn) + 2560) >>> 2] = 0;
  memory.u32[frames.hostAddress(g.p2m[4]) >>> 2] = port;
  expect(hypercall(g, __HYPERVISOR_event_channel_op, EVTCHNOP_send, SEND)).toBe(0);
  expect(activity.events).toBe(1);
  expect(activity.hypercalls[__HYPERVISOR_event_channel_op]).toBe(1);
  const { hypercalls, exits, events } = other.activity;
  expect([...hypercalls, ...exits, events].every((count) => count === 0)).toBe(true);
});
