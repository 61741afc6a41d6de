import { ExitReason, TLB_BANK } from "@xen-node/x86-cpu";
import { __HYPERVISOR_iret, VMASST_TYPE_architectural_iopl } from "@xen-node/xen-abi";
import { isGuestRange, vaHigh, vaLow } from "../address.ts";
import type { Hypervisor } from "../hypervisor.ts";
import type { Vcpu } from "../vcpu.ts";
import { frameBelow, SYSTEM_CALL_WORDS } from "./frame64.ts";
import * as block from "./system-call-block.ts";
import { systemCallModule } from "./system-call-code.ts";

const PAGE = 4096;
const FRAME_BYTES = SYSTEM_CALL_WORDS * 8;

/**
 * A 64-bit guest's system calls and returns without TypeScript: `prepare` before the processor runs, `takeOver` before
 * anything looks at the vcpu afterwards.
 */
export class SystemCallPath {
  /** For x86-cpu's `CpuOptions.systemCall`. */
  readonly run: (budget: number, rflags: number) => number;
  private readonly u32: Uint32Array;
  /** Index of the block's first word. */
  private readonly first: number;
  private prepared = false;

  constructor(private readonly hv: Hypervisor) {
    const { memory, tlb } = hv.mmu;
    const at = memory.reserve(block.BLOCK_BYTES, block.BLOCK_BYTES, "system calls");
    memory.u8.fill(0, at, at + block.BLOCK_BYTES);
    this.u32 = memory.u32;
    this.first = at >>> 2;
    const module = new WebAssembly.Module(systemCallModule(at, tlb.changesAddress, memory.byteLength));
    const { exports } = new WebAssembly.Instance(module, { cpu: { memory: memory.memory } });
    this.run = exports.systemCall as SystemCallPath["run"];
  }

  private set(offset: number, value: number): void {
    this.u32[this.first + (offset >>> 2)] = value;
  }

  private setWide(offset: number, lo: number, hi: number): void {
    const at = this.first + (offset >>> 2);
    this.u32[at] = lo;
    this.u32[at + 1] = hi;
  }

  private get(offset: number): number {
    return this.u32[this.first + (offset >>> 2)];
  }

  /** Whether the vcpu's system calls and returns need nothing beside the frames. */
  private suits(vcpu: Vcpu): boolean {
    return (
      vcpu.domain.abi.wordBits === 64 &&
      vcpu.native === undefined &&
      vcpu.infoHost !== 0 &&
      vcpu.failsafeSelectors === undefined &&
      !vcpu.nmiPending &&
      !vcpu.nmiMasked &&
      !this.hv.trace.enabled
    );
  }

  /** Tells the code of the vcpu that is loaded, in its present address space. */
  prepare(vcpu: Vcpu): void {
    this.prepared = this.suits(vcpu);
    this.set(block.ENABLED, this.prepared ? 1 : 0);
    if (!this.prepared) return;
    const { hv } = this;
    const { tlb, frames } = hv.mmu;
    const { kernelMode, guestTable, guestTableUser, callbacks, kernelSp, gdtFrames } = vcpu;
    const { bank } = hv.guest;
    this.set(block.SYSTEM_CALLS, 0);
    this.set(block.IRETS, 0);
    this.set(block.KERNEL_MODE, kernelMode ? 1 : 0);
    const kernelBank = kernelMode ? bank : guestTable === 0 ? 0 : tlb.bankOf(guestTable);
    this.set(block.KERNEL_BANK, kernelBank);
    this.set(block.KERNEL_L4, guestTable);
    this.set(block.KERNEL_JUMPS, kernelBank === 0 ? 0 : tlb.jumpCache(kernelBank));
    const userBank = !kernelMode ? bank : guestTableUser === 0 ? 0 : tlb.bankOf(guestTableUser);
    this.set(block.USER_BANK, userBank);
    this.set(block.USER_L4, guestTableUser);
    this.set(block.USER_JUMPS, userBank === 0 ? 0 : tlb.jumpCache(userBank));
    this.set(block.CHANGES, this.u32[tlb.changesAddress >>> 2]);
    this.set(block.INFO, vcpu.infoHost);
    const sp = frameBelow(kernelSp, SYSTEM_CALL_WORDS);
    const spLo = vaLow(sp);
    const fits = (spLo & (PAGE - 1)) + FRAME_BYTES <= PAGE && isGuestRange(sp, FRAME_BYTES);
    const handler = fits && !Number.isNaN(callbacks.syscall) ? callbacks.syscall : 0;
    this.setWide(block.HANDLER, vaLow(handler), vaHigh(handler));
    this.setWide(block.FRAME, spLo, vaHigh(sp));
    this.set(block.MASKS_EVENTS, callbacks.syscallMasksEvents ? 1 : 0);
    const ownIopl = vcpu.domain.vmAssists.has(VMASST_TYPE_architectural_iopl);
    this.set(block.IOPL_SHOWN, ownIopl ? vcpu.iopl : 0);
    this.set(block.IOPL_OWN, ownIopl ? 1 : 0);
    const gdt = gdtFrames.length === 0 ? 0 : gdtFrames[0];
    this.set(block.GDT, gdt === 0 ? 0 : frames.readAddress(gdt));
    this.setWide(block.GS_SHADOW, vcpu.gsBaseShadowLo, vcpu.gsBaseShadowHi);
  }

  /** Brings the vcpu up to date; answers how many system calls and returns there were. */
  takeOver(vcpu: Vcpu): number {
    if (!this.prepared) return 0;
    const calls = this.get(block.SYSTEM_CALLS);
    const irets = this.get(block.IRETS);
    const count = calls + irets;
    if (count === 0) return 0;
    this.set(block.SYSTEM_CALLS, 0);
    this.set(block.IRETS, 0);
    const { activity } = vcpu.domain;
    activity.exits[ExitReason.SYSCALL] += count;
    activity.hypercalls[__HYPERVISOR_iret] += irets;
    vcpu.kernelMode = this.get(block.KERNEL_MODE) !== 0;
    vcpu.gsBaseShadowLo = this.get(block.GS_SHADOW) | 0;
    vcpu.gsBaseShadowHi = this.get(block.GS_SHADOW + 4) | 0;
    const bank = this.u32[TLB_BANK >>> 2];
    const { guest, mmu } = this.hv;
    if (bank !== guest.bank) {
      guest.bank = bank;
      mmu.tlb.noteUse(bank);
    }
    return count;
  }
}
