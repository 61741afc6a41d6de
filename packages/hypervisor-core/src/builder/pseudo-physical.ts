import { BuildError } from "./build-error.ts";
import { PAGE_BYTES } from "./layout.ts";
import type { BuilderTarget } from "./target.ts";

/** A new domain's memory as the guest counts it: pages 0 to n-1, each on some machine frame. */
export class PseudoPhysicalMemory {
  /** Machine frame of each pfn. */
  readonly p2m: Uint32Array;
  readonly #target: BuilderTarget;
  readonly #view: DataView;

  /**
   * Takes `pages` frames for the domain and enters them in the M2P.
   * @throws BuildError `machine` if there are not so many
   */
  constructor(target: BuilderTarget, pages: number) {
    this.#target = target;
    this.#view = new DataView(target.u8.buffer, target.u8.byteOffset, target.u8.byteLength);
    this.p2m = new Uint32Array(pages);
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

  /** Writes bytes from a pseudo-physical address on; they may cross pages. */
  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const inPage = at % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - inPage, bytes.length - done);
      const host = this.#target.hostAddress(this.p2m[Math.floor(at / PAGE_BYTES)]) + inPage;
      this.#target.u8.set(bytes.subarray(done, done + count), host);
      done += count;
    }
  }

  /** A view of one page. */
  page(pfn: number): DataView {
    return this.frame(this.p2m[pfn]);
  }

  /** A view of one machine frame. */
  frame(mfn: number): DataView {
    return new DataView(this.#view.buffer, this.#view.byteOffset + this.#target.hostAddress(mfn), PAGE_BYTES);
  }
}
