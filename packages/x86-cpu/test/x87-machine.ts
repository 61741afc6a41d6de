import { I32 } from "@xen-node/wasm-emit";
import { createInstruction, Decoder, format } from "../src/decode/index.ts";
import { BlockWriter } from "../src/lower/block-writer.ts";
import { lowerX87 } from "../src/lower/x87.ts";
import { RECORD_BYTES } from "../src/records.ts";
import { FlagKind } from "../src/semantics/context.ts";
import { type Frame, frameLocals } from "../src/semantics/emission-context.ts";
import { x87Forms } from "../src/semantics/x87.ts";
import { FP_CONTROL, FpControl } from "../src/softfloat/index.ts";
import { EXIT_VECTOR, FCW, FLAG_A, FLAG_KIND, FOP, FSW, FTW, GPR, RAX, X87 } from "../src/state.ts";
import { createTestModule, type Exports, instantiate, PROGRAM_MEMORY } from "./float-module.ts";

const RSI = GPR(6);
const RECORDS = 0x60000;

/** FSAVE images (32-bit protected-mode format): offsets of their fields. */
const IMAGE = { control: 0, status: 4, tags: 8, opcode: 18, registers: 28 } as const;
export const IMAGE_BYTES = 108;

/** The x87 handlers in a module of their own, with decoder and lowering but without the rest of the processor. */
export class X87Machine {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly handlers = new Map<string, number>();
  /** Addresses from here on fault. */
  faultsFrom = Infinity;
  private readonly names: string[] = [];
  private readonly exports: Exports;
  private readonly decoder = new Decoder();
  readonly insn = createInstruction();

  constructor() {
    const { module, functions } = createTestModule();
    const type = module.type([I32], [I32]);
    for (const handler of x87Forms(module, functions)) {
      const { index, body } = module.function(type);
      const leave = () => body.i32_const(0).return_();
      const frame: Frame = { f: body, functions, record: 0, bank: -1, ...frameLocals(body), leave };
      handler.emit(frame);
      body.get(0).i32_const(RECORD_BYTES).i32_add();
      module.exportFunction(handler.name, index);
      this.handlers.set(handler.name, this.names.push(handler.name) - 1);
    }
    const { exports, memory } = instantiate(module, (address) => address >= this.faultsFrom);
    this.exports = exports;
    this.view = new DataView(memory.buffer);
    this.bytes = new Uint8Array(memory.buffer);
  }

  loadImage(image: Uint8Array): void {
    const from = new DataView(image.buffer, image.byteOffset, IMAGE_BYTES);
    const { view } = this;
    view.setUint16(FCW, from.getUint16(IMAGE.control, true), true);
    const status = from.getUint16(IMAGE.status, true);
    view.setUint16(FSW, status, true);
    view.setUint16(FTW, from.getUint16(IMAGE.tags, true), true);
    view.setUint16(FOP, from.getUint16(IMAGE.opcode, true), true);
    for (let i = 0; i < 8; i++) {
      const register = image.subarray(IMAGE.registers + 10 * i, IMAGE.registers + 10 * i + 10);
      this.bytes.set(register, X87(((status >> 11) + i) & 7));
    }
  }

  /** The state as FSAVE gives it, without instruction and operand pointers. */
  saveImage(): Uint8Array {
    const saved = this.bytes.slice(0, 0x1000);
    this.run(Uint8Array.of(0xdd, 0x36));
    const image = this.bytes.slice(PROGRAM_MEMORY, PROGRAM_MEMORY + IMAGE_BYTES);
    this.bytes.set(saved);
    return image;
  }

  setFlags(flags: number): void {
    this.view.setInt32(FLAG_KIND, FlagKind.EXPLICIT, true);
    this.view.setBigInt64(FLAG_A, BigInt(flags & 0x8d5), true);
  }

  get flags(): number {
    return Number(this.view.getBigInt64(FLAG_A, true)) & 0x8d5;
  }

  get ax(): number {
    return this.view.getUint16(RAX, true);
  }

  set ax(value: number) {
    this.view.setBigUint64(RAX, BigInt(value), true);
  }

  /** Executes one instruction with RSI at PROGRAM_MEMORY; answers its name, or EXIT_VECTOR after a fault. */
  run(code: Uint8Array): string | number {
    const { insn, view } = this;
    const padded = new Uint8Array(16);
    padded.set(code);
    if (this.decoder.decode(padded, 0, 16, true, insn) !== 0) throw new Error("does not decode");
    const writer = new BlockWriter(view, new Int32Array(view.buffer), this.handlers);
    Object.assign(writer.position, { record: RECORDS, index: 0, start: 0, next: insn.length });
    if (!lowerX87(insn, writer)) throw new Error(`not an x87 instruction: ${format(insn, 0)}`);
    view.setBigUint64(RSI, BigInt(PROGRAM_MEMORY), true);
    // What SSE instructions leave there must not matter.
    view.setInt32(FP_CONTROL, FpControl.DENORMALS_ARE_ZERO | FpControl.FLUSH_TO_ZERO, true);
    let record = RECORDS;
    while (record < writer.position.record) {
      record = this.exports[this.names[view.getUint16(record, true)]](record) as number;
      if (record === 0) return view.getUint32(EXIT_VECTOR, true);
    }
    return insn.entry.mnemonic;
  }
}
