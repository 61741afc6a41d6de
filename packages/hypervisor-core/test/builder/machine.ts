import { DOMID_XEN, MachineMemory, Mmu } from "@xen-node/mmu";
import { structs } from "@xen-node/xen-abi";
import { type BuilderTarget, builderTarget } from "../../src/builder/index.ts";

const DOMID = 5;

/** A machine without a processor and one empty domain on it. */
export class TestMachine {
  readonly mmu: Mmu;
  readonly domain: { domid: number; sharedInfoMfn: number; totalPages: number };
  readonly target: BuilderTarget;
  /** ref -> what was granted */
  readonly grants = new Map<number, { flags: number; grantee: number; frame: number }>();

  constructor(megabytes: number) {
    this.mmu = new Mmu(new MachineMemory({ bytes: megabytes * 1024 ** 2 }));
    const sharedInfoMfn = this.mmu.frames.alloc(DOMID_XEN);
    this.mmu.types.shareWithGuest(sharedInfoMfn, DOMID, true);
    this.domain = { domid: DOMID, sharedInfoMfn, totalPages: 0 };
    const grants = {
      writeEntry: (domid: number, ref: number, flags: number, grantee: number, frame: number) => {
        this.grants.set(ref, { flags, grantee, frame });
        return domid === DOMID;
      },
    };
    this.target = builderTarget(this.mmu, grants, this.domain);
  }

  /** What the guest's kernel would find at a virtual address, by the page tables: frame and L1 entry. */
  walk(rootMfn: number, virtualAddress: number): { mfn: number; entry: bigint } | null {
    let mfn = rootMfn;
    let entry = 0n;
    for (let level = 4; level >= 1; level--) {
      const index = Math.floor(virtualAddress / 2 ** (3 + 9 * level)) & 511;
      entry = this.mmu.memory.view.getBigUint64(this.mmu.frames.hostAddress(mfn) + index * 8, true);
      if (!(entry & 1n)) {
        return null;
      }
      mfn = Number((entry >> 12n) & 0xffffffffffn);
    }
    return { mfn, entry };
  }

  /** Bytes at a virtual address. */
  read(rootMfn: number, virtualAddress: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = virtualAddress + done;
      const page = this.walk(rootMfn, at);
      if (page === null) {
        throw new Error(`nothing is mapped at ${at.toString(16)}`);
      }
      const offset = ((at % 4096) + 4096) % 4096;
      const count = Math.min(4096 - offset, length - done);
      const host = this.mmu.frames.hostAddress(page.mfn) + offset;
      bytes.set(this.mmu.memory.u8.subarray(host, host + count), done);
      done += count;
    }
    return bytes;
  }

  /** Reads start_info as the guest would. */
  startInfo(rootMfn: number, virtualAddress: number) {
    const bytes = this.read(rootMfn, virtualAddress, structs.start_info.size);
    const view = new DataView(bytes.buffer);
    const text = (from: number, size: number) => {
      const part = bytes.subarray(from, from + size);
      return new TextDecoder().decode(part.subarray(0, part.indexOf(0)));
    };
    const word = (offset: number) => Number(view.getBigInt64(offset, true));
    // Offsets as the public header compiles for 64-bit guests.
    return {
      magic: text(0, 32),
      nr_pages: word(32),
      shared_info: word(40),
      flags: view.getUint32(48, true),
      store_mfn: word(56),
      store_evtchn: view.getUint32(64, true),
      console_mfn: word(72),
      console_evtchn: view.getUint32(80, true),
      pt_base: word(88),
      nr_pt_frames: word(96),
      mfn_list: word(104),
      mod_start: word(112),
      mod_len: word(120),
      cmd_line: text(128, 1024),
      first_p2m_pfn: word(1152),
      nr_p2m_frames: word(1160),
    };
  }
}
