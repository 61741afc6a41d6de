import fc from "fast-check";
import { expect, it } from "vitest";
import { DomainMembers, NO_MEMBER } from "../src/domain-members.ts";
import { DOMID_FREE, DOMID_IO, DOMID_XEN } from "../src/page-type.ts";

const COUNT = 12;

function membersOf(members: DomainMembers, domid: number): number[] {
  const found: number[] = [];
  for (let member = members.first(domid); member !== NO_MEMBER; member = members.next(member)) found.push(member);
  return found;
}

it("lists what each domain has, whatever was given and taken", () => {
  const step = fc.record({
    member: fc.integer({ min: 0, max: COUNT - 1 }),
    domid: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const members = new DomainMembers(COUNT);
      const owners = new Map<number, number>();
      for (const { member, domid } of steps) {
        if (domid === undefined) {
          members.remove(member);
          owners.delete(member);
        } else {
          members.add(member, domid);
          owners.set(member, domid);
        }
        for (let other = 0; other < 4; other++) {
          const expected = [...owners].filter(([, owner]) => owner === other).map(([owned]) => owned);
          expect(membersOf(members, other).sort()).toEqual(expected.sort());
        }
        for (let each = 0; each < COUNT; each++) expect(members.owner(each)).toBe(owners.get(each) ?? -1);
      }
    }),
  );
});

it.each([DOMID_IO, DOMID_XEN, DOMID_FREE])("has an end for %i, whom frames may belong to but banks never", (domid) => {
  expect(new DomainMembers(COUNT).first(domid)).toBe(NO_MEMBER);
});
