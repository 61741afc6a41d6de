import {
  type Abi,
  type ArraySpec,
  type FieldSpec,
  type Scalar,
  type StructLayout,
  type StructSpec,
  specs,
  structsOf,
} from "@xen-node/xen-abi";

const C_TYPES: Record<Scalar, string> = {
  u8: "uint8_t",
  i8: "int8_t",
  char: "char",
  u16: "uint16_t",
  i16: "int16_t",
  u32: "uint32_t",
  i32: "int32_t",
  u64: "uint64_t",
  i64: "int64_t",
  ulong: "xen_ulong_t",
  pfn: "xen_pfn_t",
  handle: "void *",
};

const isArray = (field: FieldSpec): field is ArraySpec => typeof field === "object" && "element" in field;

function declaration(name: string, field: FieldSpec, abi: Abi, indent: string): string {
  const element = isArray(field) ? field.element : field;
  const count = !isArray(field) ? undefined : typeof field.count === "number" ? field.count : field.count[abi];
  const suffix = count === undefined ? "" : `[${count === 0 ? "" : count}]`;
  if (typeof element === "string") {
    const type = C_TYPES[element];
    return `${indent}${type}${type.endsWith("*") ? "" : " "}${name}${suffix};`;
  }
  if (element.tag !== null) return `${indent}${element.kind} ${element.tag} ${name}${suffix};`;
  return `${indent}${element.kind} {\n${body(element, abi, `${indent}    `)}\n${indent}} ${name}${suffix};`;
}

function body(spec: StructSpec, abi: Abi, indent: string): string {
  return Object.entries(spec.fields[abi])
    .map(([name, field]) => declaration(name, field, abi, indent))
    .join("\n");
}

/** A structure, and the compiler's word that it lies in memory as Xen reads it. */
function definition(spec: StructSpec, layout: StructLayout, abi: Abi): string {
  const type = `${spec.kind} ${spec.tag}`;
  const asserts = Object.keys(spec.fields[abi]).map(
    (name) => `XEN_ASSERT(offsetof(${type}, ${name}) == ${layout.offsets[name]});`,
  );
  return [
    `${type} {`,
    body(spec, abi, "    "),
    "};",
    `typedef ${type} ${spec.tag}_t;`,
    `XEN_ASSERT(sizeof(${type}) == ${layout.size});`,
    ...asserts,
  ].join("\n");
}

/** Tags in an order in which each structure comes after its members. */
function inOrder(abi: Abi): StructSpec[] {
  const ordered = new Set<StructSpec>();
  const add = (spec: StructSpec): void => {
    if (ordered.has(spec)) return;
    for (const field of Object.values(spec.fields[abi])) {
      const element = isArray(field) ? field.element : field;
      if (typeof element !== "string") add(element);
    }
    if (spec.tag !== null) ordered.add(spec);
  };
  for (const spec of Object.values(specs)) add(spec);
  return [...ordered];
}

/** Structures that the other ABI's headers do not have (the tests of xen-abi list the same). */
const ONLY_IN: { readonly [tag: string]: Abi } = { xen_callback: "x86_32", iret_context: "x86_64" };

/** Definitions of every structure for one ABI. */
export function structDefinitions(abi: Abi): string[] {
  const layouts: { readonly [tag: string]: StructLayout } = structsOf[abi];
  return inOrder(abi)
    .filter(({ tag }) => (ONLY_IN[tag ?? ""] ?? abi) === abi)
    .map((spec) => definition(spec, layouts[spec.tag ?? ""], abi));
}
