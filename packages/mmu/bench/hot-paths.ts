import { Access, MachineMemory, Mmu } from "../src/index.ts";

const mmu = new Mmu(new MachineMemory({ bytes: 512 * 2 ** 20 }));
const { frames, types, memory, tlb, walker } = mmu;
const poke = (t: number, i: number, m: number, f: number) => {
  memory.u32[frames.hostAddress(t) / 4 + 2 * i] = (m << 12) | f;
};
const pages = 65536;
function build() {
  const l4 = frames.alloc(1),
    l3 = frames.alloc(1),
    l2 = frames.alloc(1);
  poke(l4, 0, l3, 7);
  poke(l3, 0, l2, 7);
  const l1s: number[] = [];
  for (let i = 0; i < pages / 512; i++) {
    const l1 = frames.alloc(1);
    l1s.push(l1);
    poke(l2, i, l1, 7);
  }
  for (let i = 0; i < pages; i++) poke(l1s[i >> 9], i & 511, frames.alloc(1), 7);
  return { l4, l1s };
}
const t = build();
const time = (name: string, n: number, f: () => void) => {
  const s = performance.now();
  f();
  const e = performance.now() - s;
  console.log(name.padEnd(34), e.toFixed(2), "ms", ((e * 1e6) / n).toFixed(0), "ns each");
};
for (let r = 0; r < 4; r++) {
  time("pin 256 MiB tree", pages, () => {
    if (types.pin(t.l4, 4, 1)) throw 1;
  });
  time("unpin", pages, () => {
    types.unpin(t.l4, 1);
  });
}
types.pin(t.l4, 4, 1);
const base = tlb.activate(1, t.l4);
// other address spaces with live banks
for (let k = 0; k < 20; k++) {
  const l4 = frames.alloc(1);
  poke(l4, 0, memory.u32[frames.hostAddress(t.l4) / 4] >>> 12, 7);
  if (types.pin(l4, 4, 1)) throw 2;
  const b = tlb.activate(1, l4);
  for (let i = 0; i < 300; i++) tlb.fill(b, i << 12, 0, 1);
}
for (let r = 0; r < 4; r++) {
  time("walk read", 1e6, () => {
    for (let i = 0; i < 1e6; i++) walker.walk(t.l4, (i * 4096) & 0xfffffff, 0, 0, true);
  });
  time("fill read", 1e6, () => {
    for (let i = 0; i < 1e6; i++) tlb.fill(base, (i * 4096) & 0xfffffff, 0, Access.read);
  });
  time("fill 200 + flush", 1e5, () => {
    for (let k = 0; k < 500; k++) {
      for (let i = 0; i < 200; i++) tlb.fill(base, i * 4096, 0, Access.write);
      tlb.flushBank(base);
    }
  });
  time("modL1 rw<->ro, accessed, 21 banks", 1e5, () => {
    for (let i = 0; i < 1e5; i++) {
      const l1 = t.l1s[i & 127];
      const w = frames.hostAddress(l1) / 4 + 2 * ((i >> 7) & 511);
      types.modL1(l1, (i >> 7) & 511, memory.u32[w] ^ 2, memory.u32[w + 1], 1);
    }
  });
  time("modEntry clear + set, untouched", 2e5, () => {
    for (let i = 0; i < 1e5; i++) {
      const l1 = t.l1s[i & 127];
      const w = frames.hostAddress(l1) / 4 + 2 * ((i >> 7) & 511);
      const lo = memory.u32[w] & ~0x60;
      memory.u32[w] = lo;
      types.modEntry(l1, (i >> 7) & 511, 0, 0, 1);
      types.modEntry(l1, (i >> 7) & 511, lo, 0, 1);
    }
  });
  time("activate x2", 1e6, () => {
    for (let i = 0; i < 5e5; i++) {
      tlb.activate(1, t.l4);
      tlb.activate(1, t.l4);
    }
  });
}
