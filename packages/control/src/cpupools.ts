import * as v from "valibot";

const count = v.number();
/** A pool's name, or its number. */
const pool = v.string();
/** In xl's syntax: "0-3,^1". */
const processors = v.string();
const nothing = v.null();

export const cpupoolInfo = v.strictObject({
  id: count,
  name: v.string(),
  scheduler: v.string(),
  /** Their numbers, in order. */
  processors: v.array(count),
  /** How many domains belong to it, Domain-0 among them. */
  domains: count,
});
export type CpupoolInfo = v.InferOutput<typeof cpupoolInfo>;

/** Operations on pools of processors. */
export const cpupoolOperations = {
  /** All, by number. */
  "cpupool-list": { args: v.strictObject({}), result: v.array(cpupoolInfo) },
  /** `text` is an xlcpupool.cfg, `file` what messages call it. A dry run creates nothing. */
  "cpupool-create": {
    args: v.strictObject({
      text: v.string(),
      file: v.string(),
      /** The pool's name if the text has none. */
      defaultName: v.optional(v.string()),
      dryRun: v.boolean(),
    }),
    result: v.strictObject({
      name: v.string(),
      scheduler: v.string(),
      processors: v.array(count),
      warnings: v.array(v.string()),
    }),
  },
  "cpupool-destroy": { args: v.strictObject({ pool }), result: nothing },
  "cpupool-rename": { args: v.strictObject({ pool, name: v.string() }), result: nothing },
  "cpupool-cpu-add": { args: v.strictObject({ pool, processors }), result: nothing },
  "cpupool-cpu-remove": { args: v.strictObject({ pool, processors }), result: nothing },
  "cpupool-migrate": { args: v.strictObject({ domain: v.string(), pool }), result: nothing },
};
