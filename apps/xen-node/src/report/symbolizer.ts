import { ImageError, kernelSymbols, type SymbolTable } from "@xen-node/guest-images";
import type { Symbolizer } from "@xen-node/hypervisor-core";
import type { GuestFiles } from "@xen-node/toolstack";

/** Names addresses by the kernel's own symbols (ELF symbol table or kallsyms), which are read when first asked for. */
export function symbolizerOf(files: GuestFiles): Symbolizer {
  let table: SymbolTable | null | undefined;
  return (va) => {
    if (table === undefined) table = symbolsOf(files);
    return table?.describe(va) ?? undefined;
  };
}

/** A kernel whose file was changed since it was started has no symbols: whoever asks has a crash to tell of. */
function symbolsOf({ kernel }: GuestFiles): SymbolTable | null {
  try {
    return kernelSymbols(kernel.elf);
  } catch (error) {
    if (error instanceof ImageError) return null;
    throw error;
  }
}
