/** One paragraph of a Debian Packages index, or of what `apt-cache` prints: field names in lower case. */
export type PackageParagraph = ReadonlyMap<string, string>;

/**
 * Parses a Debian control file of many paragraphs (deb-control(5)). Continuation lines are joined with line breaks.
 *
 * @param kept names of the fields to keep, in lower case, since an index has tens of thousands of paragraphs; else all.
 */
export function* parsePackagesIndex(text: string, kept?: ReadonlySet<string>): Generator<PackageParagraph> {
  let fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split("\n")) {
    if (line.trim() === "") {
      if (fields.size > 0) yield fields;
      fields = new Map();
      last = undefined;
    } else if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last)}\n${line.trim()}`);
    } else {
      const colon = line.indexOf(":");
      if (colon < 0) continue;
      const name = line.slice(0, colon).toLowerCase();
      last = kept === undefined || kept.has(name) ? name : undefined;
      if (last !== undefined) fields.set(last, line.slice(colon + 1).trim());
    }
  }
  if (fields.size > 0) yield fields;
}

/**
 * The versioned kernel package that a meta package such as linux-image-amd64 stands for: the first linux-image-* among
 * its dependencies.
 */
export function kernelPackageOf(metaPackage: PackageParagraph): string | undefined {
  return metaPackage
    .get("depends")
    ?.split(/[,|]/)
    .map((dependency) => dependency.trim().split(/[ (]/)[0])
    .find((name) => /^linux-image-\d/.test(name));
}

/** "bash 5.2.15-2", or how many packages and megabytes. */
export function describePackages(packages: readonly PackageParagraph[]): string {
  const megabytes = Math.ceil(packages.reduce((sum, paragraph) => sum + Number(paragraph.get("size")), 0) / 1e6);
  const [first] = packages;
  const what =
    packages.length === 1 ? `${first.get("package")} ${first.get("version")}` : `${packages.length} packages`;
  return `${what} (${megabytes} MB)`;
}
