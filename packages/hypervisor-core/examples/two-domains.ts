import { Hypervisor } from "@xen-node/hypervisor-core";

/** Two domains written in TypeScript: one grants a page and rings, the other maps it and answers. */
const hypervisor = new Hypervisor({ memoryBytes: 256 * 2 ** 20 });
const lines: string[] = [];

const dom0 = hypervisor.createDomain({
  kind: "typescript",
  domid: 0,
  maxPages: 16,
  onEvent(port) {
    const page = dom0.hypercalls.memory.frameBytes(mapping.mfn)!;
    lines.push(`Dom0, port ${port}: ${new TextDecoder().decode(page.subarray(0, 5))}`);
  },
});
const guest = hypervisor.createDomain({ kind: "typescript", maxPages: 16 });

const mfn = guest.hypercalls.memory.increaseReservation();
guest.hypercalls.memory.frameBytes(mfn)!.set(new TextEncoder().encode("hello"));
hypervisor.grants.writeEntry(guest.domid, 8, 1 /* GTF_permit_access */, 0, mfn);
const mapping = dom0.hypercalls.grantTable.mapGrantRef(guest.domid, 8, 0);

const guestPort = guest.hypercalls.eventChannel.allocUnbound(guest.domid, 0);
dom0.hypercalls.eventChannel.bindInterdomain(guest.domid, guestPort);
guest.hypercalls.eventChannel.send(guestPort);
hypervisor.runSlice();

export { lines };
