import { type Domain, type Hypervisor, MovingDomain, SuspendedDomain } from "@xen-node/hypervisor-core";
import { type ByteOutput, writeDomainRecord } from "@xen-node/migration-stream";
import { ConfigError } from "../config/config-error.ts";
import { every, suspendedPages, writeDropped, writeHead, writeList, writePages, writeTail } from "./write-domain.ts";

/** A running guest that is written as libxl's stream, in rounds; `SuspendedGuest.write` ends the stream. */
export class MovingGuest {
  private readonly moving: MovingDomain;

  /** @throws DomainImageError if its own list of frames cannot be read at the moment */
  constructor(
    private readonly hypervisor: Hypervisor,
    private readonly domain: Domain,
  ) {
    this.moving = new MovingDomain(hypervisor, domain);
  }

  /** Writes what stands before the pages. */
  begin(out: ByteOutput): Promise<void> {
    return writeHead(out, this.hypervisor, this.moving);
  }

  /** Pages that were written to since they were sent, as far as that is known before the end. */
  dirtyPages(): number {
    return this.moving.dirtyPages();
  }

  /**
   * Writes the pages that were written to since the last round; first all. The guest runs meanwhile.
   *
   * @returns how many pages those were
   * @throws ConfigError, one sentence: it has ended; what the output throws
   */
  async round(out: ByteOutput): Promise<number> {
    const { moving } = this;
    const { dropped, pfns } = moving.beginRound();
    await writeDropped(out, dropped);
    return await writePages(out, pfns, {
      check: () => {
        if (this.domain.state !== "running") throw new ConfigError(`${this.domain.name} ended while it was moved.`);
      },
      typeOf: () => 0,
      read: (pfn, into, at) => moving.read(pfn, into, at),
    });
  }

  /**
   * Ends the stream of the domain, which is suspended now.
   *
   * @param verify writes all pages once more, for the reader to compare
   * @returns how many pages were written for good
   */
  async finish(out: ByteOutput, { verify }: { verify: boolean }): Promise<number> {
    const { moving, hypervisor } = this;
    const suspended = new SuspendedDomain(hypervisor, this.domain);
    const source = suspendedPages(suspended);
    const { dropped, pfns } = moving.lastRound(suspended);
    await writeList(out, suspended);
    await writeDropped(out, dropped);
    const pages = await writePages(out, pfns, source);
    if (verify) {
      await writeDomainRecord(out, { kind: "verify" });
      const { dirtyLog } = hypervisor.mmu;
      // Backends may still fill pages that the guest has lent them; it asks for that again where it goes on.
      const isStill = (pfn: number): boolean => !dirtyLog.isDirty(suspended.frameOf(pfn));
      await writePages(out, every(suspended.pages), {
        ...source,
        read: (pfn, into, at) => isStill(pfn) && source.read(pfn, into, at),
      });
    }
    await writeTail(out, hypervisor, suspended);
    return pages;
  }
}
