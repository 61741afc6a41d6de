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
const ABSENT = 15;

/** What a stream says of a domain before its pages. */
export interface Counted {
  readonly pages: number;
  readonly p2mPages: readonly number[];
}

/**
 * Writes a suspended domain as libxl's stream. Others run on between two pieces.
 *
 * @returns how many pages were written
 * @throws DomainImageError, one sentence; what the output throws
 */
export async function writeDomain(out: ByteOutput, hypervisor: Hypervisor, domain: SuspendedDomain): Promise<number> {
  await writeHead(out, hypervisor, domain);
  const pages = await writePages(out, every(domain.pages), suspendedPages(domain));
  await writeTail(out, hypervisor, domain);
  return pages;
}

/** What stands before the pages. */
export async function writeHead(out: ByteOutput, hypervisor: Hypervisor, domain: Counted): Promise<void> {
  await writeLibxlHeader(out);
  await writeLibxlRecord(out, { kind: "libxcContext" });
  await writeImageHeader(out, {
    version: STREAM_VERSION,
    xenMajor: XEN_VERSION >>> 16,
    xenMinor: XEN_VERSION & 0xffff,
  });
  await writeDomainRecord(out, { kind: "pvInfo", guestWidth: GUEST_WIDTH, levels: LEVELS });
  await writeDomainRecord(out, { kind: "cpuidPolicy", leaves: cpuidPolicy(hypervisor) });
  await writeDomainRecord(out, { kind: "staticDataEnd" });
  await writeList(out, domain);
}

/** Where the guest's list of frames is. The last such record counts. */
export async function writeList(out: ByteOutput, { pages, p2mPages }: Counted): Promise<void> {
  await writeDomainRecord(out, { kind: "p2mFrames", first: 0, last: pages - 1, pages: [...p2mPages] });
}

/** What stands behind the pages. */
export async function writeTail(out: ByteOutput, hypervisor: Hypervisor, domain: SuspendedDomain): Promise<void> {
  const write = (record: DomainRecord): Promise<void> => writeDomainRecord(out, record);
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

/** A domain's pages, as they are when it is their turn. */
export interface PageSource {
  /** To be called before each piece. @throws DomainImageError: they cannot be read any more */
  check(): void;
  /** As `SuspendedDomain.pageType`. */
  typeOf(pfn: number): number;
  /** Copies a page. False: it is left out. */
  read(pfn: number, into: Uint8Array, at: number): boolean;
}

export function suspendedPages(domain: SuspendedDomain): PageSource {
  return {
    check: () => domain.check(),
    typeOf: (pfn) => domain.pageType(pfn),
    read: (pfn, into, at) => {
      domain.readPage(pfn, into, at);
      return true;
    },
  };
}

export function* every(count: number): Generator<number> {
  for (let pfn = 0; pfn < count; pfn++) yield pfn;
}

/** Writes those pages that have contents. @returns how many */
export async function writePages(out: ByteOutput, pages: Iterable<number>, source: PageSource): Promise<number> {
  const contents = new Uint8Array(BATCH * PAGE_BYTES);
  let pfns: number[] = [];
  let types: number[] = [];
  let count = 0;
  const flush = async (): Promise<void> => {
    if (pfns.length === 0) return;
    await writeDomainRecord(out, {
      kind: "pageData",
      pfns,
      types,
      contents: contents.subarray(0, pfns.length * PAGE_BYTES),
    });
    count += pfns.length;
    pfns = [];
    types = [];
    source.check();
  };
  source.check();
  for (const pfn of pages) {
    const type = source.typeOf(pfn);
    if (!hasContents(type) || !source.read(pfn, contents, pfns.length * PAGE_BYTES)) continue;
    pfns.push(pfn);
    types.push(type);
    if (pfns.length === BATCH) await flush();
  }
  await flush();
  return count;
}

/** Says that pages which were written are no more. */
export async function writeDropped(out: ByteOutput, pfns: readonly number[]): Promise<void> {
  for (let from = 0; from < pfns.length; from += BATCH) {
    const some = pfns.slice(from, from + BATCH);
    const types = some.map(() => ABSENT);
    await writeDomainRecord(out, { kind: "pageData", pfns: some, types, contents: new Uint8Array(0) });
  }
}
