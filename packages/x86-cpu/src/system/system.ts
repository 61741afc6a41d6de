import { isCanonical } from "../canonical.ts";
import type { Cpu } from "../cpu.ts";
import { AddressingMethod, createInstruction, Decoder, type Instruction, opcodeEntries } from "../decode/index.ts";
import { ExitReason } from "../exit.ts";
import { readRflags } from "../flags.ts";
import { access, memoryAccess } from "../lower/memory-access.ts";
import { ASK_SEGMENT, BREAKPOINT, R_DST, R_IMM, R_INDEX, R_LENGTH, R_SRC, RECORD_BYTES } from "../records.ts";
import {
  CR0,
  CR4,
  CS,
  DS,
  EA,
  EXIT_LENGTH,
  EXIT_OPERATION,
  EXIT_REASON,
  EXIT_TARGET,
  EXIT_VECTOR,
  FS,
  GPR,
  GS,
  RAX,
  RCX,
  RDX,
  RSP,
  SEG_ATTR,
  SEG_BASE,
  SS,
  TMP0,
  VECTOR,
  XCR0,
} from "../state.ts";
import { FarTransfers } from "./far-transfers.ts";
import { fxrstor, fxsave, IMAGE_BYTES, xrstor, xsave } from "./fpu-image.ts";
import { LegacyInstructions } from "./legacy.ts";
import { privilegeLevel } from "./privilege.ts";
import { loadSegment, SegmentQueries } from "./segments.ts";

/** An instruction being executed in TypeScript. */
export interface SystemContext {
  readonly insn: Instruction;
  readonly record: number;
  /** Linear address of the memory operand, as int32 halves. */
  readonly eaLo: number;
  readonly eaHi: number;
}

const INT3 = 0xcc;
/** What reads two operands that lie side by side in memory. */
const IN_TWO_PARTS: ReadonlySet<string> = new Set(["bound", "les", "lds", "lss", "lfs", "lgs", "callf", "jmpf"]);
const RDTSC_LENGTH = 2;
const RDTSC = opcodeEntries.findIndex(({ mnemonic }) => mnemonic === "rdtsc");

/** Ids of the entries with a segment register among their operands. */
const SEGMENT_LOADS: ReadonlySet<number> = new Set(
  opcodeEntries
    .filter(({ operands }) =>
      operands.some(
        ({ method }) => method === AddressingMethod.REG_SEGMENT || method === AddressingMethod.FIXED_SEGMENT,
      ),
    )
    .map(({ id }) => id),
);

/** Whether an image is accessed in parts of which one ends after that many of its bytes. */
function isBetweenParts({ entry, opSize }: Instruction, bytes: number): boolean {
  const fields = 7 * (opSize === 2 ? 2 : 4);
  switch (entry.mnemonic) {
    case "fxsave":
    case "fxrstor":
    case "xsave":
    case "xsaveopt":
    case "xrstor":
      // If one is not aligned, that comes first.
      return true;
    case "fldenv":
    case "fnstenv":
    case "frstor":
    case "fnsave":
      // Registers are 8 bytes and 2.
      return bytes <= fields ? bytes % (fields / 7) === 0 : (bytes - fields) % 10 === 8 || (bytes - fields) % 10 === 0;
    default:
      return false;
  }
}

/** What a kernel at CPL 0 does with the processor's tables and modes is its hypervisor's affair. */
const KERNEL_ONLY: ReadonlySet<string> = new Set([
  "iret",
  "retf",
  "jmpf",
  "callf",
  "popf",
  "sgdt",
  "sidt",
  "sldt",
  "str",
  "smsw",
  "vmcall",
  "vmmcall",
]);

/** Answers of an instruction: the next record, or 0 to leave the run loop. */
type Execute = () => number;

/**
 * Instructions that are too rare or too entangled for generated code: they are decoded again from their bytes and done
 * here. What CPL 3 may not do becomes an exit.
 */
export class SystemInstructions implements SystemContext {
  readonly insn = createInstruction();
  record = 0;
  eaLo = 0;
  eaHi = 0;
  /** The memory operand's segment and, in compatibility mode, its offset there. */
  private segment = DS;
  private offset = 0;
  /** Host address of IMAGE_BYTES for fpu-image.ts. */
  readonly image: number;
  private readonly decoder = new Decoder();
  private readonly bytes = new Uint8Array(16);
  private readonly far: FarTransfers;
  private readonly legacy: LegacyInstructions;
  private readonly queries: SegmentQueries;
  private readonly view: DataView;
  private readonly i32: Int32Array;
  private readonly table: ReadonlyMap<string, Execute>;

  constructor(private readonly cpu: Cpu) {
    this.view = cpu.mmu.memory.view;
    this.i32 = cpu.mmu.memory.i32;
    this.image = cpu.mmu.memory.reserve(IMAGE_BYTES, 64, "FPU state image");
    this.far = new FarTransfers(cpu, this);
    this.legacy = new LegacyInstructions(cpu, this);
    this.queries = new SegmentQueries(cpu, this);
    this.table = this.rules();
  }

  execute(record: number): number {
    const { cpu, insn } = this;
    this.record = record;
    if (this.i32[(record + R_IMM) >> 2] === BREAKPOINT) this.bytes[0] = INT3;
    else cpu.fetch(record, this.bytes);
    const length = cpu.mmu.memory.u8[record + R_LENGTH];
    this.decoder.decode(this.bytes, 0, length, (this.i32[SEG_ATTR(CS) >> 2] & 0x2000) !== 0, insn);
    if (insn.hasMem) this.computeOffset();
    const { entry } = insn;
    if (insn.hasMem && !this.addSegment()) return 0;
    if (this.i32[(record + R_IMM) >> 2] === ASK_SEGMENT) return this.operandAllowed();
    if (privilegeLevel(this.i32) === 0 && KERNEL_ONLY.has(entry.family)) return this.exit(ExitReason.PRIVILEGED);
    const rule = this.table.get(entry.mnemonic);
    if (rule !== undefined) return rule();
    if (entry.privileged || entry.ioPrivileged) return this.exit(ExitReason.PRIVILEGED);
    return SEGMENT_LOADS.has(entry.id) ? this.segmentLoad() : this.undefined();
  }

  private rules(): Map<string, Execute> {
    const { far, legacy, queries } = this;
    return new Map<string, Execute>([
      ["cpuid", () => this.cpuid()],
      ["xgetbv", () => this.xgetbv()],
      ["int3", () => this.softInterrupt(3)],
      ["int1", () => this.softInterrupt(1)],
      ["int", () => this.softInterrupt(this.insn.immLo & 0xff)],
      ["into", () => ((readRflags(this.view) & 0x800) === 0 ? this.next() : this.softInterrupt(4))],
      ["sysenter", () => this.exit(ExitReason.SYSENTER)],
      ["vmcall", () => this.undefined()],
      ["vmmcall", () => this.undefined()],
      ["rdfsbase", () => this.baseAccess(FS, false)],
      ["rdgsbase", () => this.baseAccess(GS, false)],
      ["wrfsbase", () => this.baseAccess(FS, true)],
      ["wrgsbase", () => this.baseAccess(GS, true)],
      ["fxsave", () => fxsave(this.cpu, this)],
      ["fxrstor", () => fxrstor(this.cpu, this)],
      ["xsave", () => xsave(this.cpu, this)],
      ["xsaveopt", () => xsave(this.cpu, this)],
      ["xrstor", () => xrstor(this.cpu, this)],
      ["iret", () => far.iret()],
      ["retf", () => far.retf()],
      ["jmpf", () => far.jmpf()],
      ["callf", () => far.callf()],
      ["les", () => legacy.loadFarPointer(0)],
      ["lds", () => legacy.loadFarPointer(3)],
      ["lss", () => legacy.loadFarPointer(2)],
      ["lfs", () => legacy.loadFarPointer(FS)],
      ["lgs", () => legacy.loadFarPointer(GS)],
      ["enter", () => legacy.enter()],
      ["bound", () => legacy.bound()],
      ["pusha", () => legacy.pusha()],
      ["popa", () => legacy.popa()],
      ["salc", () => legacy.salc()],
      ["lar", () => queries.lar()],
      ["lsl", () => queries.lsl()],
      ["verr", () => queries.verify(false)],
      ["verw", () => queries.verify(true)],
      ["arpl", () => queries.arpl()],
      ["sgdt", () => queries.storeTable()],
      ["sidt", () => queries.storeTable()],
      ["sldt", () => queries.storeWord(0)],
      ["str", () => queries.storeWord(0)],
      ["smsw", () => queries.storeWord(this.i32[CR0 >> 2])],
    ]);
  }

  /** Goes on in the block, or leaves after an instruction that a hook wants to be the last. */
  next(): number {
    const next = this.record + RECORD_BYTES;
    const { u8 } = this.cpu.mmu.memory;
    if (this.cpu.stopping && u8[next + R_INDEX] !== u8[this.record + R_INDEX]) return this.redispatch(this.nextRip);
    return next;
  }

  undefined(): number {
    return this.cpu.raise(VECTOR.UD);
  }

  exit(reason: number): number {
    this.i32[EXIT_REASON >> 2] = reason;
    this.i32[EXIT_LENGTH >> 2] = this.insn.length;
    this.i32[EXIT_OPERATION >> 2] = this.insn.entry.id;
    return 0;
  }

  /** The instruction is done and execution goes on elsewhere, or in another mode. */
  redispatch(target: number): number {
    this.i32[EXIT_REASON >> 2] = ExitReason.REDISPATCH;
    this.i32[EXIT_TARGET >> 2] = target | 0;
    this.i32[(EXIT_TARGET >> 2) + 1] = Math.floor(target / 2 ** 32) | 0;
    return 0;
  }

  get nextRip(): number {
    return this.cpu.addressOfRecord(this.record) + this.insn.length;
  }

  private softInterrupt(vector: number): number {
    this.i32[EXIT_VECTOR >> 2] = vector;
    return this.exit(ExitReason.SOFT_INT);
  }

  /** The memory operand's offset in its segment, into `eaLo` and `eaHi`. */
  private computeOffset(): void {
    const { insn, i32 } = this;
    this.eaLo = insn.disp | 0;
    this.eaHi = insn.dispHi | 0;
    if (insn.base === 16) {
      const { nextRip } = this;
      this.addToAddress(nextRip | 0, Math.floor(nextRip / 2 ** 32) | 0);
    } else if (insn.base >= 0) this.addWords(GPR(insn.base));
    // Times 1, 2, 4 or 8.
    if (insn.index >= 0) {
      const at = GPR(insn.index) >> 2;
      const { scale } = insn;
      const carried = scale === 0 ? 0 : i32[at] >>> (32 - scale);
      this.addToAddress(i32[at] << scale, (i32[at + 1] << scale) | carried);
    }
    if (insn.addrSize === 4) this.eaHi = 0;
    else if (insn.addrSize === 2) {
      this.eaLo &= 0xffff;
      this.eaHi = 0;
    }
  }

  /** Makes it a linear address; false after the segment's fault. Privileged instructions are their emulator's to check. */
  private addSegment(): boolean {
    const { insn } = this;
    const usesStack = insn.base === 4 || insn.base === 5;
    const segment = insn.segment >= 0 ? insn.segment : usesStack ? SS : DS;
    this.segment = segment;
    this.offset = this.eaLo >>> 0;
    if (!insn.mode64 && !insn.entry.privileged && !this.allowOperand()) return false;
    if (!insn.mode64 || segment >= FS) this.addWords(SEG_BASE(segment));
    if (!insn.mode64) this.eaHi = 0;
    return true;
  }

  /** Compatibility mode: whether the segment allows the operand, or its first part; false after its fault. */
  private allowOperand(): boolean {
    const { cpu, insn, segment, offset } = this;
    memoryAccess(insn);
    const { bytes, write } = access;
    if (IN_TWO_PARTS.has(insn.entry.family)) return cpu.allowAccess(segment, offset, insn.opSize, write);
    const below = 2 ** 32 - offset;
    // Images are stored and loaded in small parts, and may go on at 0 behind 4 GiB.
    if (bytes <= below || !isBetweenParts(insn, below)) return cpu.allowAccess(segment, offset, bytes, write);
    return cpu.allowAccess(segment, offset, below, write) && cpu.allowAccess(segment, 0, bytes - below, write);
  }

  /** The next record does the instruction. */
  private operandAllowed(): number {
    this.set32(EA, this.eaLo);
    return this.record + RECORD_BYTES;
  }

  /** Of an operand that is read in two parts: whether the segment allows the second one; false after its fault. */
  allowSecondPart(size: number): boolean {
    const { cpu, insn, segment, offset } = this;
    return insn.mode64 || cpu.allowAccess(segment, offset + insn.opSize, size, false);
  }

  /** Whether the segment allows the operand that was read to be written, too; false after its fault. */
  allowWrite(size: number): boolean {
    return this.insn.mode64 || this.cpu.allowAccess(this.segment, this.offset, size, true);
  }

  /** Linear address of `size` bytes at an offset in SS, of compatibility mode; −1 after a fault. */
  stackAddress(offset: number, size: number, write: boolean): number {
    if (!this.cpu.allowAccess(SS, offset, size, write)) return -1;
    return ((offset >>> 0) + this.i32[SEG_BASE(SS) >> 2]) >>> 0;
  }

  /** After a segment register was loaded: goes on in the block, if that is of the mode that runs now. */
  segmentLoaded(): number {
    if (!this.insn.mode64 && this.cpu.segmentsChanged()) return this.redispatch(this.nextRip);
    return this.next();
  }

  private addWords(address: number): void {
    this.addToAddress(this.i32[address >> 2], this.i32[(address >> 2) + 1]);
  }

  private addToAddress(low: number, high: number): void {
    const sum = (this.eaLo >>> 0) + (low >>> 0);
    this.eaLo = sum | 0;
    this.eaHi = (this.eaHi + high + (sum > 0xffffffff ? 1 : 0)) | 0;
  }

  private set32(register: number, value: number): void {
    this.i32[register >> 2] = value;
    this.i32[(register >> 2) + 1] = 0;
  }

  private dropStack(bytes: number): void {
    const { i32, insn } = this;
    const low = (i32[RSP >> 2] >>> 0) + bytes;
    i32[RSP >> 2] = low | 0;
    const high = (RSP >> 2) + 1;
    i32[high] = insn.mode64 ? i32[high] + (low > 0xffffffff ? 1 : 0) : 0;
  }

  private cpuid(): number {
    const { cpu } = this;
    const { eax, ebx, ecx, edx } = cpu.cpuid.cpuid(this.i32[RAX >> 2] >>> 0, this.i32[RCX >> 2] >>> 0);
    this.set32(RAX, eax);
    this.set32(GPR(3), ebx);
    this.set32(RCX, ecx);
    this.set32(RDX, edx);
    return this.next();
  }

  /** The time-stamp counter and IA32_TSC_AUX into EAX, EDX and the temporary; 0 if CR4.TSD makes it privileged, 2 to stop behind it. */
  timeStamp(): number {
    if ((this.i32[CR4 >> 2] & 4) !== 0) {
      this.i32[EXIT_REASON >> 2] = ExitReason.PRIVILEGED;
      this.i32[EXIT_LENGTH >> 2] = RDTSC_LENGTH;
      this.i32[EXIT_OPERATION >> 2] = RDTSC;
      return 0;
    }
    const now = this.cpu.hooks.rdtsc();
    this.set32(RAX, now | 0);
    this.set32(RDX, Math.floor(now / 2 ** 32) | 0);
    this.set32(TMP0, this.cpu.tscAux);
    return this.cpu.stopping ? 2 : 1;
  }

  private xgetbv(): number {
    if ((this.i32[CR4 >> 2] & (1 << 18)) === 0) return this.undefined();
    if (this.i32[RCX >> 2] !== 0) return this.cpu.raise(VECTOR.GP, 0);
    this.set32(RAX, this.i32[XCR0 >> 2]);
    this.set32(RDX, 0);
    return this.next();
  }

  /** RDFSBASE and its kin: #UD unless CR4.FSGSBASE. */
  private baseAccess(segment: number, write: boolean): number {
    const { insn, i32 } = this;
    if ((i32[CR4 >> 2] & (1 << 16)) === 0) return this.undefined();
    const wide = (insn.rex & 8) !== 0;
    const register = GPR(insn.rm) >> 2;
    const base = SEG_BASE(segment) >> 2;
    if (!write) {
      i32[register] = i32[base];
      i32[register + 1] = wide ? i32[base + 1] : 0;
      return this.next();
    }
    const high = wide ? i32[register + 1] : 0;
    if (!isCanonical(high)) return this.cpu.raise(VECTOR.GP, 0);
    i32[base] = i32[register];
    i32[base + 1] = high;
    return this.next();
  }

  /** MOV Sreg or POP Sreg: the record names the segment, the selector is in the source. */
  private segmentLoad(): number {
    const { view, record, cpu } = this;
    const segment = view.getUint16(record + R_DST, true);
    const selector = view.getUint16(view.getUint16(record + R_SRC, true), true);
    if (segment === CS) return this.undefined();
    if (!loadSegment(cpu, segment, selector)) return 0;
    if (this.insn.entry.mnemonic === "pop") this.dropStack(this.insn.opSize);
    return this.segmentLoaded();
  }
}
