import { kernelSymbols, type SymbolTable } from "@xen-node/guest-images";
import type { Symbolizer } from "@xen-node/hypervisor-core";
import type { GuestFiles } from "@xen-node/toolstack";

/** Names addresses by the kernel's own symbols (ELF symbol table or kallsyms), which are read when first asked for. */
export function symbolizerOf(files: GuestFiles): Symbolizer {
  let table: SymbolTable | null | undefined;
  return (va) => {
    if (table === undefined) table = kernelSymbols(files.kernel.elf);
    return table?.describe(va) ?? undefined;
  };
}
