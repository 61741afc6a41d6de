import { describe, it } from "vitest";
import { play } from "./transcript.ts";

describe("nodes", () => {
  it("write makes the node and its ancestors, read gives the bytes back", () =>
    play(
      [],
      [
        [0, 0, "READ", "/a/b/c|", "!ENOENT"],
        [0, 0, "WRITE", "/a/b/c|hello", "OK|"],
        [0, 0, "READ", "/a/b/c|", "hello"],
        [0, 0, "READ", "/a/b|", ""],
        [0, 0, "WRITE", "/a/b/c|", "OK|"],
        [0, 0, "READ", "/a/b/c|", ""],
        [0, 0, "WRITE", "/a/b/c|with|nul|", "OK|"],
        [0, 0, "READ", "/a/b/c|", "with|nul|"],
        [0, 0, "DIRECTORY", "/|", "tool|a|"],
        [0, 0, "DIRECTORY", "/a|", "b|"],
        [0, 0, "DIRECTORY", "/a/b/c|", ""],
      ],
    ));

  it("mkdir keeps what is there", () =>
    play(
      [],
      [
        [0, 0, "WRITE", "/a|1", "OK|"],
        [0, 0, "MKDIR", "/a|", "OK|"],
        [0, 0, "READ", "/a|", "1"],
        [0, 0, "MKDIR", "/b/c|", "OK|"],
        [0, 0, "READ", "/b/c|", ""],
      ],
    ));

  it("rm takes the subtree, and forgives a missing node but not a missing parent", () =>
    play(
      [],
      [
        [0, 0, "WRITE", "/a/b/c|1", "OK|"],
        [0, 0, "RM", "/a/b|", "OK|"],
        [0, 0, "READ", "/a/b/c|", "!ENOENT"],
        [0, 0, "DIRECTORY", "/a|", ""],
        [0, 0, "RM", "/a/b|", "OK|"],
        [0, 0, "RM", "/a/b/c|", "!ENOENT"],
        [0, 0, "RM", "/|", "!EINVAL"],
      ],
    ));

  it("a malformed payload is EINVAL", () =>
    play(
      [],
      [
        [0, 0, "READ", "/tool", "!EINVAL"],
        [0, 0, "READ", "", "!EINVAL"],
        [0, 0, "READ", "/tool|x|", "!EINVAL"],
        [0, 0, "WRITE", "/tool", "!EINVAL"],
        [0, 0, "WRITE", "", "!EINVAL"],
        [0, 0, "MKDIR", "|", "!EINVAL"],
        [0, 0, "SET_PERMS", "/tool|", "!EINVAL"],
        [0, 0, "SET_PERMS", "/tool|x0|", "!EINVAL"],
        [0, 0, "SET_PERMS", "/tool|n|", "!EINVAL"],
        [0, 0, "SET_PERMS", "/tool|n65536|", "!EINVAL"],
        [0, 0, "WATCH", "/tool|", "!EINVAL"],
        [0, 0, "UNWATCH", "/tool|", "!EINVAL"],
        [0, 0, "DIRECTORY_PART", "/tool|", "!EINVAL"],
        [0, 0, "TRANSACTION_END", "X|", "!EINVAL"],
      ],
    ));

  it("what is not built or not a request is ENOSYS; CONTROL is domain 0's", () =>
    play(
      [1],
      [
        [1, 0, "WATCH_EVENT", "", "!ENOSYS"],
        [1, 0, "ERROR", "EINVAL|", "!ENOSYS"],
        [1, 0, "20", "", "!ENOSYS"],
        [1, 0, "27", "", "!ENOSYS"],
        [1, 0, "INVALID", "", "!ENOSYS"],
        [1, 0, "4294967295", "", "!ENOSYS"],
        [1, 0, "CONTROL", "help|", "!EACCES"],
        [0, 0, "CONTROL", "help|", "!ENOSYS"],
      ],
    ));
});

describe("paths", () => {
  it("takes letters, digits and - _ @, no empty component, no slash at the end", () =>
    play(
      [],
      [
        [0, 0, "WRITE", "/Az09-_@|", "OK|"],
        [0, 0, "WRITE", "/a b|", "!EINVAL"],
        [0, 0, "WRITE", "/a.b|", "!EINVAL"],
        [0, 0, "WRITE", "/a\xff|", "!EINVAL"],
        [0, 0, "WRITE", "//a|", "!EINVAL"],
        [0, 0, "WRITE", "/a//b|", "!EINVAL"],
        [0, 0, "WRITE", "/a/|", "!EINVAL"],
        [0, 0, "WRITE", "a/|", "!EINVAL"],
        [0, 0, "READ", "@releaseDomain|", "!EINVAL"],
      ],
    ));

  it("relative paths start at the domain's home", () =>
    play(
      [5],
      [
        [5, 0, "WRITE", "data/x|1", "OK|"],
        [0, 0, "READ", "/local/domain/5/data/x|", "1"],
        [0, 0, "WRITE", "here|", "OK|"],
        [0, 0, "READ", "/local/domain/0/here|", ""],
        [5, 0, "GET_DOMAIN_PATH", "12|", "/local/domain/12|"],
        [5, 0, "GET_DOMAIN_PATH", "x|", "!EINVAL"],
      ],
    ));

  it("3072 bytes at most, and for domains 2048 after /local/domain/<domid>/", () =>
    play(
      [5],
      [
        [0, 0, "READ", `/${"a".repeat(3071)}|`, "!ENOENT"],
        [0, 0, "READ", `/${"a".repeat(3072)}|`, "!EINVAL"],
        [5, 0, "READ", `data/${"a".repeat(2043)}|`, "!ENOENT"],
        [5, 0, "READ", `data/${"a".repeat(2044)}|`, "!EINVAL"],
        [5, 0, "READ", `/local/domain/5/data/${"a".repeat(2043)}|`, "!ENOENT"],
      ],
    ));
});

describe("permissions", () => {
  it("a new node inherits its parent's list; a domain owns what it makes", () =>
    play(
      [1, 2],
      [
        [0, 0, "SET_PERMS", "/local/domain/1/data|n1|r2|", "OK|"],
        [1, 0, "WRITE", "data/a/b|1", "OK|"],
        [1, 0, "GET_PERMS", "data/a|", "n1|r2|"],
        [2, 0, "READ", "/local/domain/1/data/a/b|", "1"],
        [2, 0, "WRITE", "/local/domain/1/data/a/b|2", "!EACCES"],
        [0, 0, "SET_PERMS", "/local/domain/1/data/a|n1|b2|", "OK|"],
        [2, 0, "WRITE", "/local/domain/1/data/a/mine|2", "OK|"],
        [0, 0, "GET_PERMS", "/local/domain/1/data/a/mine|", "n2|b2|"],
        [0, 0, "WRITE", "/local/domain/1/data/a/dom0s|", "OK|"],
        [0, 0, "GET_PERMS", "/local/domain/1/data/a/dom0s|", "n1|b2|"],
      ],
    ));

  it("the first entry's letter is for everybody else", () =>
    play(
      [1, 2],
      [
        [1, 0, "WRITE", "data/a|1", "OK|"],
        [1, 0, "SET_PERMS", "data/a|r1|n2|", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "!EACCES"],
        [1, 0, "SET_PERMS", "data/a|r1|", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "1"],
        [2, 0, "WRITE", "/local/domain/1/data/a|", "!EACCES"],
        [1, 0, "SET_PERMS", "data/a|n1|w2|", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "!EACCES"],
        [2, 0, "WRITE", "/local/domain/1/data/a|2", "OK|"],
        [1, 0, "SET_PERMS", "data/a|n1|r32757|", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "2"],
      ],
    ));

  it("only the owner changes a list, and nobody but domain 0 the owner", () =>
    play(
      [1, 2],
      [
        [1, 0, "WRITE", "data/a|1", "OK|"],
        [1, 0, "SET_PERMS", "data/a|b1|", "OK|"],
        [2, 0, "SET_PERMS", "/local/domain/1/data/a|n2|", "!EACCES"],
        [1, 0, "SET_PERMS", "data/a|n2|", "!EPERM"],
        [0, 0, "SET_PERMS", "/local/domain/1/data/a|n2|", "OK|"],
        [1, 0, "READ", "data/a|", "!EACCES"],
        [1, 0, "SET_PERMS", "data/a|n1|n1|n1|n1|n1|n1|", "!ENOSPC"],
      ],
    ));

  it("whether a node is there shows only to those who may look", () =>
    play(
      [1],
      [
        [0, 0, "WRITE", "/secret/a|", "OK|"],
        [1, 0, "READ", "/secret/a|", "!EACCES"],
        [1, 0, "READ", "/secret/b|", "!EACCES"],
        [1, 0, "WRITE", "/secret/b|", "!EACCES"],
        [1, 0, "RM", "/secret/b|", "!EACCES"],
        [1, 0, "READ", "nothing|", "!ENOENT"],
        [1, 0, "MKDIR", "nothing|", "!EACCES"],
      ],
    ));

  it("a domain may write in its nodes although it may not in their parents, and remove them", () =>
    play(
      [1],
      [
        [1, 0, "WRITE", "data|1", "OK|"],
        [1, 0, "WRITE", "name|1", "!EACCES"],
        [1, 0, "RM", "data|", "OK|"],
        [1, 0, "MKDIR", "data|", "!EACCES"],
      ],
    ));

  it("SET_TARGET lends one domain the rights of another", () =>
    play(
      [1, 2],
      [
        [1, 0, "WRITE", "data/a|1", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "!EACCES"],
        [2, 0, "SET_TARGET", "2|1|", "!EACCES"],
        [0, 0, "SET_TARGET", "2|9|", "!ENOENT"],
        [0, 0, "SET_TARGET", "2|1|", "OK|"],
        [2, 0, "READ", "/local/domain/1/data/a|", "1"],
      ],
    ));
});

describe("domains", () => {
  it("requests about domains are domain 0's", () =>
    play(
      [1],
      [
        [1, 0, "INTRODUCE", "2|1|1|", "!EACCES"],
        [1, 0, "RELEASE", "1|", "!EACCES"],
        [1, 0, "RESUME", "1|", "!EACCES"],
        [1, 0, "IS_DOMAIN_INTRODUCED", "1|", "!EACCES"],
        [1, 0, "SET_FEATURE", "2|0|", "!EACCES"],
        [1, 0, "GET_QUOTA", "", "!EACCES"],
        [1, 0, "SET_QUOTA", "nodes|0|", "!EACCES"],
        [1, 0, "GET_FEATURE", "", "15|"],
        [1, 0, "GET_FEATURE", "1|", "!EACCES"],
        [0, 0, "IS_DOMAIN_INTRODUCED", "1|", "T|"],
        [0, 0, "IS_DOMAIN_INTRODUCED", "2|", "F|"],
        [0, 0, "IS_DOMAIN_INTRODUCED", "32752|", "T|"],
        [0, 0, "INTRODUCE", "2|1|1|", "!ENOSYS"],
        [0, 0, "INTRODUCE", "0|1|1|", "!EINVAL"],
        [0, 0, "INTRODUCE", "2|1|0|", "!EINVAL"],
        [0, 0, "RESUME", "2|", "!ENOENT"],
        [0, 0, "RELEASE", "0|", "!EINVAL"],
        [0, 0, "RELEASE", "2|", "!ENOENT"],
        [0, 0, "RESUME", "1|", "OK|"],
        [0, 0, "RELEASE", "1|", "OK|"],
        [0, 0, "IS_DOMAIN_INTRODUCED", "1|", "F|"],
      ],
    ));

  it("features are set before a domain is introduced", () =>
    play(
      [1],
      [
        [0, 0, "SET_FEATURE", "2|3|", "OK|"],
        [0, 0, "GET_FEATURE", "2|", "3|"],
        [0, 0, "SET_FEATURE", "2|16|", "!EINVAL"],
        [0, 0, "SET_FEATURE", "1|3|", "!EBUSY"],
      ],
    ));
});

describe("DIRECTORY_PART", () => {
  it("gives the generation, whole names, and an empty name at the end", () => {
    play(
      [],
      [
        [0, 0, "WRITE", "/d/a|", "OK|"],
        [0, 0, "WRITE", "/d/b|", "OK|"],
        [0, 0, "DIRECTORY_PART", "/d|0|", "3|a|b||"],
        [0, 0, "DIRECTORY_PART", "/d|2|", "3|b||"],
        [0, 0, "DIRECTORY_PART", "/d|99|", "3||"],
        [0, 0, "DIRECTORY_PART", "/d/a|0|", "2||"],
        [0, 0, "WRITE", "/d/a|x", "OK|"],
        [0, 0, "DIRECTORY_PART", "/d|0|", "3|a|b||"], // a grandchild or a child's value doesn't count
        [0, 0, "RM", "/d/a|", "OK|"],
        [0, 0, "DIRECTORY_PART", "/d|0|", "5|b||"],
      ],
    );
  });
});
