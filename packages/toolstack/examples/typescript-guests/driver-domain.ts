import { BlockBackend } from "@xen-node/blkback";
import type { GuestProgram, GuestRuntime } from "@xen-node/guest-runtime";
import { createMemoryDisk } from "@xen-node/virtual-disk";

/**
 * Serves disks to other guests from a domain of its own: for each node that the toolstack writes below its
 * backend/vbd, a disk in memory. It may do no more than any guest: it maps what was granted to it. `cmdline`:
 * "size=1048576", bytes.
 */
export class DiskDriverDomain implements GuestProgram {
  private readonly backends = new Map<string, BlockBackend>();

  constructor(private readonly runtime: GuestRuntime) {}

  async run(): Promise<void> {
    const { xenstore, home } = this.runtime;
    const sizeBytes = Number(/\bsize=(\d+)/.exec(this.runtime.commandLine)?.[1] ?? 2 ** 20);
    const watch = xenstore.watch(`${home}/backend/vbd`, () => this.scan(sizeBytes));
    // As long as the domain lives: what happens, happens in the watch and in the backends.
    await new Promise<void>(() => {});
    watch.close();
  }

  private scan(sizeBytes: number): void {
    const { xenstore, home } = this.runtime;
    const root = `${home}/backend/vbd`;
    for (const domid of xenstore.ls(root) ?? [])
      for (const device of xenstore.ls(`${root}/${domid}`) ?? [])
        this.serve(`${root}/${domid}/${device}`, domid, sizeBytes);
  }

  private serve(path: string, domid: string, sizeBytes: number): void {
    const { xenstore, domain, console } = this.runtime;
    // A node that was made, but has nothing in it yet: the watch fires again.
    if (this.backends.has(path) || !xenstore.exists(`${path}/frontend-id`)) return;
    const backend = new BlockBackend({
      store: xenstore,
      domain,
      path,
      device: createMemoryDisk(sizeBytes),
      onClosed: () => this.backends.delete(path),
    });
    this.backends.set(path, backend);
    console.print(`serving a disk to domain ${domid}`).catch(() => {});
  }
}
