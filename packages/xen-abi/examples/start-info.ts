// Fills in a start_info page as a domain builder does, and reads an event channel argument as a hypercall does.
import { DOMID_SELF, EINVAL, errnoName, SIF_PRIVILEGED, structs } from "@xen-node/xen-abi";

const { start_info, evtchn_alloc_unbound } = structs;
const page = new DataView(new ArrayBuffer(4096));
start_info.setText(page, 0, "magic", "xen-3.0-x86_64");
start_info.set(page, 0, "nr_pages", 65536);
start_info.set(page, 0, "flags", SIF_PRIVILEGED);
start_info.set(page, 0, "console.domU.evtchn", 2);
start_info.set(page, 0, "mfn_list", -0x7fff7fe00000); // 0xffff800080200000
console.log(start_info.getText(page, 0, "magic"), start_info.getBig(page, 0, "mfn_list").toString(16));

const argument = new DataView(new ArrayBuffer(evtchn_alloc_unbound.size));
evtchn_alloc_unbound.set(argument, 0, "dom", DOMID_SELF);
console.log(evtchn_alloc_unbound.get(argument, 0, "dom") === DOMID_SELF ? "self" : errnoName(-EINVAL));

const UPCALL_MASK = structs.vcpu_info.offsets.evtchn_upcall_mask; // hot code: plain numbers
console.log(UPCALL_MASK, structs.vcpu_info.size);
