import type { Group } from "./forms.ts";
import type { CaseDraft } from "./tuning.ts";

/** Gives the registers of MMX, SSE and x87 instructions directed values. */
export function addFloatingPoint(_draft: CaseDraft, _group: Group): void {}
