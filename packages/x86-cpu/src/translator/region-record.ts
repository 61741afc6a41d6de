import {
  EA_ALLOWED,
  EA_STACK,
  R_BASE,
  R_DISP,
  R_DST,
  R_HANDLER,
  R_IMM,
  R_INDEX_REGISTER,
  R_LENGTH,
  R_NEXT,
  R_SCALE,
  R_SEGMENT,
  R_SRC,
  RECORD_BYTES,
} from "../records.ts";
import { EA, RBP, RSP, SEG_BASE } from "../state.ts";

/** The fields of a record, read out of machine memory. */
export interface RecordFields {
  /** The record itself. */
  readonly bytes: Uint8Array;
  readonly handler: number;
  readonly length: number;
  readonly dst: number;
  readonly src: number;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Offset of the next instruction from the start of the page. */
  readonly next: number;
  readonly immLo: number;
  readonly immHi: number;
  readonly disp: number;
  readonly segment: number;
}

export function readRecord(view: DataView, at: number): RecordFields {
  return {
    bytes: new Uint8Array(view.buffer, at, RECORD_BYTES).slice(),
    handler: view.getUint16(at + R_HANDLER, true),
    length: view.getUint8(at + R_LENGTH),
    dst: view.getUint16(at + R_DST, true),
    src: view.getUint16(at + R_SRC, true),
    base: view.getUint16(at + R_BASE, true),
    index: view.getUint16(at + R_INDEX_REGISTER, true),
    scale: view.getUint8(at + R_SCALE),
    next: view.getUint16(at + R_NEXT, true),
    immLo: view.getInt32(at + R_IMM, true),
    immHi: view.getInt32(at + R_IMM + 4, true),
    disp: view.getInt32(at + R_DISP, true),
    segment: view.getInt32(at + R_SEGMENT, true),
  };
}

/** Whether compatibility mode's segment has allowed the access: its linear address wraps. */
export const isAllowed = ({ base, scale }: RecordFields): boolean => base === EA && (scale & EA_ALLOWED) !== 0;

/** Whether an address out of reach raises #SS rather than #GP: see Cpu. */
export function isStackAddress({ base, scale, segment }: RecordFields): boolean {
  const stack = base === RSP || base === RBP || (base === EA && (scale & EA_STACK) !== 0);
  return stack && segment !== SEG_BASE(4) && segment !== SEG_BASE(5);
}
