import { BuildError } from "./build-error.ts";
import { PAGE_BYTES } from "./layout.ts";
import type { BuilderTarget } from "./target.ts";

const ZEROS = new Uint8Array(PAGE_BYTES);

/** A new domain's memory as the guest counts it: pages 0 to n-1, each on some machine frame. */
export class PseudoPhysicalMemory {
  /** Machine frame of each pfn. */
  readonly p2m: Uint32Array;
  readonly #target: BuilderTarget;
  readonly #view: DataView;
  /** 1 for each pfn whose frame may hold something else than the zeros that it came with. */
  readonly #used: Uint8Array;

  /**
   * Takes `pages` frames for the domain and enters them in the M2P.
   * @throws BuildError `machine` if there are not so many
   */
  constructor(target: BuilderTarget, pages: number) {
    this.#target = target;
    this.#view = new DataView(target.u8.buffer, target.u8.byteOffset, target.u8.byteLength);
    this.p2m = new Uint32Array(pages);
    this.#used = new Uint8Array(pages);
    for (let pfn = 0; pfn < pages; pfn++) {
      const mfn = target.allocFrame();
      if (mfn < 0) {
        const mib = (count: number) => Math.floor((count * PAGE_BYTES) / 1024 ** 2);
        throw new BuildError("machine", `the machine has ${mib(pfn)} MiB left, but the domain wants ${mib(pages)} MiB`);
      }
      this.p2m[pfn] = mfn;
      target.setM2p(mfn, pfn);
    }
  }

  /**
   * Writes bytes from a pseudo-physical address on; they may cross pages. Zeros for a page that has nothing on it yet,
   * of which kernels have many, are not written: the host need not find memory for a page that nobody touches. Whole pages of
   * kernels and ram disks are shared with other domains that have the same.
   */
  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const pfn = Math.floor(at / PAGE_BYTES);
      const inPage = at % PAGE_BYTES;
      const part = bytes.subarray(done, done + PAGE_BYTES - inPage);
      if (this.#used[pfn] === 0 && part.length === PAGE_BYTES) {
        if (!isZero(part)) {
          this.#used[pfn] = 1;
          this.#target.fillFrame(this.p2m[pfn], part);
        }
      } else if (this.#used[pfn] !== 0 || !isZero(part)) {
        this.#used[pfn] = 1;
        this.#target.u8.set(part, this.#target.hostAddress(this.p2m[pfn]) + inPage);
      }
      done += part.length;
    }
  }

  /** A view of one page. */
  page(pfn: number): DataView {
    this.#used[pfn] = 1;
    return this.frame(this.p2m[pfn]);
  }

  /** A view of one machine frame. */
  frame(mfn: number): DataView {
    return new DataView(this.#view.buffer, this.#view.byteOffset + this.#target.hostAddress(mfn), PAGE_BYTES);
  }
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, bytes.length === PAGE_BYTES ? ZEROS : ZEROS.subarray(0, bytes.length)) === 0;
}
