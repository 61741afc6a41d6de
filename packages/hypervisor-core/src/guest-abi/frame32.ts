import { CS, DS, ES, FS, GS, SEG_LIMIT, SS } from "@xen-node/x86-cpu";
import { VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { BounceFlag } from "../bounce.ts";
import type { Hypervisor } from "../hypervisor.ts";
import { Gpr } from "../registers.ts";
import { loadCodeSegment, loadStackSegment } from "../segments.ts";
import type { Vcpu } from "../vcpu.ts";

const IF = 0x200;
const IOPL = 0x3000;
/** Cleared on entry to a guest handler: TF, NT, RF, VM, AC. */
const CLEARED_ON_ENTRY = 0x100 | 0x4000 | 0x10000 | 0x20000 | 0x40000;
const UPCALL_MASK = 1;
const KERNEL_RPL = 1;
const FAILSAFE_SEGMENTS = [DS, ES, FS, GS];

/** Segment registers of the loaded context, so that a transfer that fails leaves them alone. */
export class SavedSegment {
  private readonly selector: number;
  private readonly base: number;
  private readonly limit: number;
  private readonly attributes: number;

  constructor(
    private readonly hv: Hypervisor,
    private readonly segment: number,
  ) {
    const { regs } = hv;
    this.selector = regs.selector(segment);
    this.base = regs.baseLo(segment);
    this.limit = regs.u32[SEG_LIMIT(segment) >>> 2];
    this.attributes = regs.attributes(segment);
  }

  restore(): void {
    this.hv.regs.setSegment(this.segment, this.selector, this.base, this.limit, this.attributes);
  }
}

/**
 * The frame of a 32-bit guest, lowest address first: [DS, ES, FS, GS], [error code], EIP, CS | saved upcall mask << 16,
 * EFLAGS, and ESP and SS if it comes from ring 3; then it lies on the stack of HYPERVISOR_stack_switch.
 */
export function bounce32(
  hv: Hypervisor,
  vcpu: Vcpu,
  handler: number,
  cs: number,
  flags: number,
  errorCode: number,
): boolean {
  const { regs, guest } = hv;
  const crash = (reason: string): false => {
    hv.crashDomain(vcpu, reason);
    return false;
  };
  if ((cs & ~3) === 0) return crash("exception or event with no handler registered");
  const frame: number[] = [];
  if ((flags & BounceFlag.failsafe) !== 0) {
    for (const segment of FAILSAFE_SEGMENTS) frame.push(vcpu.failsafeSelectors?.[segment] ?? 0);
  }
  if ((flags & BounceFlag.errorCode) !== 0) frame.push(errorCode);
  const info = vcpu.infoHost;
  const { u8 } = hv.mmu.memory;
  const masked = info !== 0 ? u8[info + UPCALL_MASK] : 1;
  const { rflags } = regs;
  let shown = rflags & ~(IF | IOPL);
  if (masked === 0) shown |= IF;
  if (vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl)) shown |= vcpu.iopl;
  frame.push(regs.ripLo, regs.selector(CS) | (masked << 16), shown);

  let top = regs.lo(Gpr.rsp);
  if (!vcpu.kernelMode) {
    frame.push(top, regs.selector(SS));
    top = vcpu.kernelSp;
    hv.addressSpaces.setKernelMode(vcpu, true);
    if ((vcpu.kernelSs & 3) !== KERNEL_RPL || loadStackSegment(hv, vcpu, vcpu.kernelSs) !== 0) {
      return crash("the kernel's stack segment cannot be loaded");
    }
  }
  const sp = (top - frame.length * 4) >>> 0;
  const at = (sp + regs.baseLo(SS)) >>> 0;
  guest.u32.set(frame);
  if (!guest.store(at, frame.length * 4)) return crash("exception frame could not be written to the guest's stack");
  if ((cs & 3) !== KERNEL_RPL || loadCodeSegment(hv, vcpu, cs) !== 0) {
    return crash("a handler's code segment cannot be loaded");
  }

  if ((flags & BounceFlag.maskEvents) !== 0 && info !== 0) u8[info + UPCALL_MASK] = 1;
  regs.rflags = (rflags & ~CLEARED_ON_ENTRY) | IF;
  regs.set(Gpr.rsp, sp, 0);
  regs.setRip(handler, 0);
  return true;
}
