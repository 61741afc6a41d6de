import { cpuidPolicy, type Hypervisor, type SuspendedDomain, TSC_KHZ, XEN_VERSION } from "@xen-node/hypervisor-core";
import {
  type ByteOutput,
  type DomainRecord,
  hasContents,
  PAGE_BYTES,
  writeDomainRecord,
  writeImageHeader,
  writeLibxlHeader,
  writeLibxlRecord,
} from "@xen-node/migration-stream";

const STREAM_VERSION = 3;
const GUEST_WIDTH = 8;
const LEVELS = 4;
/** Pages in a record, as libxc has it. */
const BATCH = 1024;

/**
 * Writes a suspended domain as libxl's stream. Others run on between two pieces.
 *
 * @throws DomainImageError, one sentence; what the output throws
 */
export async function writeDomain(out: ByteOutput, hypervisor: Hypervisor, domain: SuspendedDomain): Promise<void> {
  await writeLibxlHeader(out);
  await writeLibxlRecord(out, { kind: "libxcContext" });
  await writeImageHeader(out, {
    version: STREAM_VERSION,
    xenMajor: XEN_VERSION >>> 16,
    xenMinor: XEN_VERSION & 0xffff,
  });
  const write = (record: DomainRecord): Promise<void> => writeDomainRecord(out, record);
  await write({ kind: "pvInfo", guestWidth: GUEST_WIDTH, levels: LEVELS });
  await write({ kind: "cpuidPolicy", leaves: cpuidPolicy(hypervisor) });
  await write({ kind: "staticDataEnd" });
  await write({ kind: "p2mFrames", first: 0, last: domain.pages - 1, pages: [...domain.p2mPages] });
  await writePages(write, domain);
  const nsec = BigInt(Math.floor(hypervisor.now()));
  await write({ kind: "tscInfo", mode: 0, khz: TSC_KHZ, nsec, incarnation: 0 });
  domain.check();
  await write({ kind: "sharedInfo", page: domain.sharedInfo() });
  for (const [vcpu, saved] of domain.vcpus()) {
    await write({ kind: "vcpu", part: "basic", vcpu, context: saved.basic });
    await write({ kind: "vcpu", part: "extended", vcpu, context: saved.extended });
    await write({ kind: "vcpu", part: "xsave", vcpu, context: saved.xsave });
    if (saved.msrs.length > 0) await write({ kind: "vcpu", part: "msrs", vcpu, context: saved.msrs });
    domain.check();
  }
  await write({ kind: "end" });
  await writeLibxlRecord(out, { kind: "end" });
}

async function writePages(write: (record: DomainRecord) => Promise<void>, domain: SuspendedDomain): Promise<void> {
  const contents = new Uint8Array(BATCH * PAGE_BYTES);
  for (let next = 0; next < domain.pages; ) {
    domain.check();
    const pfns: number[] = [];
    const types: number[] = [];
    let used = 0;
    for (; next < domain.pages && pfns.length < BATCH; next++) {
      const type = domain.pageType(next);
      if (!hasContents(type)) continue;
      domain.readPage(next, contents, used);
      used += PAGE_BYTES;
      pfns.push(next);
      types.push(type);
    }
    if (pfns.length > 0) await write({ kind: "pageData", pfns, types, contents: contents.subarray(0, used) });
  }
}
