import {
  type Domain,
  type Hypervisor,
  missingFeatures,
  RestoredDomain,
  type SavedState,
  type SavedVcpu,
} from "@xen-node/hypervisor-core";
import {
  type ByteInput,
  type DomainRecord,
  hasContents,
  PAGE_BYTES,
  readDomainRecords,
  readImageHeader,
  readLibxlHeader,
  readLibxlRecord,
} from "@xen-node/migration-stream";
import { ConfigError } from "../config/config-error.ts";

const GUEST_WIDTH = 8;
const LEVELS = 4;
/** 16 GiB, as when saving. */
const MOST_PAGES = 2 ** 22;

/** A domain whose pages are in place. */
export interface ReadDomain {
  readonly pages: RestoredDomain;
  readonly state: SavedState;
}

/**
 * Reads libxl's stream with a PV domain's image into a new, empty domain. Others run on between two pieces.
 *
 * @throws StreamError, DomainImageError or ConfigError, one sentence; the domain is then good for nothing but being destroyed
 */
export async function readDomain(input: ByteInput, hypervisor: Hypervisor, domain: Domain): Promise<ReadDomain> {
  await readLibxlHeader(input);
  await untilImage(input);
  await readImageHeader(input);
  const reading = new ImageReading(hypervisor, domain);
  for await (const record of readDomainRecords(input)) reading.take(record);
  // What libxl keeps for device models is nothing to a PV domain.
  while ((await readLibxlRecord(input)).kind !== "end");
  return reading.result();
}

async function untilImage(input: ByteInput): Promise<void> {
  for (;;) {
    const { kind } = await readLibxlRecord(input);
    if (kind === "libxcContext") return;
    if (kind === "end") throw new ConfigError("the saved domain has no image in it.");
  }
}

class ImageReading {
  private pages: RestoredDomain | undefined;
  private p2mPages: number[] = [];
  private last: number | undefined;
  private sharedInfo: Uint8Array | undefined;
  private readonly vcpus = new Map<number, SavedVcpu>();
  private checked = false;
  private verifying = false;

  constructor(
    private readonly hypervisor: Hypervisor,
    private readonly domain: Domain,
  ) {}

  take(record: DomainRecord): void {
    switch (record.kind) {
      case "pvInfo":
        if (record.guestWidth !== GUEST_WIDTH || record.levels !== LEVELS)
          throw new ConfigError("the saved domain is a 32-bit one, and only 64-bit PV guests can be restored.");
        this.checked = true;
        break;
      case "cpuidPolicy": {
        const missing = missingFeatures(this.hypervisor, record.leaves);
        if (missing !== undefined)
          throw new ConfigError(`the saved domain uses a processor with more features than the one here: ${missing}.`);
        break;
      }
      case "p2mFrames":
        if (record.first !== 0 || record.last >= MOST_PAGES)
          throw new ConfigError(
            `the saved domain counts pages up to ${record.last}, and ${MOST_PAGES} can be restored.`,
          );
        this.pages ??= new RestoredDomain(this.hypervisor, this.domain, record.last + 1);
        if (record.last !== (this.last ??= record.last))
          throw new ConfigError("the number of the domain's pages changes within the stream.");
        this.p2mPages = record.pages;
        break;
      case "pageData":
        this.takePages(record.pfns, record.types, record.contents);
        break;
      case "sharedInfo":
        this.sharedInfo = record.page;
        break;
      case "vcpu": {
        const none = new Uint8Array(0);
        const vcpu = this.vcpus.get(record.vcpu) ?? { basic: none, extended: none, xsave: none, msrs: none };
        if (!this.vcpus.has(record.vcpu) && this.vcpus.size >= this.domain.vcpus.length)
          throw new ConfigError(
            `the saved domain has more than the ${this.domain.vcpus.length} vcpus of its configuration.`,
          );
        this.vcpus.set(record.vcpu, { ...vcpu, [record.part]: record.context });
        break;
      }
      case "verify":
        this.verifying = true;
        break;
      case "checkpoint":
        throw new ConfigError("the saved domain is one of a series of checkpoints, and those cannot be restored.");
      case "msrPolicy":
      case "tscInfo":
      case "staticDataEnd":
      case "end":
        break;
    }
  }

  private takePages(pfns: readonly number[], types: readonly number[], contents: Uint8Array): void {
    if (this.pages === undefined || !this.checked)
      throw new ConfigError("the saved domain has pages before it says what kind of domain it is.");
    let at = 0;
    for (const [i, pfn] of pfns.entries()) {
      const bytes = hasContents(types[i]) ? contents.subarray(at, at + PAGE_BYTES) : undefined;
      at += bytes?.length ?? 0;
      if (!this.verifying) this.pages.addPage(pfn, types[i], bytes);
      else if (bytes !== undefined && !this.pages.hasPage(pfn, bytes))
        throw new ConfigError(`page ${pfn} of the domain is not as it was sent: its move went wrong.`);
    }
  }

  result(): ReadDomain {
    const { pages, sharedInfo, vcpus, p2mPages } = this;
    if (pages === undefined || sharedInfo === undefined)
      throw new ConfigError("the saved domain is not complete: it has no list of frames, or no shared_info.");
    return { pages, state: { sharedInfo, vcpus, p2mPages } };
  }
}
