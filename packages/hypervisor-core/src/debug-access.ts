import { FrameFlags, PageType } from "@xen-node/mmu";
import { CS, DS, ES, FCW, FS, FSW, FTW, GPR, GS, MXCSR, SS, X87, XMM } from "@xen-node/x86-cpu";
import { hex64, vaHigh, vaLow } from "./address.ts";
import type { DebugAccess, VcpuRegisters } from "./debugger.ts";
import type { Domain } from "./domain.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { handleExit } from "./traps.ts";
import type { Vcpu } from "./vcpu.ts";

const X87_BYTES = 10;
/** RFLAGS bits that a debugger may change: arithmetic, TF, DF, AC, ID. */
const WRITABLE_FLAGS = 0x8d5 | 0x100 | 0x400 | 0x40000 | 0x200000;
/** Exits of one instruction are served at most this often (a hypercall that restarts). */
const MAX_STEP_EXITS = 10_000;

/** Registers and memory of a paused domain's vcpus. */
export class Debug implements DebugAccess {
  constructor(private readonly hv: Hypervisor) {}

  readRegisters(vcpu: Vcpu): VcpuRegisters {
    const { hv } = this;
    return hv.withVcpu(vcpu, () => {
      const { regs } = hv;
      const { view, u8, u16, u32 } = hv.mmu.memory;
      const pair = (lo: number, hi: number): bigint => BigInt(`0x${hex64(lo, hi)}`);
      const gpr = new BigUint64Array(16);
      for (let i = 0; i < 16; i++) gpr[i] = view.getBigUint64(GPR(i), true);
      const fsw = u16[FSW >>> 1];
      const st = new Uint8Array(8 * X87_BYTES);
      for (let i = 0; i < 8; i++) {
        const at = X87((((fsw >>> 11) & 7) + i) & 7);
        st.set(u8.subarray(at, at + X87_BYTES), i * X87_BYTES);
      }
      return {
        gpr,
        rip: pair(regs.ripLo, regs.ripHi),
        rflags: BigInt(regs.rflags >>> 0),
        cs: regs.selector(CS),
        ss: regs.selector(SS),
        ds: regs.selector(DS),
        es: regs.selector(ES),
        fs: regs.selector(FS),
        gs: regs.selector(GS),
        fsBase: pair(regs.baseLo(FS), regs.baseHi(FS)),
        gsBase: pair(regs.baseLo(GS), regs.baseHi(GS)),
        gsBaseShadow: pair(vcpu.gsBaseShadowLo, vcpu.gsBaseShadowHi),
        cr0: hv.control.readCr0(vcpu),
        cr2: pair(regs.cr2Lo, regs.cr2Hi),
        root: vcpu.kernelMode || vcpu.paeL4 !== 0 ? vcpu.guestTable : vcpu.guestTableUser,
        kernelMode: vcpu.kernelMode,
        st,
        fcw: u16[FCW >>> 1],
        fsw,
        ftw: u16[FTW >>> 1],
        xmm: u8.slice(XMM(0), XMM(16)),
        mxcsr: u32[MXCSR >>> 2],
      };
    });
  }

  writeRegisters(vcpu: Vcpu, r: VcpuRegisters): void {
    const { hv } = this;
    hv.withVcpu(vcpu, () => {
      const { regs } = hv;
      const { view, u8, u16, u32 } = hv.mmu.memory;
      const lo = (word: bigint): number => Number(BigInt.asIntN(32, word));
      const hi = (word: bigint): number => Number(BigInt.asIntN(32, word >> 32n));
      for (let i = 0; i < 16; i++) view.setBigUint64(GPR(i), r.gpr[i], true);
      regs.setRip(lo(r.rip), hi(r.rip));
      regs.rflags = (regs.rflags & ~WRITABLE_FLAGS) | (lo(r.rflags) & WRITABLE_FLAGS);
      regs.setBase(FS, lo(r.fsBase), hi(r.fsBase));
      regs.setBase(GS, lo(r.gsBase), hi(r.gsBase));
      u16[FCW >>> 1] = r.fcw;
      u16[FSW >>> 1] = r.fsw;
      u16[FTW >>> 1] = r.ftw;
      u32[MXCSR >>> 2] = r.mxcsr & 0xffff;
      for (let i = 0; i < 8; i++) {
        u8.set(r.st.subarray(i * X87_BYTES, (i + 1) * X87_BYTES), X87((((r.fsw >>> 11) & 7) + i) & 7));
      }
      u8.set(r.xmm.subarray(0, 256), XMM(0));
    });
  }

  /** Machine frame behind an address in the vcpu's active root, else in its kernel root; -1 if there is none. */
  private frameAt(vcpu: Vcpu, va: number): number {
    const { walker } = this.hv.mmu;
    for (const root of [vcpu.activeRoot, vcpu.kernelRoot]) {
      if (root !== 0 && walker.walk(root, vaLow(va), vaHigh(va), 0, true) === 0) return walker.mfn;
    }
    return -1;
  }

  readMemory(vcpu: Vcpu, va: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    const { frames, memory } = this.hv.mmu;
    let done = 0;
    while (done < length) {
      const at = va + done;
      const mfn = Number.isSafeInteger(at) ? this.frameAt(vcpu, at) : -1;
      if (mfn < 0) return out.subarray(0, done);
      const offset = vaLow(at) & 0xfff;
      const n = Math.min(length - done, 4096 - offset);
      const host = frames.readAddress(mfn) + offset;
      out.set(memory.u8.subarray(host, host + n), done);
      done += n;
    }
    return out;
  }

  writeMemory(vcpu: Vcpu, va: number, bytes: Uint8Array): boolean {
    const { frames, memory } = this.hv.mmu;
    for (let done = 0; done < bytes.length; ) {
      const at = va + done;
      const mfn = Number.isSafeInteger(at) ? this.frameAt(vcpu, at) : -1;
      if (mfn < 0 || frames.owner[mfn] !== vcpu.domain.domid) return false;
      const type = frames.type[mfn];
      const plain = type === PageType.none || type === PageType.writable;
      if (!plain || (frames.flags[mfn] & FrameFlags.xenHeap) !== 0) return false;
      const offset = vaLow(at) & 0xfff;
      const n = Math.min(bytes.length - done, 4096 - offset);
      frames.noteHostWrite(mfn, offset, n);
      memory.u8.set(bytes.subarray(done, done + n), frames.hostAddress(mfn) + offset);
      done += n;
    }
    return true;
  }

  setBreakpoint(domain: Domain, mfn: number, offset: number, on: boolean): void {
    const { processor } = this.hv;
    if (on) processor.setBreakpoint?.(mfn, offset, domain.domid);
    else processor.clearBreakpoint?.(mfn, offset);
  }

  singleStep(vcpu: Vcpu): boolean {
    const { hv } = this;
    if (!vcpu.initialised || !vcpu.alive) return false;
    return hv.withVcpu(vcpu, () => {
      hv.addressSpaces.enter(vcpu);
      vcpu.stepping = true;
      try {
        for (let exits = 0; exits < MAX_STEP_EXITS; exits++) {
          const before = hv.processor.retired;
          const ripLo = hv.regs.ripLo;
          const ripHi = hv.regs.ripHi;
          const reason = hv.processor.run(1);
          handleExit(hv, vcpu, reason);
          if (!vcpu.alive) return true;
          if (hv.processor.retired !== before || hv.regs.ripLo !== ripLo || hv.regs.ripHi !== ripHi) return true;
        }
        return true;
      } finally {
        vcpu.stepping = false;
      }
    });
  }
}
