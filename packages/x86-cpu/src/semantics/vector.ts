import { type OpcodeEntry, opcodeEntries } from "../decode/index.ts";
import type { EmissionContext } from "./emission-context.ts";
import { vectorApproximations } from "./vector-approximations.ts";
import { VectorContext, type VectorFunctions, type VectorSemantics } from "./vector-context.ts";
import { vectorConversions } from "./vector-conversions.ts";
import { vectorFloats } from "./vector-float.ts";
import { vectorIntegers } from "./vector-integer.ts";
import { vectorMoves } from "./vector-moves.ts";
import { isSized, isVectorEntry, kindsOf, type VectorKind, vectorHandlerName } from "./vector-operands.ts";
import { vectorShuffles } from "./vector-shuffles.ts";
import { vectorStrings } from "./vector-strings.ts";

/** What every MMX and SSE instruction does, by mnemonic. */
export const vectorSemantics: ReadonlyMap<string, VectorSemantics> = new Map(
  [
    vectorMoves,
    vectorIntegers,
    vectorShuffles,
    vectorStrings,
    vectorFloats,
    vectorConversions,
    vectorApproximations,
  ].flatMap((group) => Object.entries(group)),
);

/** All combinations of what the operands of an entry can be. One operand at most is memory, as there is one ModRM. */
function combinations(entry: OpcodeEntry): VectorKind[][] {
  let out: VectorKind[][] = [[]];
  for (const operand of entry.operands) {
    const kinds = kindsOf(operand);
    if (kinds.length > 0) out = out.flatMap((before) => kinds.map((kind) => [...before, kind]));
  }
  return out;
}

/** A vector instruction at one set of operand kinds: `emit` against either tier's context. */
export interface VectorForm {
  readonly name: string;
  emit(core: EmissionContext): void;
}

/** MMX and SSE handlers: one for each entry of the opcode table and kind of its operands. */
export function vectorForms(shared: VectorFunctions): VectorForm[] {
  const handlers = new Map<string, VectorForm>();
  for (const entry of opcodeEntries) {
    if (!isVectorEntry(entry)) continue;
    const semantics = vectorSemantics.get(entry.mnemonic);
    if (semantics === undefined) throw new Error(`no semantics for ${entry.mnemonic}`);
    for (const kinds of combinations(entry)) {
      for (const size of isSized(entry) ? ([4, 8] as const) : ([8] as const)) {
        const name = vectorHandlerName(entry, kinds.join(""), size);
        // Encodings that differ in direction alone share a handler.
        if (handlers.has(name)) continue;
        handlers.set(name, {
          name,
          emit(core) {
            const context = new VectorContext(core, shared, entry, kinds, size);
            semantics(context);
            context.end();
          },
        });
      }
    }
  }
  return [...handlers.values()];
}
