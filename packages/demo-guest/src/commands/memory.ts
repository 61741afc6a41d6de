import { type Assembler, dword, esi, qword, r12, r12d, rax, rbx, rdi } from "@xen-node/x86-assembler";
import { __HYPERVISOR_memory_op, structs, XENMEM_memory_map } from "@xen-node/xen-abi";
import { START_INFO, startInfo, VIRT_BASE } from "../domain.ts";
import { callWithText, hypercallWith } from "../hypercall.ts";

const MOST_ENTRIES = 16;
/** An entry of an E820 map: address and size of eight bytes, a type of four. */
const ENTRY = { bytes: 20, address: 0, size: 8, type: 16 } as const;
const RAM = 1;

/** The memory map, and that a PV guest sees machine frames. */
export function emitMemory(a: Assembler): void {
  const { nr_entries, buffer } = structs.xen_memory_map.offsets;
  a.reserve("memory_map", structs.xen_memory_map.size, 8);
  a.reserve("memory_entries", MOST_ENTRIES * ENTRY.bytes, 8);

  a.label("mem");
  a.push(rbx);
  a.push(r12);
  a.mov(dword("memory_map", nr_entries), MOST_ENTRIES);
  a.lea(rax, qword("memory_entries"));
  a.mov(qword("memory_map", buffer), rax);
  hypercallWith(a, __HYPERVISOR_memory_op, XENMEM_memory_map, "memory_map");
  a.test(rax, rax);
  a.jump("ne", "mem.frames");
  callWithText(a, "print", "memory map:\n");
  a.lea(rbx, qword("memory_entries"));
  a.mov(r12d, dword("memory_map", nr_entries));
  a.label("mem.next");
  a.test(r12, r12);
  a.jump("e", "mem.frames");
  callWithText(a, "print", "  ");
  a.mov(rdi, qword(rbx, ENTRY.address));
  a.mov(esi, 9);
  a.call("print_hex");
  callWithText(a, "print", " - ");
  a.mov(rdi, qword(rbx, ENTRY.address));
  a.op("add", rdi, qword(rbx, ENTRY.size));
  a.mov(esi, 9);
  a.call("print_hex");
  a.lea(rdi, qword(a.text(" RAM\n")));
  a.op("cmp", dword(rbx, ENTRY.type), RAM);
  a.jump("e", "mem.type");
  a.lea(rdi, qword(a.text(" reserved\n")));
  a.label("mem.type");
  a.call("print");
  a.op("add", rbx, ENTRY.bytes);
  a.dec(r12);
  a.jmp("mem.next");

  a.label("mem.frames");
  a.mov(rbx, qword(START_INFO));
  callWithText(a, "print", "the guest's page 0, at ");
  printHex(a, () => a.mov(rdi, VIRT_BASE));
  callWithText(a, "print", ", is the machine's frame ");
  a.mov(rdi, VIRT_BASE);
  a.call("frame_of");
  printHex(a, () => a.mov(rdi, rax));
  callWithText(a, "print", "; the root of its page tables, at ");
  printHex(a, () => a.mov(rdi, startInfo(rbx, "pt_base")));
  callWithText(a, "print", ", is frame ");
  a.mov(rdi, startInfo(rbx, "pt_base"));
  a.call("frame_of");
  printHex(a, () => a.mov(rdi, rax));
  callWithText(a, "print", "\n");
  a.pop(r12);
  a.pop(rbx);
  a.emit("ret");
}

function printHex(a: Assembler, load: () => void): void {
  load();
  a.mov(esi, 1);
  a.call("print_hex");
}
