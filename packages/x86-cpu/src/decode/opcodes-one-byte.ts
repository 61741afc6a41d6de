/**
 * The one-byte opcode map, without x87 (Intel SDM vol. 2, appendix A, tables ).
 *
 * One form a line: `encoding | mnemonic operands | flags`.
 * Encoding: a mandatory prefix (NP = none may stand there), the opcode bytes, `+r` = register in the low 3 bits,
 * `+cc` = condition in the low 4 bits, `/digit` = ModRM.reg, `mem`/`reg` = only with a memory/register ModRM, a further
 * byte = exactly that ModRM, `+i` = that ModRM plus 0..7. The more specific line wins.
 * Names: `cbw/cwde/cdqe` at operand size 2/4/8 (`by-address`: address size); `movd/movq` below 8/at 8.
 * Operands: see `OperandSpec`. Flags: `lock` LOCK allowed; `i64` invalid in 64-bit mode; `o64` only there; `d64` 64-bit
 * operand by default there; `f64` always there; `priv` needs CPL 0; `io` needs CPL <= IOPL; `rep` repeatable; and where
 * control goes: `jump`, `cond`, `call`, `ijump`, `icall`, `ret`, `sys`.
 */
export const oneByteOpcodes = `
00 | add Eb,Gb | lock
01 | add Ev,Gv | lock
02 | add Gb,Eb
03 | add Gv,Ev
04 | add AL,Ib
05 | add rAX,Iz
06 | push ES | i64
07 | pop ES | i64
08 | or Eb,Gb | lock
09 | or Ev,Gv | lock
0A | or Gb,Eb
0B | or Gv,Ev
0C | or AL,Ib
0D | or rAX,Iz
0E | push CS | i64
10 | adc Eb,Gb | lock
11 | adc Ev,Gv | lock
12 | adc Gb,Eb
13 | adc Gv,Ev
14 | adc AL,Ib
15 | adc rAX,Iz
16 | push SS | i64
17 | pop SS | i64
18 | sbb Eb,Gb | lock
19 | sbb Ev,Gv | lock
1A | sbb Gb,Eb
1B | sbb Gv,Ev
1C | sbb AL,Ib
1D | sbb rAX,Iz
1E | push DS | i64
1F | pop DS | i64
20 | and Eb,Gb | lock
21 | and Ev,Gv | lock
22 | and Gb,Eb
23 | and Gv,Ev
24 | and AL,Ib
25 | and rAX,Iz
27 | daa | i64
28 | sub Eb,Gb | lock
29 | sub Ev,Gv | lock
2A | sub Gb,Eb
2B | sub Gv,Ev
2C | sub AL,Ib
2D | sub rAX,Iz
2F | das | i64
30 | xor Eb,Gb | lock
31 | xor Ev,Gv | lock
32 | xor Gb,Eb
33 | xor Gv,Ev
34 | xor AL,Ib
35 | xor rAX,Iz
37 | aaa | i64
38 | cmp Eb,Gb
39 | cmp Ev,Gv
3A | cmp Gb,Eb
3B | cmp Gv,Ev
3C | cmp AL,Ib
3D | cmp rAX,Iz
3F | aas | i64
40+r | inc Zv | i64
48+r | dec Zv | i64
50+r | push Zv | d64
58+r | pop Zv | d64
60 | pusha | i64
61 | popa | i64
62 | bound Gv,Ma | i64
63 | arpl Ew,Gw | i64
63 | movsxd Gv,Ez | o64
68 | push Iz | d64
69 | imul Gv,Ev,Iz
6A | push Ibs | d64
6B | imul Gv,Ev,Ibs
6C | ins Yb,DX | rep io
6D | ins Yz,DX | rep io
6E | outs DX,Xb | rep io
6F | outs DX,Xz | rep io
70+cc | jcc Jb | f64 cond
80 /0 | add Eb,Ib | lock
80 /1 | or Eb,Ib | lock
80 /2 | adc Eb,Ib | lock
80 /3 | sbb Eb,Ib | lock
80 /4 | and Eb,Ib | lock
80 /5 | sub Eb,Ib | lock
80 /6 | xor Eb,Ib | lock
80 /7 | cmp Eb,Ib
81 /0 | add Ev,Iz | lock
81 /1 | or Ev,Iz | lock
81 /2 | adc Ev,Iz | lock
81 /3 | sbb Ev,Iz | lock
81 /4 | and Ev,Iz | lock
81 /5 | sub Ev,Iz | lock
81 /6 | xor Ev,Iz | lock
81 /7 | cmp Ev,Iz
82 /0 | add Eb,Ib | lock i64
82 /1 | or Eb,Ib | lock i64
82 /2 | adc Eb,Ib | lock i64
82 /3 | sbb Eb,Ib | lock i64
82 /4 | and Eb,Ib | lock i64
82 /5 | sub Eb,Ib | lock i64
82 /6 | xor Eb,Ib | lock i64
82 /7 | cmp Eb,Ib | i64
83 /0 | add Ev,Ibs | lock
83 /1 | or Ev,Ibs | lock
83 /2 | adc Ev,Ibs | lock
83 /3 | sbb Ev,Ibs | lock
83 /4 | and Ev,Ibs | lock
83 /5 | sub Ev,Ibs | lock
83 /6 | xor Ev,Ibs | lock
83 /7 | cmp Ev,Ibs
84 | test Eb,Gb
85 | test Ev,Gv
86 | xchg Eb,Gb | lock
87 | xchg Ev,Gv | lock
88 | mov Eb,Gb
89 | mov Ev,Gv
8A | mov Gb,Eb
8B | mov Gv,Ev
8C | mov Rv/Mw,Sw
8D | lea Gv,M
8E | mov Sw,Rv/Mw
8F /0 | pop Ev | d64
90 | nop
F3 90 | pause
REX.B 90 | xchg Zv,rAX
91 | xchg Zv,rAX
92 | xchg Zv,rAX
93 | xchg Zv,rAX
94 | xchg Zv,rAX
95 | xchg Zv,rAX
96 | xchg Zv,rAX
97 | xchg Zv,rAX
98 | cbw/cwde/cdqe
99 | cwd/cdq/cqo
9A | callf Ap | i64 sys
9B | fwait
9C | pushfw/pushf/pushf | d64
9D | popfw/popf/popf | d64
9E | sahf
9F | lahf
A0 | mov AL,Ob
A1 | mov rAX,Ov
A2 | mov Ob,AL
A3 | mov Ov,rAX
A4 | movs Yb,Xb | rep
A5 | movs Yv,Xv | rep
A6 | cmps Xb,Yb | rep
A7 | cmps Xv,Yv | rep
A8 | test AL,Ib
A9 | test rAX,Iz
AA | stos Yb,AL | rep
AB | stos Yv,rAX | rep
AC | lods AL,Xb | rep
AD | lods rAX,Xv | rep
AE | scas AL,Yb | rep
AF | scas rAX,Yv | rep
B0+r | mov Zb,Ib
B8+r | mov Zv,Iv
C0 /0 | rol Eb,Ib
C0 /1 | ror Eb,Ib
C0 /2 | rcl Eb,Ib
C0 /3 | rcr Eb,Ib
C0 /4 | shl Eb,Ib
C0 /5 | shr Eb,Ib
C0 /6 | shl Eb,Ib
C0 /7 | sar Eb,Ib
C1 /0 | rol Ev,Ib
C1 /1 | ror Ev,Ib
C1 /2 | rcl Ev,Ib
C1 /3 | rcr Ev,Ib
C1 /4 | shl Ev,Ib
C1 /5 | shr Ev,Ib
C1 /6 | shl Ev,Ib
C1 /7 | sar Ev,Ib
C2 | ret Iw | f64 ret
C3 | ret | f64 ret
C4 | les Gv,Mp | i64
C5 | lds Gv,Mp | i64
C6 /0 | mov Eb,Ib
C7 /0 | mov Ev,Iz
C8 | enter Iw,Ib | d64
C9 | leave | d64
CA | retfw/retf/retfq Iw | sys
CB | retfw/retf/retfq | sys
CC | int3 | sys
CD | int Ib | sys
CE | into | i64 sys
CF | iretw/iret/iretq | sys
D0 /0 | rol Eb,1
D0 /1 | ror Eb,1
D0 /2 | rcl Eb,1
D0 /3 | rcr Eb,1
D0 /4 | shl Eb,1
D0 /5 | shr Eb,1
D0 /6 | shl Eb,1
D0 /7 | sar Eb,1
D1 /0 | rol Ev,1
D1 /1 | ror Ev,1
D1 /2 | rcl Ev,1
D1 /3 | rcr Ev,1
D1 /4 | shl Ev,1
D1 /5 | shr Ev,1
D1 /6 | shl Ev,1
D1 /7 | sar Ev,1
D2 /0 | rol Eb,CL
D2 /1 | ror Eb,CL
D2 /2 | rcl Eb,CL
D2 /3 | rcr Eb,CL
D2 /4 | shl Eb,CL
D2 /5 | shr Eb,CL
D2 /6 | shl Eb,CL
D2 /7 | sar Eb,CL
D3 /0 | rol Ev,CL
D3 /1 | ror Ev,CL
D3 /2 | rcl Ev,CL
D3 /3 | rcr Ev,CL
D3 /4 | shl Ev,CL
D3 /5 | shr Ev,CL
D3 /6 | shl Ev,CL
D3 /7 | sar Ev,CL
D4 | aam Ib | i64
D5 | aad Ib | i64
D6 | salc | i64
D7 | xlat
E0 | loopne Jb | f64 cond
E1 | loope Jb | f64 cond
E2 | loop Jb | f64 cond
E3 | jcxz/jecxz/jrcxz Jb | f64 cond by-address
E4 | in AL,Ib | io
E5 | in eAX,Ib | io
E6 | out Ib,AL | io
E7 | out Ib,eAX | io
E8 | call Jz | f64 call
E9 | jmp Jz | f64 jump
EA | jmpf Ap | i64 sys
EB | jmp Jb | f64 jump
EC | in AL,DX | io
ED | in eAX,DX | io
EE | out DX,AL | io
EF | out DX,eAX | io
F1 | int1 | sys
F4 | hlt | priv sys
F5 | cmc
F6 /0 | test Eb,Ib
F6 /1 | test Eb,Ib
F6 /2 | not Eb | lock
F6 /3 | neg Eb | lock
F6 /4 | mul Eb
F6 /5 | imul Eb
F6 /6 | div Eb
F6 /7 | idiv Eb
F7 /0 | test Ev,Iz
F7 /1 | test Ev,Iz
F7 /2 | not Ev | lock
F7 /3 | neg Ev | lock
F7 /4 | mul Ev
F7 /5 | imul Ev
F7 /6 | div Ev
F7 /7 | idiv Ev
F8 | clc
F9 | stc
FA | cli | io
FB | sti | io
FC | cld
FD | std
FE /0 | inc Eb | lock
FE /1 | dec Eb | lock
FF /0 | inc Ev | lock
FF /1 | dec Ev | lock
FF /2 | call Ev | f64 icall
FF /3 | callf Mp | sys
FF /4 | jmp Ev | f64 ijump
FF /5 | jmpf Mp | sys
FF /6 | push Ev | d64
`;
