import { type Domain, SuspendedDomain } from "@xen-node/hypervisor-core";
import type { ByteOutput } from "@xen-node/migration-stream";
import type { DomainConfig } from "../config/domain-config.ts";
import type { GuestDevices } from "../devices/guest-devices.ts";
import type { Guest, GuestEvents } from "../guest.ts";
import { type ForkedDiskOptions, ForkedDisks } from "../images/forked-disks.ts";
import type { GuestFiles } from "../images/guest-files.ts";
import type { Machine } from "../machine.ts";
import type { MovingGuest } from "./moving-guest.ts";
import { writeDomain } from "./write-domain.ts";

const PAGE_KIB = 4;

/** A guest that has suspended itself and stands still, until one of `resume` and `end` is called. */
export interface SuspendedGuest {
  /** Memory that it has, KiB. */
  readonly memoryKib: number;
  /**
   * Writes its domain as libxl's stream (docs/specs/libxl-migration-stream.pandoc). The guest stays as it is.
   *
   * @param options.after the first part of the stream, which was written while it ran
   * @param options.verify with that: all pages once more, to be compared
   * @returns how many pages were written
   * @throws DomainImageError or ConfigError, one sentence, if it cannot be saved or was destroyed meanwhile; what the output throws
   */
  write(out: ByteOutput, options?: { after?: MovingGuest | undefined; verify?: boolean }): Promise<number>;
  /**
   * Waits for its disks' requests, and lets go of its images, so that another machine may open them.
   * @throws ConfigError: forks of it need one, or it is a fork itself
   */
  letGoOfImages(): Promise<void>;
  /** To be called before `resume` after that. @throws ConfigError: one cannot be opened; it may be tried again */
  takeImagesBack(): Promise<void>;
  /**
   * The files for a fork: this one's kernel and ram disk, and the disks of its configuration. Those that this one writes to are
   * as they stand, with all requests that are under way; what the fork writes is kept for it alone, and ends with it.
   *
   * @param config `forkedConfig` of this one's
   * @throws ConfigError, one sentence
   */
  forkedFiles(config: DomainConfig, options?: ForkedDiskOptions): Promise<GuestFiles>;
  /**
   * Makes another guest that goes on from here, as one that was saved and restored, but shares its memory with this one
   * until one of both writes it. As with `Machine.restoreGuest` devices are joined anew.
   *
   * @param config `forkedConfig` of this one's
   * @param files `forkedFiles` for it
   * @throws ConfigError or DomainImageError, one sentence; the files' disks are the caller's then
   */
  fork(config: DomainConfig, files: GuestFiles, events?: GuestEvents, options?: { paused?: boolean }): Guest;
  /** Lets it go on as if nothing had been; or lets it be paused. */
  resume(options?: { paused?: boolean }): void;
  /** Takes it apart: it lives on in what was written. Resolves when its images are closed. */
  end(): Promise<void>;
}

interface Ways {
  devices: GuestDevices;
  files: GuestFiles;
  onResumed(): void;
  /** Ends the guest for good. */
  end(): Promise<void>;
}

export function suspendedGuest(
  machine: Machine,
  domain: Domain,
  { devices, files, onResumed, end }: Ways,
): SuspendedGuest {
  const { hypervisor, store } = machine;
  let image: SuspendedDomain | undefined;
  const disks = new ForkedDisks((vdev) => devices.diskOf(vdev));
  return {
    memoryKib: domain.totalPages * PAGE_KIB,
    async write(out, { after, verify = false } = {}) {
      devices.requireNamedImages(domain.name);
      return after === undefined
        ? writeDomain(out, hypervisor, new SuspendedDomain(hypervisor, domain))
        : after.finish(out, { verify });
    },
    letGoOfImages: () => devices.letGoOfImages(),
    takeImagesBack: () => devices.takeImagesBack(),
    forkedFiles: async (config, options) => ({ ...files, disks: await disks.open(config.disks, options) }),
    fork(config, forked, events, options) {
      // Its list of frames is read once for all.
      image ??= new SuspendedDomain(hypervisor, domain);
      return machine.forkGuest(config, forked, image, events, options);
    },
    resume({ paused = false } = {}) {
      disks.release();
      if (paused) hypervisor.pauseDomain(domain);
      if (!hypervisor.resumeDomain(domain)) return;
      onResumed();
      store.domainResumed(domain.domid);
      machine.wake();
    },
    async end() {
      disks.release();
      await end();
    },
  };
}
