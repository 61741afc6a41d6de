import { UserError } from "../user-error.ts";
import { compareVersions } from "./package-version.ts";
import type { PackageParagraph } from "./packages-index.ts";

/** One alternative of a dependency, "libc6 (>= 2.36)". */
export interface Relation {
  name: string;
  operator?: string;
  version?: string;
}

/** The fields of an index that resolving and downloading need. */
export const RESOLVER_FIELDS: ReadonlySet<string> = new Set([
  ...["package", "version", "architecture", "essential", "priority", "provides", "conflicts", "breaks"],
  ...["pre-depends", "depends", "filename", "size", "sha256"],
]);

/** Parses a field of relations (deb-control(5)): a list of dependencies, each a list of alternatives. */
export function parseRelations(field = ""): Relation[][] {
  return field
    .split(",")
    .filter((clause) => clause.trim() !== "")
    .map((clause) => clause.split("|").map(parseRelation));
}

function parseRelation(text: string): Relation {
  const found = /^\s*([^\s(:[]+)(?::[a-z0-9-]+)?\s*(?:\(\s*([<>=]+)\s*([^\s)]+)\s*\))?/.exec(text);
  if (found === null) throw new UserError(`the package index holds a dependency that cannot be read: ${text.trim()}.`);
  const [, name, operator, version] = found;
  return operator === undefined ? { name } : { name, operator, version };
}

/** The packages of an index that stand for amd64, of each name the newest. */
export function newestPackages(paragraphs: Iterable<PackageParagraph>): Map<string, PackageParagraph> {
  const packages = new Map<string, PackageParagraph>();
  for (const paragraph of paragraphs) {
    const name = paragraph.get("package");
    // Files are named after packages.
    if (name === undefined || !/^[a-z0-9][a-z0-9+.-]+$/.test(name)) continue;
    if (!/^(amd64|all)$/.test(paragraph.get("architecture") ?? "all")) continue;
    const other = packages.get(name);
    if (other === undefined || compareVersions(version(paragraph), version(other)) > 0) packages.set(name, paragraph);
  }
  return packages;
}

/**
 * The packages that must be installed for the wanted ones and every essential one: what they depend on, by name. An
 * alternative that is installed anyway is taken, else the first that there is, as its own package or as one that provides
 * it.
 *
 * @throws UserError, one sentence, if something is not to be had or two of them conflict.
 */
export function resolvePackages(
  packages: ReadonlyMap<string, PackageParagraph>,
  wanted: readonly string[],
): PackageParagraph[] {
  const providers = providersOf(packages.values());
  const chosen = new Map<string, PackageParagraph>();
  const queue: PackageParagraph[] = [];
  const choose = (paragraph: PackageParagraph): void => {
    if (chosen.has(name(paragraph))) return;
    chosen.set(name(paragraph), paragraph);
    queue.push(paragraph);
  };
  /** The packages that satisfy a relation, the one of its name first. */
  const satisfying = (relation: Relation): PackageParagraph[] => {
    const own = packages.get(relation.name);
    return [
      ...(own !== undefined && admits(relation, version(own)) ? [own] : []),
      ...(providers.get(relation.name) ?? [])
        .filter((provider) => relation.version === undefined || admits(relation, provider.version))
        .map((provider) => provider.paragraph),
    ];
  };

  for (const paragraph of packages.values()) if (paragraph.get("essential") === "yes") choose(paragraph);
  for (const root of wanted) {
    const [paragraph] = satisfying({ name: root });
    if (paragraph === undefined) throw new UserError(`there is no package ${root}: take it from a mirror of Debian.`);
    choose(paragraph);
  }
  for (const paragraph of queue) {
    for (const alternatives of ["pre-depends", "depends"].flatMap((field) => parseRelations(paragraph.get(field)))) {
      const candidates = alternatives.flatMap(satisfying);
      if (candidates.some((candidate) => chosen.get(name(candidate)) === candidate)) continue;
      const [first] = candidates;
      if (first === undefined) {
        const clause = alternatives.map((alternative) => alternative.name).join(" | ");
        throw new UserError(`${name(paragraph)} depends on ${clause}, which is not to be had: use a mirror of Debian.`);
      }
      choose(first);
    }
  }
  checkConflicts(chosen, satisfying);
  return [...chosen.values()].sort((a, b) => (name(a) < name(b) ? -1 : 1));
}

function checkConflicts(
  chosen: ReadonlyMap<string, PackageParagraph>,
  satisfying: (relation: Relation) => PackageParagraph[],
): void {
  for (const paragraph of chosen.values()) {
    for (const [relation] of ["conflicts", "breaks"].flatMap((field) => parseRelations(paragraph.get(field)))) {
      const other = satisfying(relation).find(
        (candidate) => candidate !== paragraph && chosen.get(name(candidate)) === candidate,
      );
      if (other !== undefined)
        throw new UserError(
          `the packages ${name(paragraph)} and ${name(other)} conflict: use another mirror or suite.`,
        );
    }
  }
}

interface Provider {
  paragraph: PackageParagraph;
  /** Undefined if it provides the name without a version, which no versioned dependency takes. */
  version: string | undefined;
}

/** Who provides each name, the more important packages first. */
function providersOf(paragraphs: Iterable<PackageParagraph>): Map<string, Provider[]> {
  const providers = new Map<string, Provider[]>();
  for (const paragraph of paragraphs) {
    for (const [{ name: provided, version }] of parseRelations(paragraph.get("provides"))) {
      const list = providers.get(provided);
      if (list === undefined) providers.set(provided, [{ paragraph, version }]);
      else list.push({ paragraph, version });
    }
  }
  const priorities = ["required", "important", "standard", "optional"];
  const rank = ({ paragraph }: Provider): number => {
    const at = priorities.indexOf(paragraph.get("priority") ?? "");
    return at < 0 ? priorities.length : at;
  };
  for (const list of providers.values())
    list.sort((a, b) => rank(a) - rank(b) || (name(a.paragraph) < name(b.paragraph) ? -1 : 1));
  return providers;
}

function admits({ operator, version: bound }: Relation, candidate: string | undefined): boolean {
  if (operator === undefined || bound === undefined) return true;
  if (candidate === undefined) return false;
  const order = compareVersions(candidate, bound);
  switch (operator) {
    case "<<":
      return order < 0;
    case "<=":
    case "<":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
    case ">":
      return order >= 0;
    case ">>":
      return order > 0;
    default:
      return false;
  }
}

const name = (paragraph: PackageParagraph): string => paragraph.get("package") ?? "";
const version = (paragraph: PackageParagraph): string => paragraph.get("version") ?? "";
