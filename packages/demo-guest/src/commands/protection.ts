import { type Assembler, edx, esi, qword, rax, rbx, rdi, rdx, rsi } from "@xen-node/x86-assembler";
import { __HYPERVISOR_update_va_mapping, MACH2PHYS_VIRT_START, UVMF_INVLPG } from "@xen-node/xen-abi";
import { START_INFO, startInfo } from "../domain.ts";
import { callWithText, hypercall } from "../hypercall.ts";

/** Present, writable, user. */
const PTE_FLAGS = 7;

/** A frame that belongs to Xen itself, as frame 0 does on every machine. */
const FRAME_OF_XEN = 0;

/** What a guest must not do: exceptions and refusals, each of which it survives. */
export function emitProtection(a: Assembler): void {
  a.reserve("window", 4096, 4096);

  a.label("protect");
  a.push(rbx);
  attempt(a, "writing to Xen's memory, the machine-to-physical table", () => {
    a.mov(rax, MACH2PHYS_VIRT_START);
    a.mov(qword(rax), rax);
  });
  attempt(a, "writing an entry of another guest's making into the root of the page tables", () => {
    a.mov(rax, qword(START_INFO));
    a.mov(rax, startInfo(rax, "pt_base"));
    a.mov(rdx, (FRAME_OF_XEN << 12) | PTE_FLAGS);
    a.mov(qword(rax), rdx);
  });
  attempt(a, "halting the machine (HLT)", () => a.emit("hlt"));

  callWithText(a, "print", "  mapping the root of the page tables so that it can be written: ");
  a.mov(rdi, qword(START_INFO));
  a.mov(rdi, startInfo(rdi, "pt_base"));
  a.call("frame_of");
  a.mov(rsi, rax);
  a.shift("shl", rsi, 12);
  a.op("or", rsi, PTE_FLAGS);
  a.call("map_window");
  callWithText(a, "print", "  mapping a frame that belongs to Xen: ");
  a.mov(esi, (FRAME_OF_XEN << 12) | PTE_FLAGS);
  a.call("map_window");
  a.pop(rbx);
  a.emit("ret");

  // rsi: page-table entry. Prints what Xen says to it.
  a.label("map_window");
  a.lea(rdi, qword("window"));
  a.mov(edx, UVMF_INVLPG);
  hypercall(a, __HYPERVISOR_update_va_mapping);
  a.mov(rbx, rax);
  callWithText(a, "print", "update_va_mapping returns ");
  a.mov(rdi, rbx);
  a.call("print_signed");
  callWithText(a, "print", "\n");
  a.emit("ret");

  a.label("print_caught");
  callWithText(a, "print", "exception ");
  a.mov(rdi, qword("caught_vector"));
  a.call("print_decimal");
  callWithText(a, "print", ", error code ");
  a.mov(rdi, qword("caught_error"));
  a.mov(esi, 1);
  a.call("print_hex");
  callWithText(a, "print", "\n");
  a.emit("ret");
}

/** Runs instructions that are expected to fault, and prints with what. */
function attempt(a: Assembler, what: string, emit: () => void): void {
  callWithText(a, "print", `  ${what}: `);
  a.mov(qword("caught_vector"), 0);
  a.mov(qword("caught_error"), 0);
  a.lea(rax, qword(`${what}.resume`));
  a.mov(qword("resume_at"), rax);
  emit();
  a.mov(qword("resume_at"), 0);
  a.label(`${what}.resume`);
  a.call("print_caught");
}
