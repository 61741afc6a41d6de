import { MachineMemory, Mmu } from "@xen-node/mmu";
import { DOMID_SELF, DOMID_XEN, EINVAL } from "@xen-node/xen-abi";
import { expect, it } from "vitest";
import { EventChannels } from "../src/index.ts";

it("keeps the real memory manager's books straight", () => {
  const mmu = new Mmu(new MachineMemory({ bytes: 32 << 20 }), { banks: 2 });
  const woken: string[] = [];
  const events = new EventChannels(mmu, {
    notifyVcpu: (domid, vcpu) => woken.push(`d${domid}v${vcpu}`),
    pollWake: () => {},
  });
  const sharedMfn = mmu.frames.alloc(DOMID_XEN);
  mmu.types.shareWithGuest(sharedMfn, 1, true);
  const sharedInfo = mmu.frames.hostAddress(sharedMfn);
  const [control, array, l1] = [mmu.frames.alloc(1), mmu.frames.alloc(1), mmu.frames.alloc(1)];
  expect(mmu.types.pin(l1, 1, 1)).toBe(0);
  events.addDomain(0, { privileged: true, onEvent: (port) => woken.push(`dom0 ${port}`) });
  events.addDomain(1, { vcpus: 1, wordBits: 64, sharedInfo });

  expect(events.initControl(1, 0, l1, 0)).toBe(-EINVAL);
  expect(events.initControl(1, 0, 5, 0)).toBe(-EINVAL);
  expect(events.initControl(1, 0, control, 0)).toBe(0);
  expect(events.expandArray(1, 2 ** 40)).toBe(-EINVAL);
  expect(events.expandArray(1, array)).toBe(0);
  expect(mmu.audit()).toEqual([]);
  expect(mmu.types.pin(control, 1, 1)).toBeLessThan(0);

  const dom0Port = events.allocUnbound(0, DOMID_SELF, 1);
  const port = events.bindInterdomain(1, 0, dom0Port);
  events.send(1, port);
  expect(mmu.memory.u32[mmu.frames.hostAddress(array) / 4 + port] >>> 28).toBe(0xa);
  expect(woken).toEqual(["d1v0", `dom0 ${dom0Port}`]);
  expect(events.upcallDue(1, 0)).toBe(true);

  // The guest may give the pages back, but they stay as long as they are in use.
  expect(mmu.types.releaseFrame(array, 1)).toBe(0);
  events.send(0, dom0Port);
  events.removeDomain(1);
  expect(mmu.frames.owner[array]).not.toBe(1);
  expect(mmu.types.releaseDomain(1)).toBe(0);
  mmu.types.unshare(sharedMfn);
  expect(mmu.frames.ownedBy(1)).toBe(0);
  expect(mmu.audit()).toEqual([]);
});
