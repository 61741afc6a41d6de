// Builds a guest's page tables by hand, has them validated, and reads through them.
import { Access, Mmu, PageType, Pte, pageTypeName } from "../src/index.ts";

const mmu = new Mmu();
const domid = 1;
const [l4, l3, l2, l1, data] = Array.from({ length: 5 }, () => mmu.frames.alloc(domid));
const flags = Pte.present | Pte.rw | Pte.user;
for (const [table, next] of [
  [l4, l3],
  [l3, l2],
  [l2, l1],
  [l1, data],
]) {
  mmu.types.modEntry(table, 0, (next << 12) | flags, 0, domid); // untyped frames: stored as it is
}
console.log("pin:", mmu.types.pin(l4, 4, domid)); // 0; now each entry is checked
console.log("data is", pageTypeName(mmu.frames.type[data])); // writable
console.log("map L4 writable:", mmu.types.modL1(l1, 1, (l4 << 12) | flags, 0, domid)); // -16, EBUSY
console.log("data as L1:", mmu.types.getPageType(data, PageType.l1, domid)); // -22, EINVAL
mmu.guest.writeU32(l4, 0x10, 1234);
const bank = mmu.tlb.activate(domid, l4);
console.log("read:", mmu.memory.u32[mmu.tlb.fill(bank, 0x10, 0, Access.read) / 4]); // 1234
console.log("violations:", mmu.audit().length); // 0
