import { NETWORK_SCRIPT, SCRIPT_FOLDER, UDHCPC_SCRIPT } from "./network-scripts.ts";
import { BOOT_SCRIPT, CONSOLE_SCRIPT, INITTAB, SHUTDOWN_COMMAND, SHUTDOWN_SCRIPT } from "./root-boot.ts";
import type { FileAttributes, StagingTree } from "./staging-tree.ts";

// What the scripts of Debian's packages would do when they are installed, as far as a guest needs it: none of them is run,
// since they are programs of the guest.

const HOST_NAME = "xen-node";

/** Where Debian gives its packages to everybody: a guest goes on from there, wherever its image was made from. */
const PUBLIC_ARCHIVE = "deb.debian.org";

/** Folders below / that Debian keeps in /usr, and the links in their place (base-files, usr-is-merged). */
const MERGED_FOLDERS = ["bin", "lib", "lib64", "sbin"];

/** Makes the links to folders that must be there before the first package is unpacked. */
export async function prepareRoot(tree: StagingTree, mtime: number): Promise<void> {
  const attributes = { mode: 0o755, uid: 0, gid: 0, mtime };
  for (const name of MERGED_FOLDERS) {
    await tree.directory(`usr/${name}`, attributes);
    await tree.symlink(name, `usr/${name}`, attributes);
  }
  for (const name of ["run", "run/lock"]) await tree.directory(name, attributes);
  await tree.symlink("var/run", "/run", attributes);
  await tree.symlink("var/lock", "/run/lock", attributes);
}

/** Configures a tree that Debian's packages have been unpacked into. */
export async function configureRoot(tree: StagingTree, mtime: number): Promise<void> {
  const write = new Writer(tree, mtime);
  await writeAccounts(write);
  await writeBaseFiles(write);
  await writeAlternatives(write);
  await writePam(write);
  await writeCertificates(write);
  await writeApt(write);
  await writeBoot(write);
}

/** Writes what is root's own. */
class Writer {
  constructor(
    readonly tree: StagingTree,
    private readonly mtime: number,
  ) {}

  file(path: string, contents: string | Uint8Array, { mode = 0o644, gid = 0 } = {}): Promise<void> {
    return this.tree.file(path, contents, this.own(mode, gid));
  }

  directory(path: string, { mode = 0o755, gid = 0 } = {}): Promise<void> {
    return this.tree.directory(path, this.own(mode, gid));
  }

  link(path: string, target: string): Promise<void> {
    return this.tree.symlink(path, target, this.own(0o777, 0));
  }

  async text(path: string): Promise<string> {
    return new TextDecoder().decode(await this.tree.read(path));
  }

  /** A file as the package ships it elsewhere, if it does. */
  async copy(path: string, from: string): Promise<void> {
    const contents = await this.tree.read(from);
    if (contents !== undefined) await this.file(path, contents);
  }

  private own(mode: number, gid: number): FileAttributes {
    return { mode, uid: 0, gid, mtime: this.mtime };
  }
}

/** Fixed numbers of Debian's groups (base-passwd). */
const SHADOW_GID = 42;
const UTMP_GID = 43;
const MAIL_GID = 8;
const STAFF_GID = 50;

/** Accounts as base-passwd and shadowconfig make them. No password opens any; the console needs none. */
async function writeAccounts(write: Writer): Promise<void> {
  const entries = async (path: string): Promise<string[]> =>
    (await write.text(path)).split("\n").filter((line) => line !== "");
  const users = await entries("usr/share/base-passwd/passwd.master");
  const groups = await entries("usr/share/base-passwd/group.master");
  const shadowed = (lines: string[]): string => lines.map((line) => `${line.replace(":*:", ":x:")}\n`).join("");
  await write.file("etc/passwd", shadowed(users));
  await write.file("etc/group", shadowed(groups));
  const names = (lines: string[]): string[] => lines.map((line) => line.split(":")[0]);
  const secret = { mode: 0o640, gid: SHADOW_GID };
  // The day when the password was last changed may not be 0, which asks for a new one.
  await write.file(
    "etc/shadow",
    names(users)
      .map((name) => `${name}:*:19000:0:99999:7:::\n`)
      .join(""),
    secret,
  );
  await write.file(
    "etc/gshadow",
    names(groups)
      .map((name) => `${name}:*::\n`)
      .join(""),
    secret,
  );
  await write.file("etc/subuid", "");
  await write.file("etc/subgid", "");
}

async function writeBaseFiles(write: Writer): Promise<void> {
  await write.copy("root/.profile", "usr/share/base-files/dot.profile");
  await write.copy("root/.bashrc", "usr/share/base-files/dot.bashrc");
  await write.copy("etc/profile", "usr/share/base-files/profile");
  await write.copy("etc/motd", "usr/share/base-files/motd");
  await write.copy("etc/nsswitch.conf", "usr/share/libc-bin/nsswitch.conf");
  await write.copy("usr/share/info/dir", "usr/share/base-files/info.dir");
  write.tree.change("root", { mode: 0o700 });
  for (const name of ["mnt", "srv", "opt", "etc/opt", "var/opt", "media", "proc", "sys", "dev"])
    await write.directory(name);
  await write.directory("tmp", { mode: 0o1777 });
  await write.directory("var/tmp", { mode: 0o1777 });
  await write.directory("var/mail", { mode: 0o2775, gid: MAIL_GID });
  await write.link("var/spool/mail", "../mail");
  const local = ["", "/share", "/share/man", "/share/ca-certificates", "/bin", "/games", "/lib", "/include"];
  for (const name of [...local, "/sbin", "/src", "/etc"]) await write.directory(`usr/local${name}`);
  await write.directory("var/local", { mode: 0o2775, gid: STAFF_GID });
  await write.link("usr/local/man", "share/man");
  await write.file("var/log/wtmp", "", { mode: 0o664, gid: UTMP_GID });
  await write.file("var/log/btmp", "", { mode: 0o660, gid: UTMP_GID });
  await write.file("var/log/lastlog", "", { mode: 0o664, gid: UTMP_GID });
  await write.file("var/log/faillog", "");

  const shells = [
    "usr/share/debianutils/shells",
    ...["bash", "dash"].map((name) => `usr/share/debianutils/shells.d/${name}`),
  ];
  const listed = (await Promise.all(shells.map((path) => write.text(path)))).join("");
  await write.file("etc/shells", listed || "/bin/sh\n/bin/bash\n");
  await write.file("etc/hostname", `${HOST_NAME}\n`);
  const addresses = ["127.0.0.1\tlocalhost", `127.0.1.1\t${HOST_NAME}`, "::1\tlocalhost ip6-localhost ip6-loopback"];
  await write.file("etc/hosts", `${addresses.join("\n")}\n`);
  await write.file("etc/fstab", "# The root file system is mounted as the kernel's root= says.\n");
  // The DHCP client writes it.
  await write.file("etc/resolv.conf", "");
  await write.file("etc/timezone", "Etc/UTC\n");
  await write.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
  await write.file("etc/default/locale", "LANG=C.UTF-8\n");
  await write.file("etc/environment", "");
  // Set on the file where capabilities can be, else as here (iputils-ping).
  write.tree.change("usr/bin/ping", { mode: 0o4755 });
}

/** What packages register with update-alternatives: the name's own link, the program, its priority and other names of it. */
const ALTERNATIVES: {
  name: string;
  link: string;
  path: string;
  priority: number;
  slaves: [string, string, string][];
}[] = [
  {
    name: "awk",
    link: "/usr/bin/awk",
    path: "/usr/bin/mawk",
    priority: 5,
    slaves: [["nawk", "/usr/bin/nawk", "/usr/bin/mawk"]],
  },
  { name: "pager", link: "/usr/bin/pager", path: "/usr/bin/less", priority: 77, slaves: [] },
  { name: "editor", link: "/usr/bin/editor", path: "/bin/nano", priority: 40, slaves: [] },
  { name: "rmt", link: "/usr/sbin/rmt", path: "/usr/sbin/rmt-tar", priority: 50, slaves: [] },
  { name: "which", link: "/usr/bin/which", path: "/usr/bin/which.debianutils", priority: 0, slaves: [] },
];

/** update-alternatives(1): a link in /etc/alternatives, and what it says in /var/lib/dpkg/alternatives. */
async function writeAlternatives(write: Writer): Promise<void> {
  for (const { name, link, path, priority, slaves } of ALTERNATIVES) {
    if (write.tree.find(path) === undefined) continue;
    const links: [string, string, string][] = [[name, link, path], ...slaves];
    for (const [own, from, to] of links) {
      await write.link(from, `/etc/alternatives/${own}`);
      await write.link(`etc/alternatives/${own}`, to);
    }
    const known = slaves.map(([own, from]) => `${own}\n${from}\n`).join("");
    const choice = [path, String(priority), ...slaves.map(([, , to]) => to)].join("\n");
    await write.file(`var/lib/dpkg/alternatives/${name}`, `auto\n${link}\n${known}\n${choice}\n\n`);
  }
}

/** What pam-auth-update makes of the profile "unix", the only one there is. */
async function writePam(write: Writer): Promise<void> {
  const profile: Record<string, string> = {
    auth_primary: "auth\t[success=1 default=ignore]\tpam_unix.so nullok",
    account_primary: "account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so ",
    password_primary: "password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt",
    session_primary: "session\t[default=1]\t\t\tpam_permit.so",
    session_additional: "session\trequired\tpam_unix.so ",
    session_nonint_primary: "session\t[default=1]\t\t\tpam_permit.so",
    session_nonint_additional: "session\trequired\tpam_unix.so ",
  };
  for (const name of ["auth", "account", "password", "session", "session-noninteractive"]) {
    const template = await write.text(`usr/share/pam/common-${name}`);
    const filled = template.replace(/^\$(\w+)\n/gm, (_, block: string) =>
      profile[block] === undefined ? "" : `${profile[block]}\n`,
    );
    await write.file(`etc/pam.d/common-${name}`, filled);
    // What it wrote, by which it later knows that nobody else has.
    const written = Object.entries(profile)
      .filter(([block]) => template.includes(`$${block}\n`))
      .map(([, line]) =>
        line
          .replace(/^\w+\t/, "")
          .replace("success=1", "success=end")
          .trimEnd(),
      );
    const saved = written.map((line) => `Module: ${line.includes("pam_unix.so") ? "unix" : "null"}\n${line}\n`);
    await write.file(`var/lib/pam/${name}`, saved.join(""));
  }
  await write.file("var/lib/pam/seen", "unix\n");
}

/** What update-ca-certificates makes, but for the links by hash that only OpenSSL's `-CApath` looks for. */
async function writeCertificates(write: Writer): Promise<void> {
  const root = "usr/share/ca-certificates/";
  const names = [...write.tree.entries()]
    .filter(([path, { type }]) => path.startsWith(root) && path.endsWith(".crt") && type === "file")
    .map(([path]) => path.slice(root.length))
    .sort();
  if (names.length === 0) return;
  await write.file("etc/ca-certificates.conf", names.map((name) => `${name}\n`).join(""));
  let bundle = "";
  for (const name of names) {
    bundle += `${(await write.text(`${root}${name}`)).trimEnd()}\n`;
    const own = (name.split("/").pop() ?? "").replace(/\.crt$/, ".pem");
    await write.link(`etc/ssl/certs/${own}`, `/${root}${name}`);
  }
  await write.file("etc/ssl/certs/ca-certificates.crt", bundle);
}

/** Debian's own archive, of the release that the tree is. */
async function writeApt(write: Writer): Promise<void> {
  const release = await write.text("etc/os-release");
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(release)?.[1];
  // What is not released has no number, no updates and no security archive.
  const released = /^VERSION_ID=/m.test(release);
  const sources = [
    `deb http://${PUBLIC_ARCHIVE}/debian ${codename ?? "sid"} main`,
    ...(released && codename !== undefined
      ? [
          `deb http://${PUBLIC_ARCHIVE}/debian ${codename}-updates main`,
          `deb http://${PUBLIC_ARCHIVE}/debian-security ${codename}-security main`,
        ]
      : []),
  ];
  await write.file("etc/apt/sources.list", `${sources.join("\n")}\n`);
  await write.file("etc/apt/apt.conf.d/90xen-node", 'Acquire::Languages "none";\n');
  for (const path of ["etc/apt/preferences.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"])
    await write.directory(path);
}

async function writeBoot(write: Writer): Promise<void> {
  const scripts = {
    boot: BOOT_SCRIPT,
    console: CONSOLE_SCRIPT,
    shutdown: SHUTDOWN_SCRIPT,
    network: NETWORK_SCRIPT,
    udhcpc: UDHCPC_SCRIPT,
  };
  for (const [name, script] of Object.entries(scripts))
    await write.file(`${SCRIPT_FOLDER}/${name}`, script, { mode: 0o755 });
  await write.file("etc/inittab", INITTAB);
  for (const name of ["init", "poweroff", "reboot", "halt"]) await write.link(`usr/sbin/${name}`, "../bin/busybox");
  await write.file("usr/sbin/shutdown", SHUTDOWN_COMMAND, { mode: 0o755 });
}
