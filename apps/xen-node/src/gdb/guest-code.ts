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
    for (const root of [vcpu.activeRoot, vcpu.kernelRoot]) {
      if (root !== 0 && walker.walk(root, va | 0, Math.floor(va / 2 ** 32) | 0, 0, true) === 0) {
        return walker.mfn * PAGE + (va & (PAGE - 1));
      }
    }
    return undefined;
  }

  owns(machine: number): boolean {
    return this.hypervisor.mmu.frames.owner[Math.floor(machine / PAGE)] === this.domain.domid;
  }

  trap(machine: number, on: boolean): void {
    this.hypervisor.debug.setBreakpoint(this.domain, Math.floor(machine / PAGE), machine % PAGE, on);
  }
}
