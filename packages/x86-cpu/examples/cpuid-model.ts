// Shows a program another processor than the default one: CPUID is an object, the decoder knows nothing of it.
import { Mmu } from "@xen-node/mmu";
import { AddressSpace, Cpu, type CpuidModel, ExitReason, X8664V2Cpuid } from "../src/index.ts";

const standard = new X8664V2Cpuid();
const withoutSse42: CpuidModel = {
  cpuid(leaf, subleaf) {
    const result = standard.cpuid(leaf, subleaf);
    return leaf === 1 ? { ...result, ecx: result.ecx & ~(1 << 20) } : result;
  },
};

for (const cpuid of [standard, withoutSse42]) {
  const cpu = new Cpu(new Mmu(), { cpuid });
  const space = new AddressSpace(cpu.mmu);
  cpu.setAddressSpace(space.activate(), space.l4Mfn);
  space.map(0x1000);
  space.write(0x1000, [0xb8, 1, 0, 0, 0, 0x0f, 0xa2, 0xcd, 0x80]); // mov eax,1; cpuid; int 0x80
  cpu.state.rip = 0x1000;
  const stopped = cpu.run(1000) === ExitReason.SOFT_INT && cpu.state.exitVector === 0x80;
  console.log(`int 0x80: ${stopped}, SSE4.2: ${(cpu.state.regLo(1) & (1 << 20)) !== 0}`);
}
