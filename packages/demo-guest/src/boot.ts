import { type Assembler, edx, qword, r8, rax, rdi, rdx, rsi, rsp } from "@xen-node/x86-assembler";
import { __HYPERVISOR_update_va_mapping, MACH2PHYS_VIRT_START, UVMF_INVLPG } from "@xen-node/xen-abi";
import { ENTRY_LABEL, SHARED_INFO, START_INFO, startInfo, VIRT_BASE } from "./domain.ts";
import { hypercall } from "./hypercall.ts";

const STACK_BYTES = 16 * 1024;

/** Present, writable, user, accessed, dirty. */
const PTE_FLAGS = 0x67;

/** From the first instruction, at which RSI has the address of start_info, to the command line. */
export function emitBoot(a: Assembler): void {
  a.reserve(START_INFO, 8);
  a.reserve("stack", STACK_BYTES, 16);
  a.reserve(SHARED_INFO, 4096, 4096);

  a.label(ENTRY_LABEL);
  a.lea(rsp, qword("stack", STACK_BYTES));
  a.mov(qword(START_INFO), rsi);
  // Without shared_info there are neither events nor time; its frame takes the place of a page of ours.
  a.lea(rdi, qword(SHARED_INFO));
  a.mov(rsi, startInfo(rsi, "shared_info"));
  a.op("or", rsi, PTE_FLAGS);
  a.mov(edx, UVMF_INVLPG);
  hypercall(a, __HYPERVISOR_update_va_mapping);
  a.call("console_init");
  a.call("exceptions_init");
  a.call("events_init");
  a.call("introduce");
  a.jmp("command_line");

  // rdi: machine frame number -> the address where the frame is mapped.
  a.label("frame_address");
  a.mov(rdx, MACH2PHYS_VIRT_START);
  a.mov(rax, qword(rdx, 0, { register: rdi, scale: 8 }));
  a.shift("shl", rax, 12);
  a.op("add", rax, VIRT_BASE);
  a.emit("ret");

  // rdi: address in a page -> the machine frame number of that page, by the list that Xen's builder made.
  a.label("frame_of");
  a.op("sub", rdi, VIRT_BASE);
  a.shift("shr", rdi, 12);
  a.mov(r8, qword(START_INFO));
  a.mov(r8, startInfo(r8, "mfn_list"));
  a.mov(rax, qword(r8, 0, { register: rdi, scale: 8 }));
  a.emit("ret");
}
