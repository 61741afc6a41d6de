import type { Domain, Hypervisor, Vcpu } from "@xen-node/hypervisor-core";
import type { CodeMemory } from "./code-breakpoints.ts";

const PAGE = 4096;

/** A domain's memory by machine address, as breakpoints want it. */
export class GuestCode implements CodeMemory<Vcpu> {
  constructor(
    private readonly hypervisor: Hypervisor,
    private readonly domain: Domain,
  ) {}

  locate(vcpu: Vcpu, va: number): number | undefined {
    const { walker } = this.hypervisor.mmu;
    // Kernel addresses are not mapped in every user root.
    for (const root of [vcpu.activeRoot, vcpu.guestTable]) {
      if (root !== 0 && walker.walk(root, va | 0, Math.floor(va / 2 ** 32) | 0, 0, true) === 0) {
        return walker.mfn * PAGE + (va & (PAGE - 1));
      }
    }
    return undefined;
  }

  peek(machine: number): number | undefined {
    const host = this.hostAddress(machine);
    return host === undefined ? undefined : this.hypervisor.mmu.memory.u8[host];
  }

  poke(machine: number, byte: number): void {
    const host = this.hostAddress(machine);
    if (host === undefined) return;
    this.hypervisor.mmu.frames.noteHostWrite(Math.floor(machine / PAGE), machine % PAGE, 1);
    this.hypervisor.mmu.memory.u8[host] = byte;
  }

  /** Undefined if the frame is not, or no longer, the domain's. */
  private hostAddress(machine: number): number | undefined {
    const { frames } = this.hypervisor.mmu;
    const mfn = Math.floor(machine / PAGE);
    return frames.exists(mfn) && frames.owner[mfn] === this.domain.domid
      ? frames.hostAddress(mfn) + (machine % PAGE)
      : undefined;
  }
}
