/**
 * The 0F map without the vector instructions (Intel SDM vol. 2, appendix A, tables ). LZCNT, TZCNT and later
 * extensions are absent on purpose: x86-64-v2 runs F3 0F BD and F3 0F BC as BSR and BSF.
 * Line format: see opcodes-one-byte.ts.
 */
export const twoByteOpcodes = `
0F 00 /0 | sldt Rv/Mw
0F 00 /1 | str Rv/Mw
0F 00 /2 | lldt Ew | priv
0F 00 /3 | ltr Ew | priv
0F 00 /4 | verr Ew
0F 00 /5 | verw Ew
0F 01 /0 mem | sgdt Ms
0F 01 /1 mem | sidt Ms
0F 01 /2 mem | lgdt Ms | priv
0F 01 /3 mem | lidt Ms | priv
0F 01 /4 | smsw Rv/Mw
0F 01 /6 | lmsw Ew | priv
0F 01 /7 mem | invlpg Mb | priv
NP 0F 01 C1 | vmcall | sys
NP 0F 01 C8 | monitor | priv
NP 0F 01 C9 | mwait | priv
NP 0F 01 D0 | xgetbv
NP 0F 01 D1 | xsetbv | priv
NP 0F 01 D9 | vmmcall | sys
0F 01 F8 | swapgs | o64 priv
0F 01 F9 | rdtscp
0F 02 | lar Gv,Rv/Mw
0F 03 | lsl Gv,Rv/Mw
0F 05 | syscall | sys
0F 06 | clts | priv
0F 07 | sysretd/sysretd/sysretq | priv sys
0F 08 | invd | priv
0F 09 | wbinvd | priv
0F 0B | ud2 | sys
0F 0D | nop Ev
0F 0D mem | prefetch Mb
0F 0D /1 mem | prefetchw Mb
0F 18 | nop Ev
0F 18 /0 mem | prefetchnta Mb
0F 18 /1 mem | prefetcht0 Mb
0F 18 /2 mem | prefetcht1 Mb
0F 18 /3 mem | prefetcht2 Mb
0F 19 | nop Ev
0F 1A | nop Ev
0F 1B | nop Ev
0F 1C | nop Ev
0F 1D | nop Ev
0F 1E | nop Ev
F3 0F 1E FA | endbr64
F3 0F 1E FB | endbr32
0F 1F | nop Ev
0F 20 | mov Rn,Cd | priv
0F 21 | mov Rn,Dd | priv
0F 22 | mov Cd,Rn | priv
0F 23 | mov Dd,Rn | priv
0F 30 | wrmsr | priv
0F 31 | rdtsc
0F 32 | rdmsr | priv
0F 33 | rdpmc | priv
0F 34 | sysenter | sys
0F 35 | sysexitd/sysexitd/sysexitq | priv sys
0F 40+cc | cmovcc Gv,Ev
0F 80+cc | jcc Jz | f64 cond
0F 90+cc | setcc Eb
0F A0 | push FS | d64
0F A1 | pop FS | d64
0F A2 | cpuid
0F A3 | bt Ev,Gv
0F A4 | shld Ev,Gv,Ib
0F A5 | shld Ev,Gv,CL
0F A8 | push GS | d64
0F A9 | pop GS | d64
0F AB | bts Ev,Gv | lock
0F AC | shrd Ev,Gv,Ib
0F AD | shrd Ev,Gv,CL
NP 0F AE /0 mem | fxsave/fxsave64 Mfx
NP 0F AE /1 mem | fxrstor/fxrstor64 Mfx
NP 0F AE /2 mem | ldmxcsr Md
NP 0F AE /3 mem | stmxcsr Md
NP 0F AE /4 mem | xsave/xsave64 Mxs
NP 0F AE /5 mem | xrstor/xrstor64 Mxs
NP 0F AE /6 mem | xsaveopt/xsaveopt64 Mxs
NP 0F AE /7 mem | clflush Mb
NP 0F AE /5 reg | lfence
NP 0F AE /6 reg | mfence
NP 0F AE /7 reg | sfence
F3 0F AE /0 reg | rdfsbase Ry | o64
F3 0F AE /1 reg | rdgsbase Ry | o64
F3 0F AE /2 reg | wrfsbase Ry | o64
F3 0F AE /3 reg | wrgsbase Ry | o64
0F AF | imul Gv,Ev
0F B0 | cmpxchg Eb,Gb | lock
0F B1 | cmpxchg Ev,Gv | lock
0F B2 mem | lss Gv,Mp
0F B3 | btr Ev,Gv | lock
0F B4 mem | lfs Gv,Mp
0F B5 mem | lgs Gv,Mp
0F B6 | movzx Gv,Eb
0F B7 | movzx Gv,Ew
F3 0F B8 | popcnt Gv,Ev
0F B9 | ud1 Gv,Ev | sys
0F BA /4 | bt Ev,Ib
0F BA /5 | bts Ev,Ib | lock
0F BA /6 | btr Ev,Ib | lock
0F BA /7 | btc Ev,Ib | lock
0F BB | btc Ev,Gv | lock
0F BC | bsf Gv,Ev
0F BD | bsr Gv,Ev
0F BE | movsx Gv,Eb
0F BF | movsx Gv,Ew
0F C0 | xadd Eb,Gb | lock
0F C1 | xadd Ev,Gv | lock
0F C7 /1 mem | cmpxchg8b/cmpxchg16b Mpair | lock
0F C8+r | bswap Zv
0F FF | ud0 Gv,Ev | sys
`;
