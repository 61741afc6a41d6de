// Domain 1 grants a page to Dom0, which maps it, reads it and lets it go.
import { MachineMemory, Mmu } from "@xen-node/mmu";
import { GNTMAP_host_map, GNTMAP_readonly, GNTST_okay, GTF_permit_access, GTF_readonly } from "@xen-node/xen-abi";
import { GrantTables, type MapGrantRef } from "../src/index.ts";

const mmu = new Mmu(new MachineMemory({ bytes: 64 << 20 }));
const grants = new GrantTables(mmu);
grants.addDomain(0, { privileged: true });
grants.addDomain(1);

const page = mmu.frames.alloc(1);
grants.frameBytes(page).set(new TextEncoder().encode("hello"));
grants.writeEntry(1, 8, GTF_permit_access | GTF_readonly, 0, page); // a guest writes its shared table itself

const map: MapGrantRef = { dom: 1, ref: 8, flags: GNTMAP_host_map | GNTMAP_readonly };
grants.mapGrantRef(0, map);
if (map.status !== GNTST_okay) throw new Error(`status ${map.status}`);
export const text = new TextDecoder().decode(grants.frameBytes(map.mfn!).subarray(0, 5));
console.log(text);

const unmap = { handle: map.handle!, status: 0 };
grants.unmapGrantRef(0, unmap);
export const status = unmap.status;
