// A guest and Dom0 join ports; each tells the other something.
import { MachineMemory, Mmu } from "@xen-node/mmu";
import { DOMID_SELF, DOMID_XEN } from "@xen-node/xen-abi";
import { EventChannels } from "../src/index.ts";

export const heard: string[] = [];

const mmu = new Mmu(new MachineMemory({ bytes: 64 << 20 }));
const events = new EventChannels(mmu, {
  notifyVcpu: (domid, vcpu) => heard.push(`domain ${domid}: upcall on vcpu ${vcpu}`),
  pollWake: (domid, vcpu) => heard.push(`domain ${domid}: vcpu ${vcpu} ends its poll`),
});

const sharedMfn = mmu.frames.alloc(DOMID_XEN);
mmu.types.shareWithGuest(sharedMfn, 1, true);
events.addDomain(0, { privileged: true, onEvent: (port) => heard.push(`domain 0: event on port ${port}`) });
events.addDomain(1, { vcpus: 1, wordBits: 64, sharedInfo: mmu.frames.hostAddress(sharedMfn) });

const dom0Port = events.allocUnbound(0, DOMID_SELF, 1);
const guestPort = events.bindInterdomain(1, 0, dom0Port); // pending at once: "domain 1: upcall on vcpu 0"
events.send(1, guestPort); // "domain 0: event on port 1"

console.log(heard.join("\n"));
