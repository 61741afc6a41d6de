import { describe, expect, it } from "vitest";
import { StoreKind, storeKind } from "../src/store-instruction.ts";
import { makeGuest, write } from "./machine.ts";

const cases: [name: string, bytes: number[], kind: StoreKind][] = [
  ["mov %rax, (%rdi)", [0x48, 0x89, 0x07], StoreKind.single],
  ["movb $1, (%rdi)", [0xc6, 0x07, 0x01], StoreKind.single],
  ["xchg %rax, (%rdi)", [0x48, 0x87, 0x07], StoreKind.single],
  ["lock cmpxchg %rcx, 8(%rsi)", [0xf0, 0x48, 0x0f, 0xb1, 0x4e, 0x08], StoreKind.single],
  ["lock btr $1, (%rdi)", [0xf0, 0x48, 0x0f, 0xba, 0x37, 0x01], StoreKind.single],
  ["lock andq $-3, (%rdi)", [0xf0, 0x48, 0x83, 0x27, 0xfd], StoreKind.single],
  ["not %gs:(%rdi)", [0x65, 0x48, 0xf7, 0x17], StoreKind.single],
  ["rep movsq", [0xf3, 0x48, 0xa5], StoreKind.repeated],
  ["rep stosb at the end of what is mapped", [0xf3, 0xaa], StoreKind.repeated],
  ["cmp $1, (%rdi)", [0x83, 0x3f, 0x01], StoreKind.other],
  ["mov %rax, %rdi", [0x48, 0x89, 0xc7], StoreKind.other],
  ["movsq", [0x48, 0xa5, 0x90], StoreKind.other],
  ["pushq (%rdi)", [0xff, 0x37, 0x90], StoreKind.other],
  ["cmpxchg16b (%rdi)", [0x48, 0x0f, 0xc7, 0x0f], StoreKind.other],
  ["movups %xmm0, (%rdi)", [0x0f, 0x11, 0x07], StoreKind.other],
  ["fxsave (%rdi)", [0x0f, 0xae, 0x07], StoreKind.other],
  ["bt $1, (%rdi)", [0x0f, 0xba, 0x27, 0x01], StoreKind.other],
];

describe("what an instruction stores", () => {
  const guest = makeGuest();
  it.each(cases)("%s", (_name, bytes, kind) => {
    write(guest, guest.hv.regs.rip, [...bytes, 0x90, 0x90]);
    expect(storeKind(guest.hv)).toBe(kind);
  });

  it("only REP stores are known in compatibility mode", () => {
    const { hv } = makeGuest();
    const { regs } = hv;
    regs.setSegment(1, 0xe023, 0, 0xffffffff, 0xc0fb);
    write(guest, regs.rip, [0x89, 0x07, 0x90]);
    expect(storeKind(hv)).toBe(StoreKind.other);
  });
});
