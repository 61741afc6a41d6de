import { arithmeticForms } from "../semantics/arithmetic.ts";
import { bitForms } from "../semantics/bits.ts";
import type { OperandSize } from "../semantics/context.ts";
import { type ControlForm, controlForms, stackForms } from "../semantics/control.ts";
import type { EmissionContext } from "../semantics/emission-context.ts";
import { type Form, handlerName, type OperandKinds } from "../semantics/registry.ts";
import { shiftForms } from "../semantics/shifts.ts";
import { stringForms } from "../semantics/strings.ts";
import { temporaryForms } from "./temporaries.ts";

/** Makes the context that a form is emitted against. */
export type ContextFactory = (
  size: OperandSize,
  kinds: OperandKinds,
  readsOnly: boolean,
  segmented: boolean,
) => EmissionContext;

/** What a record's handler stands for. */
export interface HandlerSemantics {
  readonly name: string;
  /** The interpreter keeps it in its main loop; others are functions of their own. */
  readonly hot: boolean;
  /** Emits it against a context of any tier. */
  emit(make: ContextFactory): void;
}

export const forms: readonly Form[] = [
  ...arithmeticForms,
  ...bitForms,
  ...shiftForms,
  ...stackForms,
  ...stringForms,
  ...temporaryForms,
];

/** Every integer form at each of its sizes and operand kinds. */
export const formHandlers: readonly HandlerSemantics[] = forms.flatMap((form) =>
  form.sizes.flatMap((size) =>
    form.kinds.map((kinds) => ({
      name: handlerName(form.name, size, kinds),
      hot: form.hot(size, kinds),
      emit: (make: ContextFactory) => form.emit(make(size, kinds, form.readsOnly ?? false, form.segmented ?? false)),
    })),
  ),
);

/** Name of a transfer's handler. */
export const controlName = (form: ControlForm): string => `${form.name}.${form.kind}`;

export const controlHandlers: ReadonlyMap<string, ControlForm> = new Map(
  controlForms.map((form) => [controlName(form), form]),
);

/** The instruction that a handler does, where it does the next one too: "cmp64.rr" of "cmp64.rr+je". */
export function withoutFusion(name: string): string {
  const plus = name.indexOf("+");
  return plus < 0 ? name : name.slice(0, plus);
}
