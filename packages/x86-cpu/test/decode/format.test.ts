import { describe, expect, it } from "vitest";
import { createInstruction, Decoder, DecodeStatus, format } from "../../src/decode/index.ts";

const decoder = new Decoder();

function disassemble(hex: string, mode64: boolean, va: number, symbol?: (va: number) => string | null): string {
  const bytes = Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
  const insn = createInstruction();
  expect(decoder.decode(bytes, 0, bytes.length, mode64, insn)).toBe(DecodeStatus.OK);
  expect(insn.length).toBe(bytes.length);
  return format(insn, va, symbol);
}

/** Bytes, and what GNU objdump -M intel prints for them at address 0x1000. */
const transcript64 = `
48 83 ec 08                   | sub rsp,0x8
48 83 e4 f0                   | and rsp,0xfffffffffffffff0
83 e0 fe                      | and eax,0xfffffffe
48 8b 05 39 fe ff ff          | mov rax,QWORD PTR [rip+0xfffffffffffffe39] # 0xe40
65 48 8b 04 25 28 00 00 00    | mov rax,QWORD PTR gs:0x28
8b 04 25 00 d0 5f ff          | mov eax,DWORD PTR ds:0xffffffffff5fd000
4c 89 64 cb f8                | mov QWORD PTR [rbx+rcx*8-0x8],r12
8d 04 8d 00 00 00 00          | lea eax,[rcx*4+0x0]
66 90                         | xchg ax,ax
66 2e 0f 1f 84 00 00 00 00 00 | cs nop WORD PTR [rax+rax*1+0x0]
48 b8 88 77 66 55 44 33 22 11 | movabs rax,0x1122334455667788
48 a3 88 77 66 55 44 33 22 11 | movabs ds:0x1122334455667788,rax
eb fe                         | jmp 0x1000
e8 fb 0f 00 00                | call 0x2000
f0 48 0f c7 4e 20             | lock cmpxchg16b OWORD PTR [rsi+0x20]
f3 48 ab                      | rep stos QWORD PTR es:[rdi],rax
f3 a6                         | repz cmps BYTE PTR ds:[rsi],BYTE PTR es:[rdi]
f3 c3                         | repz ret
48 98                         | cdqe
66 99                         | cwd
48 cf                         | iretq
48 0f ae 00                   | fxsave64 [rax]
d8 c1                         | fadd st,st(1)
de f9                         | fdivp st(1),st
db 6c 24 10                   | fld TBYTE PTR [rsp+0x10]
df e0                         | fnstsw ax
f2 0f 10 45 f8                | movsd xmm0,QWORD PTR [rbp-0x8]
0f c2 c1 01                   | cmpltps xmm0,xmm1
66 0f 3a 14 00 03             | pextrb BYTE PTR [rax],xmm0,0x3
66 48 0f 3a 22 c8 01          | pinsrq xmm1,rax,0x1
66 0f 38 10 ca                | pblendvb xmm1,xmm2,xmm0
f2 48 0f 38 f1 c1             | crc32 rax,rcx
0f 20 d8                      | mov rax,cr3
ff 2b                         | jmp FWORD PTR [rbx]
d7                            | xlat BYTE PTR ds:[rbx]
3e ff e0                      | notrack jmp rax
f3 0f 1e fa                   | endbr64
`;

const transcript32 = `
60                            | pusha
c4 7d 08                      | les edi,FWORD PTR [ebp+0x8]
9a 78 56 34 12 23 00          | call 0x23:0x12345678
67 8b 42 10                   | mov eax,DWORD PTR [bp+si+0x10]
26 8b 07                      | mov eax,DWORD PTR es:[edi]
e3 fe                         | jecxz 0x1000
`;

function lines(transcript: string): [string, string][] {
  return transcript
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((part) => part.trim()) as [string, string]);
}

describe("format", () => {
  it.each(lines(transcript64))("64-bit mode: %s is %s", (hex, text) => {
    expect(disassemble(hex, true, 0x1000)).toBe(text);
  });

  it.each(lines(transcript32))("compatibility mode: %s is %s", (hex, text) => {
    expect(disassemble(hex, false, 0x1000)).toBe(text);
  });

  it("names targets, in the upper half too", () => {
    const symbol = (va: number): string | null => (va === -0x7e800000 ? "start" : null);
    expect(disassemble("eb fe", true, -0x7e800000, symbol)).toBe("jmp ffffffff81800000 <start>");
    expect(disassemble("eb ff", true, -0x7e800000, symbol)).toBe("jmp 0xffffffff81800001");
  });
});
