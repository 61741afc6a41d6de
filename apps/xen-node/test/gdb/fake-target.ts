import { CodeBreakpoints } from "../../src/gdb/code-breakpoints.ts";
import type { BreakpointKind, DebugTarget, StopReason } from "../../src/gdb/debug-target.ts";
import { RegisterFile } from "../../src/gdb/register-file.ts";

const NOP = 0x90;
const HLT = 0xf4;

/** Where the memory of a FakeTarget begins: a kernel's text. */
export const FAKE_BASE = -0x7f000000;
export const FAKE_SIZE = 0x4000;

/** Two threads over memory full of NOPs: a step goes one byte on, breakpoints stop, HLT ends the guest. */
export class FakeTarget implements DebugTarget {
  onStop: ((reason: StopReason) => void) | undefined;
  readonly memory = new Uint8Array(FAKE_SIZE).fill(NOP);
  readonly files = [new RegisterFile(), new RegisterFile()];
  readonly log: string[] = [];
  threads: number[] = [1, 2];
  /** Where breakpoints are set. */
  readonly traps = new Set<number>();
  private timer: NodeJS.Immediate | undefined;
  private readonly breakpoints = new CodeBreakpoints<number>({
    locate: (_thread, va) => (this.memory[va - FAKE_BASE] === undefined ? undefined : va - FAKE_BASE),
    owns: () => true,
    trap: (machine, on) => {
      if (on) this.traps.add(machine);
      else this.traps.delete(machine);
    },
  });

  constructor() {
    for (const [index, file] of this.files.entries()) {
      file.set64("rip", BigInt.asUintN(64, BigInt(FAKE_BASE + index * 0x1000)));
      file.set64("rax", 0x1122334455667788n);
      file.set32("eflags", 0x246);
    }
  }

  describeThread(thread: number): string {
    return `fake vcpu ${thread - 1} <&>`;
  }
  readRegisters(thread: number): Uint8Array {
    return this.files[thread - 1].bytes.slice();
  }
  writeRegisters(thread: number, bytes: Uint8Array): void {
    this.files[thread - 1].bytes.set(bytes);
  }
  readMemory(_thread: number, va: number, length: number): Uint8Array {
    const start = va - FAKE_BASE;
    return start < 0 ? new Uint8Array() : this.memory.slice(start, start + length);
  }
  writeMemory(_thread: number, va: number, bytes: Uint8Array): boolean {
    const start = va - FAKE_BASE;
    if (start < 0 || start + bytes.length > FAKE_SIZE) return false;
    this.memory.set(bytes, start);
    return true;
  }
  insertBreakpoint(kind: BreakpointKind, thread: number, va: number): boolean {
    return this.breakpoints.insert(kind, thread, va);
  }
  removeBreakpoint(kind: BreakpointKind, va: number): void {
    this.breakpoints.remove(kind, va);
  }
  attach(): StopReason {
    this.log.push("attach");
    return { kind: "trap", thread: 1 };
  }
  step(thread: number): StopReason {
    const file = this.files[thread - 1];
    const va = Number(BigInt.asIntN(64, file.get64("rip")));
    const byte = this.memory[va - FAKE_BASE];
    const hit = this.traps.has(va - FAKE_BASE) ? this.breakpoints.hit(thread, va) : undefined;
    if (hit?.kind !== undefined) return { kind: "breakpoint", thread, breakpoint: hit.kind };
    if (byte === HLT) {
      this.threads = [];
      return { kind: "exited", status: 0 };
    }
    file.set64("rip", BigInt.asUintN(64, BigInt(va + 1)));
    return { kind: "trap", thread };
  }
  resume(threads: readonly number[]): void {
    this.log.push(`resume ${threads.join(",")}`);
    const turn = (): void => {
      for (const thread of threads) {
        const file = this.files[thread - 1];
        // A loop over the memory, so that it can also be interrupted.
        if (Number(BigInt.asIntN(64, file.get64("rip"))) >= FAKE_BASE + FAKE_SIZE - 1) {
          file.set64("rip", BigInt.asUintN(64, BigInt(FAKE_BASE)));
        }
        const reason = this.step(thread);
        if (reason.kind !== "trap") {
          this.timer = undefined;
          this.onStop?.(reason);
          return;
        }
      }
      this.timer = setImmediate(turn);
    };
    this.timer = setImmediate(turn);
  }
  stop(): void {
    if (this.timer === undefined) return;
    clearImmediate(this.timer);
    this.timer = undefined;
    this.onStop?.({ kind: "interrupt", thread: 2 });
  }
  detach(): void {
    clearImmediate(this.timer);
    this.timer = undefined;
    this.breakpoints.clear();
    this.log.push("detach");
  }
  kill(): void {
    this.detach();
    this.log.push("kill");
  }
  monitor(command: string): string {
    return `you said ${command}\n`;
  }
}
