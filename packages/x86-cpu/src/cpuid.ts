/** What CPUID answers for a leaf and sub-leaf. */
export interface CpuidResult {
  eax: number;
  ebx: number;
  ecx: number;
  edx: number;
}

/** A processor's identity and features, as CPUID shows them. Replace or wrap it to show a guest something else. */
export interface CpuidModel {
  cpuid(leaf: number, subleaf: number): CpuidResult;
}

const bits = (...positions: number[]): number => positions.reduce((word, bit) => word | (1 << bit), 0) >>> 0;

/** Leaf 1 EDX: FPU DE PSE TSC MSR PAE MCE CX8 SEP PGE MCA CMOV PAT CLFSH MMX FXSR SSE SSE2. */
const FEATURES_EDX = bits(0, 2, 3, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 19, 23, 24, 25, 26);
/** Leaf 1 ECX: SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT XSAVE hypervisor. */
const FEATURES_ECX = bits(0, 9, 13, 19, 20, 23, 26, 31);
const OSXSAVE = bits(27);
/** Leaf 7 EBX: ERMS. REP MOVSB and REP STOSB go by whole pages here, which no loop of a guest's does. */
const STRUCTURED_EBX = bits(9);
/** Leaf 0x80000001 EDX besides the bits repeated from leaf 1: SYSCALL NX RDTSCP LM. */
const EXTENDED_EDX = bits(11, 20, 27, 29);
/** Leaf 0x80000001 ECX: LAHF in 64-bit mode. */
const EXTENDED_ECX = bits(0);
/** Bits of leaf 1 EDX that AMD repeats in 0x80000001 EDX. */
const REPEATED_EDX = FEATURES_EDX & bits(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 23, 24);

/** Leaf 0x80000005 EBX, ECX, EDX: two TLBs of 64 entries, L1 data and code of 64 KiB in two ways, 64 bytes a line. */
const L1_TLB = 0x4040_4040;
const L1_CACHE = 0x4002_0140;
/** Leaf 0x80000006 ECX and EDX: 2 MiB in 16 ways, 16 MiB in 16 ways. Without sizes C libraries copy past all caches. */
const L2_CACHE = 0x0800_8140;
const L3_CACHE = (32 << 18) | 0x8140;

function word(text: string): number {
  return (
    (text.charCodeAt(0) | (text.charCodeAt(1) << 8) | (text.charCodeAt(2) << 16) | (text.charCodeAt(3) << 24)) >>> 0
  );
}

const BRAND = "xen-node x86-64-v2 processor".padEnd(48, "\0");
/** Family 15, model 107, stepping 1: an early 64-bit AMD processor, for which systems know no model-specific extras. */
const SIGNATURE = 0x00060fb1;

/** An x86-64-v2 processor of the AMD family (SYSCALL in all modes), without AVX. */
export class X8664V2Cpuid implements CpuidModel {
  /**
   * @param osxsave whether the system has set CR4.OSXSAVE; asked at each CPUID
   * @param tscKhz frequency that leaf 0x15 and 0x16 report; 0 = not reported
   */
  constructor(
    private readonly osxsave: () => boolean = () => false,
    private readonly tscKhz = 0,
  ) {}

  cpuid(leaf: number, subleaf: number): CpuidResult {
    switch (leaf >>> 0) {
      case 0:
        return { eax: 0x0d, ebx: word("Auth"), edx: word("enti"), ecx: word("cAMD") };
      case 1:
        return {
          eax: SIGNATURE,
          ebx: 0x0001_0800,
          ecx: (FEATURES_ECX | (this.osxsave() ? OSXSAVE : 0)) >>> 0,
          edx: FEATURES_EDX,
        };
      case 7:
        return { eax: 0, ebx: subleaf === 0 ? STRUCTURED_EBX : 0, ecx: 0, edx: 0 };
      case 0x0d:
        return xsaveLeaf(subleaf);
      case 0x40000000:
        return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
      case 0x80000000:
        return { eax: 0x80000008, ebx: word("Auth"), edx: word("enti"), ecx: word("cAMD") };
      case 0x80000001:
        return { eax: SIGNATURE, ebx: 0, ecx: EXTENDED_ECX, edx: (REPEATED_EDX | EXTENDED_EDX) >>> 0 };
      case 0x80000002:
      case 0x80000003:
      case 0x80000004: {
        const part = BRAND.slice((leaf & 7) * 16 - 32, (leaf & 7) * 16 - 16);
        return {
          eax: word(part),
          ebx: word(part.slice(4)),
          ecx: word(part.slice(8)),
          edx: word(part.slice(12)),
        };
      }
      case 0x80000005:
        return { eax: 0, ebx: L1_TLB, ecx: L1_CACHE, edx: L1_CACHE };
      case 0x80000006:
        return { eax: 0, ebx: 0, ecx: L2_CACHE, edx: L3_CACHE };
      case 0x80000007:
        // Invariant TSC.
        return { eax: 0, ebx: 0, ecx: 0, edx: this.tscKhz === 0 ? 0 : 1 << 8 };
      case 0x80000008:
        return { eax: 0x3028, ebx: 0, ecx: 0, edx: 0 };
      default:
        return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
  }
}

/** x87 and SSE state: 512 bytes of legacy area and the 64-byte header. */
function xsaveLeaf(subleaf: number): CpuidResult {
  if (subleaf === 0) return { eax: 3, ebx: 576, ecx: 576, edx: 0 };
  if (subleaf === 1) return { eax: 1, ebx: 0, ecx: 0, edx: 0 };
  return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
}
