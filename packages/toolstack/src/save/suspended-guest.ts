import { type Domain, SuspendedDomain } from "@xen-node/hypervisor-core";
import type { ByteOutput } from "@xen-node/migration-stream";
import type { DomainConfig } from "../config/domain-config.ts";
import type { Guest, GuestEvents } from "../guest.ts";
import type { GuestFiles } from "../images/guest-files.ts";
import type { Machine } from "../machine.ts";
import { writeDomain } from "./write-domain.ts";

const PAGE_KIB = 4;

/** A guest that has suspended itself and stands still, until one of `resume` and `end` is called. */
export interface SuspendedGuest {
  /** Memory that it has, KiB. */
  readonly memoryKib: number;
  /**
   * Writes its domain as libxl's stream (docs/specs/libxl-migration-stream.pandoc). The guest stays as it is.
   *
   * @throws DomainImageError, one sentence, if it cannot be saved or was destroyed meanwhile; what the output throws
   */
  write(out: ByteOutput): Promise<void>;
  /**
   * Makes another guest that goes on from here, as one that was saved and restored, but shares its memory with this one
   * until one of both writes it. As with `Machine.restoreGuest` the files are for later starts, and devices are joined anew.
   *
   * @param config `forkedConfig` of this one's
   * @throws ConfigError or DomainImageError, one sentence; the files' disks are the caller's then
   */
  fork(config: DomainConfig, files: GuestFiles, events?: GuestEvents, options?: { paused?: boolean }): Guest;
  /** Lets it go on as if nothing had been; or lets it be paused. */
  resume(options?: { paused?: boolean }): void;
  /** Takes it apart: it lives on in what was written. Resolves when its images are closed. */
  end(): Promise<void>;
}

interface Ways {
  onResumed(): void;
  /** Ends the guest for good. */
  end(): Promise<void>;
}

export function suspendedGuest(machine: Machine, domain: Domain, { onResumed, end }: Ways): SuspendedGuest {
  const { hypervisor, store } = machine;
  let image: SuspendedDomain | undefined;
  return {
    memoryKib: domain.totalPages * PAGE_KIB,
    write: async (out) => writeDomain(out, hypervisor, new SuspendedDomain(hypervisor, domain)),
    fork(config, files, events, options) {
      // Its list of frames is read once for all.
      image ??= new SuspendedDomain(hypervisor, domain);
      return machine.forkGuest(config, files, image, events, options);
    },
    resume({ paused = false } = {}) {
      if (paused) hypervisor.pauseDomain(domain);
      if (!hypervisor.resumeDomain(domain)) return;
      onResumed();
      store.domainResumed(domain.domid);
      machine.wake();
    },
    end,
  };
}
