import { SHUTDOWN_suspend, structs } from "@xen-node/xen-abi";
import {
  builderTarget,
  buildPvDomain,
  type Domain,
  Hypervisor,
  SuspendedDomain,
  VirtualClock,
} from "../../src/index.ts";
import { Gpr } from "../../src/registers.ts";
import { makeKernel } from "../builder/kernel-maker.ts";
import { ScriptedProcessor } from "../machine.ts";

export const PAGES = 1536;
const VIRT_BASE = -0x80000000;

export function machine(): Hypervisor {
  return new Hypervisor({
    memoryBytes: 80 * 2 ** 20,
    clock: new VirtualClock(),
    processor: (hv) => new ScriptedProcessor(hv),
  });
}

/** A PV domain as Linux leaves it when it has suspended itself; its list of frames is mapped, or a tree. */
export function suspendedGuest(hv: Hypervisor, list: "mapped" | "tree" = "mapped"): Domain {
  const domain = hv.createDomain({ kind: "pv", maxPages: PAGES });
  const content = Uint8Array.from({ length: 9000 }, (_, i) => i * 7);
  const kernel = makeKernel([{ paddr: 0x100000, content, memorySize: 0x8000 }], {
    virtBase: VIRT_BASE,
    entry: VIRT_BASE + 0x100000,
    initP2m: 0x8000000000,
  });
  const target = builderTarget(hv.mmu, hv.grants, domain);
  const built = buildPvDomain(target, { kernel, pages: PAGES, storeEvtchn: 1, consoleEvtchn: 2 });
  if (hv.bootDomain(domain, built.vcpu) !== 0) throw new Error("not booted");
  const { memory, frames, m2p } = hv.mmu;
  const { shared_info, start_info } = structs;
  const view = (mfn: number): DataView => new DataView(memory.u8.buffer, frames.hostAddress(mfn), 4096);
  const info = view(domain.sharedInfoMfn);
  shared_info.set(info, 0, "arch.max_pfn", PAGES);
  if (list === "mapped") {
    info.setBigUint64(shared_info.offsets["arch.p2m_cr3"], BigInt(built.vcpu.rootMfn) << 12n, true);
    info.setBigInt64(shared_info.offsets["arch.p2m_vaddr"], BigInt(built.layout.p2m.virtualAddress), true);
  } else {
    // The pages for the tree are some that nothing uses.
    const [top, middle] = [built.p2m[PAGES - 1], built.p2m[PAGES - 2]];
    view(top).setBigUint64(0, BigInt(middle), true);
    for (let i = 0; i < built.layout.p2m.list.pages; i++)
      view(middle).setBigUint64(8 * i, BigInt(built.p2m[built.layout.p2m.list.pfn + i]), true);
    info.setBigUint64(shared_info.offsets["arch.pfn_to_mfn_frame_list_list"], BigInt(top), true);
  }
  const start = view(built.startInfoMfn);
  start_info.set(start, 0, "store_mfn", m2p.get(built.storeMfn));
  start_info.set(start, 0, "console.domU.mfn", m2p.get(built.consoleMfn));
  hv.unpauseDomain(domain);
  hv.withVcpu(domain.vcpus[0], () => {
    hv.regs.setNumber(Gpr.rdx, built.startInfoMfn);
    hv.regs.setNumber(Gpr.rbx, -0x123456789);
  });
  domain.vcpus[0].tscAux = 77;
  domain.vcpus[0].callbacks.event = VIRT_BASE + 0x101000;
  domain.vmAssists.set(2, true);
  hv.shutdownDomain(domain, SHUTDOWN_suspend);
  return domain;
}

/** All that an image of it would hold. */
export function imageOf(hv: Hypervisor, domain: Domain) {
  const suspended = new SuspendedDomain(hv, domain);
  const pages = Array.from({ length: suspended.pages }, (_, pfn) => {
    const type = suspended.pageType(pfn);
    const bytes = new Uint8Array(4096);
    if (type !== 15) suspended.readPage(pfn, bytes, 0);
    return { pfn, type, bytes };
  });
  const state = { sharedInfo: suspended.sharedInfo(), vcpus: suspended.vcpus(), p2mPages: [...suspended.p2mPages] };
  return { pages, state };
}
