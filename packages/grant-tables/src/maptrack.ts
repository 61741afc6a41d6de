/** Handles per maptrack frame, by the size of Xen's own record (16 bytes). */
const HANDLES_PER_FRAME = 256;
const NONE = 0xffffffff;

/**
 * What one domain has mapped of others' grants, by handle. Freed handles wait at the end of a queue, so that a stale one
 * is not soon valid again.
 */
export class Maptrack {
  /** Handles that exist so far. */
  limit = 0;
  /** Handles in use. */
  used = 0;
  /** GNTMAP_device_map, _host_map and _readonly of the mapping; 0 = handle not in use. */
  flags = new Uint8Array(0);
  ref = new Uint32Array(0);
  /** `DomainGrants.id` of the granting side. */
  granter = new Uint32Array(0);
  private next = new Uint32Array(0);
  private head = NONE;
  private tail = NONE;

  constructor(private readonly maxFrames: number) {}

  /** A handle, not yet in use until its flags are set; -1 if all are taken. */
  alloc(): number {
    if (this.head === NONE && !this.grow()) return -1;
    const handle = this.head;
    this.head = this.next[handle];
    if (this.head === NONE) this.tail = NONE;
    this.used++;
    return handle;
  }

  free(handle: number): void {
    this.flags[handle] = 0;
    this.append(handle);
    this.used--;
  }

  private append(handle: number): void {
    this.next[handle] = NONE;
    if (this.tail === NONE) this.head = handle;
    else this.next[this.tail] = handle;
    this.tail = handle;
  }

  private grow(): boolean {
    const limit = this.limit + HANDLES_PER_FRAME;
    if (limit > this.maxFrames * HANDLES_PER_FRAME) return false;
    if (limit > this.flags.length) {
      const capacity = Math.min(Math.max(limit, this.flags.length * 2), this.maxFrames * HANDLES_PER_FRAME);
      const { flags, ref, granter, next } = this;
      this.flags = new Uint8Array(capacity);
      this.flags.set(flags);
      this.ref = new Uint32Array(capacity);
      this.ref.set(ref);
      this.granter = new Uint32Array(capacity);
      this.granter.set(granter);
      this.next = new Uint32Array(capacity);
      this.next.set(next);
    }
    for (let handle = this.limit; handle < limit; handle++) this.append(handle);
    this.limit = limit;
    return true;
  }
}
