import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CS, DF, DS, ES, ExitReason, FCW, FS, FSW, FTW, GS, SS, VECTOR, XMM } from "../src/index.ts";
import { CODE, DATA, hex, PAGE, RAX, RBP, RBX, RCX, RDI, RSI, RSP, STACK } from "./machine.ts";
import { ATTRIBUTES, DONE, FLAT, type Kind, PREFIX, type Segment, SegmentMachine } from "./segment-machine.ts";

/** What a segment allows, byte by byte (Intel SDM vol. 3, 5.3 and 5.5). */
function allows({ kind, limit }: Segment, offset: number, size: number, write: boolean): boolean {
  if (kind === "null" || kind === "executeOnly") return false;
  if (write && kind !== "data" && kind !== "down" && kind !== "down16") return false;
  for (let at = offset; at < offset + size; at++) {
    const inside = kind.startsWith("down")
      ? at > limit && at <= (kind === "down16" ? 0xffff : 0xffffffff)
      : at <= limit;
    if (!inside || at > 0xffffffff) return false;
  }
  return true;
}

/** With [ebx] as their operand: bytes, size, whether it is written. */
const INSTRUCTIONS: readonly [code: string, size: number, write: boolean][] = [
  ["8a03", 1, false], // mov al,[ebx]
  ["668b03", 2, false],
  ["8b03", 4, false],
  ["8803", 1, true],
  ["66 8903", 2, true],
  ["8903", 4, true],
  ["c703 01000000", 4, true],
  ["ff03", 4, true], // inc dword
  ["0103", 4, true], // add [ebx],eax
  ["0303", 4, false],
  ["3903", 4, false], // cmp
  ["c103 03", 4, true], // rol
  ["0fb603", 1, false], // movzx
  ["0f9403", 1, true], // sete
  ["8703", 4, true], // xchg
  ["0fc70b", 8, true], // cmpxchg8b
  ["0fa303", 4, false], // bt [ebx],eax
  ["0fab03", 4, true], // bts
  ["f723", 4, false], // mul
  ["ff33", 4, false], // push
  ["8f03", 4, true], // pop
  ["0f1003", 16, false], // movups
  ["0f1103", 16, true],
  ["0f6e03", 4, false], // movd mm0
  ["d933", 28, true], // fnstenv
  ["dd3b", 2, true], // fnstsw
  ["d92b", 2, false], // fldcw
  ["8c1b", 2, true], // mov [ebx],ds
  ["0f0103", 6, true], // sgdt
  ["0f0123", 2, true], // smsw
  ["0f0203", 2, false], // lar
  ["6203", 8, false], // bound
];

const limits = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: PAGE }));
const offsets = (limit: number) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: -40, max: 20 }).map((away) => Math.max(0, limit + away)) },
    { weight: 1, arbitrary: fc.integer({ min: 0xffffffd0, max: 0xffffffff }) },
    { weight: 1, arbitrary: fc.integer({ min: 0xffe0, max: 0x10010 }) },
  );
const runs = (numRuns: number) => ({ numRuns, seed: 4711 });

describe("an access in compatibility mode", () => {
  it("is refused where one of its bytes is beyond the segment's limit, or its type forbids it", () => {
    const machine = new SegmentMachine();
    const kinds = fc.constantFrom(...(Object.keys(ATTRIBUTES) as Kind[]));
    const cases = fc
      .tuple(fc.constantFrom(ES, CS, SS, DS, FS, GS), kinds, limits, fc.constantFrom(...INSTRUCTIONS))
      .chain(([number, kind, limit, instruction]) =>
        fc.record({
          number: fc.constant(number),
          kind: fc.constant(kind),
          limit: fc.constant(limit),
          instruction: fc.constant(instruction),
          offset: offsets(limit),
        }),
      );
    const seen = { refused: 0, allowed: 0 };
    fc.assert(
      fc.property(cases, ({ number, kind, limit, instruction: [code, size, write], offset }) => {
        let segment: Segment = { kind, base: DATA, limit };
        let at = offset;
        if (number === CS) {
          // Code runs there, too, at base 0.
          segment = { kind: kind === "executeOnly" ? kind : "code", base: 0, limit: DATA + limit };
          at = (DATA + offset) % 2 ** 32;
        }
        // The stack of PUSH and POP.
        if (number === SS && (code === "ff33" || code === "8f03")) return;
        machine.flatten();
        machine.write64(DATA, 0n);
        machine.set(number, segment);
        machine.setReg(RAX, 0);
        machine.setReg(RBX, at);
        for (let page = -1; page <= 2; page++) machine.write(DATA + page * PAGE, new Uint8Array(PAGE));
        const refused = !allows(segment, at, size, write);
        seen[refused ? "refused" : "allowed"]++;
        const vector = number === SS ? VECTOR.SS : VECTOR.GP;
        expect(machine.fails(PREFIX[number] + code)).toBe(refused ? vector : undefined);
      }),
      runs(400),
    );
    expect(Math.min(seen.refused, seen.allowed)).toBeGreaterThan(40);
  });

  it("goes by SS where its address is based on ESP or EBP", () => {
    const machine = new SegmentMachine();
    machine.set(SS, { kind: "data", base: STACK, limit: 0x7ff });
    machine.setReg(RBP, 0x7fd);
    expect(machine.fails("8b4500")).toBe(VECTOR.SS);
    expect(machine.fails("8b45ff")).toBeUndefined();
    machine.write(STACK + 0x10, [0x78, 0x56, 0x34, 0x12]);
    machine.setReg(RSP, 0);
    expect(machine.fails("8b442410")).toBeUndefined();
    expect(machine.reg(RAX)).toBe(0x12345678n);
  });

  it("leaves flat segments alone, and an operand that would wrap at 4 GiB is refused there, too", () => {
    const machine = new SegmentMachine();
    machine.map(0xfffff000);
    machine.setReg(RBX, 0xfffffffc);
    expect(machine.fails("8b03")).toBeUndefined();
    machine.setReg(RBX, 0xfffffffd);
    expect(machine.fails("8b03")).toBe(VECTOR.GP);
    machine.setReg(RBP, 0xfffffffd);
    expect(machine.fails("8b4500")).toBe(VECTOR.SS);
  });

  it("is checked as soon as a segment register is loaded, within the block, and no more when it is flat again", () => {
    const machine = new SegmentMachine();
    machine.table.set(0x20, [0x0000000f, 0x0040f300]);
    machine.table.set(0x28, [0x0000ffff, 0x00cff300]);
    machine.setReg(RBX, DATA);
    for (const [load, selector] of [
      ["8ed8", 0x23], // mov ds,eax
      ["501f", 0x23], // push eax; pop ds
      ["c50424 90", 0x23], // lds eax,[esp]
    ] as const) {
      machine.flatten();
      machine.write(STACK + 0x800, [0, 0, 0, 0, selector]);
      machine.setReg(RAX, selector);
      machine.program(`8b0b ${load} 8b0b ${DONE}`); // mov ecx,[ebx]
      expect(machine.cpu.run(1000), load).toBe(ExitReason.EXCEPTION);
      expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE + 2 + hex(load).length });
      machine.setReg(RAX, 0x2b);
      machine.program(`8ed8 8b0b ${DONE}`);
      expect(machine.cpu.run(1000)).toBe(ExitReason.SOFT_INT);
    }
  });
});

describe("an x87 exception that is pending", () => {
  it.each([
    ["paddb mm0,fs:[ebx]", "64 0ffc03"],
    ["fld qword fs:[ebx]", "64 dd03"],
    ["frstor fs:[ebx]", "64 dd23"],
    ["maskmovq mm0,mm0, in FS", "64 0ff7c0"],
  ])("comes before the segment of %s refuses", (_name, code) => {
    const machine = new SegmentMachine();
    machine.set(FS, { kind: "data", base: DATA, limit: 3 });
    const { view } = machine.cpu.state;
    machine.setReg(RBX, 0x10);
    machine.setReg(RDI, 0x10);
    expect(machine.fails(code)).toBe(VECTOR.GP);
    view.setUint16(FSW, 0x8081, true);
    view.setUint16(FCW, 0x37e, true);
    machine.program(code + DONE);
    expect(machine.runToFault()).toEqual({ vector: VECTOR.MF, errorCode: null, rip: CODE });
  });

  it("does not keep FNSTENV and FNSAVE from being refused, or from storing", () => {
    for (const code of ["64 d933", "64 dd33"]) {
      const machine = new SegmentMachine();
      machine.setReg(RBX, DATA);
      machine.cpu.state.view.setUint16(FSW, 0x8081, true);
      machine.cpu.state.view.setUint16(FCW, 0x37e, true);
      expect(machine.fails(code)).toBeUndefined();
      expect(machine.read(DATA + 4, 1)[0]).toBe(0x81);
    }
  });
});

describe("MASKMOVQ", () => {
  it("has turned x87's registers into MMX's when its segment refuses", () => {
    const machine = new SegmentMachine();
    machine.set(GS, { kind: "null", base: 0, limit: 0 });
    const { view } = machine.cpu.state;
    view.setUint16(FTW, 0xffff, true);
    expect(machine.fails("65 0f6f03")).toBe(VECTOR.GP); // movq mm0,gs:[ebx]: not yet
    expect(view.getUint16(FTW, true)).toBe(0xffff);
    expect(machine.fails("65 0ff7c0")).toBe(VECTOR.GP);
    expect(view.getUint16(FTW, true)).toBe(0);
  });
});

describe("MASKMOVDQU with a 16-bit address", () => {
  it("stores where DI is", () => {
    const machine = new SegmentMachine();
    machine.set(DS, { ...FLAT, base: DATA });
    machine.mmu.memory.u8.fill(0xff, XMM(0), XMM(1));
    machine.setReg(RDI, 0x5555_0010);
    expect(machine.fails("67 660ff7c0")).toBeUndefined();
    expect([...machine.read(DATA + 0x0f, 3)]).toEqual([0, 0xff, 0xff]);
  });
});

describe("ARPL", () => {
  it("asks whether its segment may be written only where it writes", () => {
    const machine = new SegmentMachine();
    machine.write(CODE + 0x100, [0x10, 0]);
    machine.setReg(RBX, CODE + 0x100);
    machine.setReg(RAX, 0);
    expect(machine.fails("2e 6303")).toBeUndefined(); // arpl cs:[ebx],ax
    machine.setReg(RAX, 3);
    expect(machine.fails("2e 6303")).toBe(VECTOR.GP);
    expect(machine.fails("6303")).toBeUndefined();
    expect(machine.read(CODE + 0x100, 1)[0]).toBe(0x13);
    machine.setReg(RBX, DATA + 0x100_0000);
    machine.program(`2e 6303 ${DONE}`);
    expect(machine.runToFault()).toMatchObject({ vector: VECTOR.PF, errorCode: 4 });
  });
});

describe("string instructions", () => {
  const names = ["movs", "stos", "lods", "scas", "cmps"] as const;
  const OPCODE = { movs: 0xa4, stos: 0xaa, lods: 0xac, scas: 0xae, cmps: 0xa6 };

  it("stop in the middle, at the first element that a segment refuses", () => {
    const machine = new SegmentMachine();
    const cases = fc.record({
      name: fc.constantFrom(...names),
      size: fc.constantFrom(1, 2, 4),
      source: limits,
      target: limits,
      fromEnd: fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 })),
      count: fc.integer({ min: 0, max: 12 }),
      backwards: fc.boolean(),
      // FS refuses without DS and ES being restricted.
      byFs: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ name, size, source, target, fromEnd, count, backwards, byFs }) => {
        machine.flatten();
        const from: Segment = { kind: "data", base: DATA, limit: source };
        const to: Segment = byFs ? FLAT : { kind: "data", base: DATA + PAGE, limit: target };
        machine.set(byFs ? FS : DS, from);
        machine.set(ES, to);
        const esi = backwards ? fromEnd[0] : Math.max(0, source - fromEnd[0]);
        const edi = (backwards ? fromEnd[1] : Math.max(0, target - fromEnd[1])) + (byFs ? DATA + PAGE : 0);
        machine.setReg(RSI, esi);
        machine.setReg(RDI, edi);
        machine.setReg(RCX, count);
        machine.setReg(RAX, 0);
        machine.cpu.state.rflags = 0x202 | (backwards ? DF : 0);
        // Equal elements, so that comparisons go on.
        machine.write(DATA, new Uint8Array(2 * PAGE));
        const reads = name !== "stos" && name !== "scas";
        const writesOrReadsTarget = name !== "lods";
        const writes = name === "movs" || name === "stos";
        let done = 0;
        const step = backwards ? -size : size;
        let refused = false;
        for (; done < count; done++) {
          const si = (esi + done * step) >>> 0;
          const di = (edi + done * step) >>> 0;
          refused = (reads && !allows(from, si, size, false)) || (writesOrReadsTarget && !allows(to, di, size, writes));
          if (refused) break;
        }
        const prefix = `f3 ${byFs && reads ? "64" : ""} ${size === 2 ? "66" : ""}`;
        const opcode = (OPCODE[name] + (size === 1 ? 0 : 1)).toString(16);
        // Without FS, DS itself is flat in that case: nothing refuses.
        if (byFs && !reads) return;
        const vector = machine.fails(`${prefix} ${opcode}`);
        expect(vector).toBe(refused ? VECTOR.GP : undefined);
        expect(machine.reg(RCX)).toBe(BigInt(count - done));
        const moved = (start: number, moves: boolean) => BigInt((start + (moves ? done * step : 0)) >>> 0);
        expect(machine.reg(RSI)).toBe(moved(esi, reads));
        expect(machine.reg(RDI)).toBe(moved(edi, writesOrReadsTarget));
      }),
      runs(250),
    );
  });

  it("store what they have done before that", () => {
    const machine = new SegmentMachine();
    machine.set(ES, { kind: "data", base: DATA, limit: 9 });
    machine.setReg(RDI, 0);
    machine.setReg(RCX, 100);
    machine.setReg(RAX, 0x11223344);
    expect(machine.fails("f3ab")).toBe(VECTOR.GP);
    expect([...machine.read(DATA, 12)]).toEqual(hex("44332211 44332211 00000000"));
    expect(machine.reg(RCX)).toBe(98n);
  });

  it("raise #SS where their source is in SS", () => {
    const machine = new SegmentMachine();
    machine.map(0);
    machine.mmu.memory.u8.fill(0xff, XMM(0), XMM(1));
    machine.setReg(RAX, 0);
    for (const limit of [0xffffffff, 0xfff]) {
      machine.set(SS, { ...FLAT, limit });
      for (const [register, code, vector] of [
        [RSI, "36 66ad", VECTOR.SS], // lodsw
        [RSI, "36 67 66ad", limit === 0xfff ? VECTOR.SS : undefined],
        [RSI, "36 f3 66a5", VECTOR.SS], // rep movsw
        [RDI, "36 66a5", limit === 0xfff ? VECTOR.SS : VECTOR.GP],
        [RDI, "36 660ff7c0", VECTOR.SS], // maskmovdqu
        [RBX, "36 d7", limit === 0xfff ? VECTOR.SS : undefined], // xlat
      ] as const) {
        machine.setReg(RSI, limit === 0xfff ? 0x1000 : 0x10);
        machine.setReg(RDI, 0x20);
        machine.setReg(RCX, 1);
        machine.setReg(register, 0xffffffff);
        if (vector !== undefined) expect(machine.fails(code), code).toBe(vector);
      }
    }
  });

  it("XLAT reads by DS or an override", () => {
    const machine = new SegmentMachine();
    machine.set(DS, { kind: "data", base: DATA, limit: 5 });
    machine.write(DATA + 5, [42]);
    machine.setReg(RBX, 2);
    machine.setReg(RAX, 3);
    expect(machine.fails("d7")).toBeUndefined();
    expect(machine.reg(RAX)).toBe(42n);
    machine.setReg(RAX, 4);
    expect(machine.fails("d7")).toBe(VECTOR.GP);
  });
});

describe("the stack", () => {
  /** Bytes relative to ESP (or EBP) that are accessed, and how ESP changes. */
  const operations: readonly [code: string, from: number, to: number, write: boolean, change: number][] = [
    ["50", -4, 0, true, -4], // push eax
    ["6a05", -4, 0, true, -4],
    ["6650", -2, 0, true, -2],
    ["06", -4, 0, true, -4], // push es
    ["9c", -4, 0, true, -4], // pushf
    ["60", -32, 0, true, -32], // pusha
    ["e800000000", -4, 0, true, -4], // call
    ["ffd3", -4, 0, true, -4], // call ebx
    ["c8080000", -12, 0, true, -12], // enter 8,0
    ["58", 0, 4, false, 4], // pop eax
    ["6658", 0, 2, false, 2],
    ["9d", 0, 4, false, 4], // popf
    ["8f4500", 0, 4, false, 4], // pop [ebp]
    ["61", 0, 32, false, 32], // popa
    ["c3", 0, 4, false, 4],
    ["c9", 0, 4, false, 4], // leave, with EBP = ESP
  ];

  it("has the limits and the base of SS, whatever uses it", () => {
    const machine = new SegmentMachine();
    const seen = { refused: 0, allowed: 0 };
    const cases = fc.record({
      operation: fc.constantFrom(...operations),
      kind: fc.constantFrom<Kind>("data", "down"),
      limit: fc.integer({ min: 60, max: PAGE }),
      away: fc.oneof(fc.integer({ min: -36, max: 36 }), fc.integer({ min: -4100, max: -4000 })),
    });
    fc.assert(
      fc.property(cases, ({ operation: [code, from, to, write, change], kind, limit, away }) => {
        machine.flatten();
        const segment: Segment = { kind, base: STACK, limit };
        const esp = (limit + away) >>> 0;
        const linear = (offset: number): number => (STACK + offset + 2 ** 32) % 2 ** 32;
        // What is read there is where RET goes, and flags.
        machine.write(linear(esp), new Uint8Array(Uint32Array.of(CODE + 32).buffer));
        machine.program(DONE, CODE + 32);
        machine.set(SS, segment);
        machine.setReg(RSP, esp);
        machine.setReg(RBP, code === "8f4500" ? (kind === "data" ? 0 : limit + 40) : esp);
        machine.setReg(RBX, CODE + 32);
        machine.setReg(RAX, 0x12345678);
        const accessed = (esp + from + 2 ** 32) % 2 ** 32;
        const refused = !allows(segment, accessed, to - from, write);
        seen[refused ? "refused" : "allowed"]++;
        expect(machine.fails(code)).toBe(refused ? VECTOR.SS : undefined);
        expect(machine.reg(RSP)).toBe(BigInt((esp + (refused ? 0 : change)) >>> 0));
        if (code === "50" && !refused) expect([...machine.read(linear(esp - 4), 4)]).toEqual(hex("78563412"));
      }),
      runs(300),
    );
    expect(Math.min(seen.refused, seen.allowed)).toBeGreaterThan(40);
  });

  it("of an instruction with a memory operand is asked where the instruction comes to it", () => {
    const machine = new SegmentMachine();
    machine.set(SS, { kind: "data", base: STACK, limit: 0x7ff });
    machine.set(DS, { kind: "data", base: DATA, limit: 0xf });
    machine.setReg(RSP, 2);
    machine.setReg(RBX, 0x10);
    expect(machine.fails("ff33")).toBe(VECTOR.GP); // push [ebx]
    machine.setReg(RBX, 0);
    expect(machine.fails("ff33")).toBe(VECTOR.SS);
    machine.setReg(RSP, 0x7fe);
    machine.setReg(RBX, 0x10);
    expect(machine.fails("8f03")).toBe(VECTOR.SS); // pop [ebx]
    machine.setReg(RSP, 0x7fc);
    expect(machine.fails("8f03")).toBe(VECTOR.GP);
    expect(machine.reg(RSP)).toBe(0x7fcn);
  });
});

describe("the limit of CS", () => {
  const limitTo = (limit: number): SegmentMachine => {
    const machine = new SegmentMachine();
    machine.set(CS, { kind: "code", base: 0, limit });
    return machine;
  };

  it.each([
    ["jmp", "e97b000000"],
    ["jmp ebx", "ffe3"],
    ["call", "e87b000000"],
    ["call ebx", "ffd3"],
    ["je", "0f847a000000"],
    ["loop", "e27e"],
    ["jecxz after it", "e37e"],
    ["ret", "c3"],
  ])("is asked of the target of %s at the transfer, which changes nothing", (name, code) => {
    for (const [limit, refused] of [
      [CODE + 0x7f, true],
      [CODE + 0x81, false],
    ] as const) {
      const machine = limitTo(limit);
      machine.write(CODE + 0x80, hex(DONE));
      machine.write(STACK + 0x800, new Uint8Array(Uint32Array.of(CODE + 0x80).buffer));
      machine.setReg(RBX, CODE + 0x80);
      const count = name.startsWith("jecxz") ? 0 : 7;
      machine.setReg(RCX, count);
      machine.cpu.state.rflags = 0x242;
      expect(machine.fails(code)).toBe(refused ? VECTOR.GP : undefined);
      if (refused) {
        expect(machine.reg(RCX)).toBe(BigInt(count));
        expect(machine.reg(RSP)).toBe(BigInt(STACK + 0x800));
      }
    }
  });

  it("does not matter to a jump that is not taken", () => {
    const machine = limitTo(CODE + 0x7f);
    machine.cpu.state.rflags = 0x202;
    expect(machine.fails("0f847a000000")).toBeUndefined();
  });

  it("cuts a straight line at the instruction that reaches beyond it", () => {
    for (const limit of [3, 4, 5]) {
      const machine = limitTo(CODE + limit);
      machine.program(`40 40 b8 01000000 ${DONE}`);
      expect(machine.cpu.run(1000)).toBe(ExitReason.EXCEPTION);
      expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE + 2 });
      expect(machine.reg(RAX)).toBe(2n);
    }
    const machine = limitTo(CODE + 8);
    machine.program(`40 40 b8 01000000 ${DONE}`);
    expect(machine.cpu.run(1000)).toBe(ExitReason.SOFT_INT);
  });

  it("comes before a page that is not there", () => {
    const machine = limitTo(CODE + PAGE - 1);
    machine.program("b8 01 00", CODE + PAGE - 3); // the rest of it is not mapped
    expect(machine.cpu.run(1000)).toBe(ExitReason.EXCEPTION);
    expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE + PAGE - 3 });
    machine.cpu.state.rip = CODE + PAGE;
    expect(machine.cpu.run(1000)).toBe(ExitReason.EXCEPTION);
    expect(machine.fault).toEqual({ vector: VECTOR.GP, errorCode: 0, rip: CODE + PAGE });
  });
});
