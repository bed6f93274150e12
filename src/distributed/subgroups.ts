/** Groups of some ranks of the world. Every rank of the world makes them, in the same order, whether it is in them or not. */
import { show, ValueError } from "../tensor/errors.js";
import type { Communicator } from "./communicator.js";
import { ProcessGroup } from "./processGroup.js";
import { groupOr, nextGroupName, remember, worldOf } from "./world.js";

/** Options of {@link newGroup} and its kin. */
export interface NewGroupOptions {
  /** Milliseconds that the group's collectives wait for other ranks (default: as in the world). */
  timeout?: number;
}

/**
 * A group of some ranks of the world (default: all), in ascending order. Every rank of the world calls it with the same
 * ranks; on those outside the group, its collectives return at once and do nothing.
 * Source: `torch.distributed.new_group`.
 * @example
 * const first = newGroup([0]); // every rank of the world calls it
 * getRank(first); // 0
 * @throws ValueError when a rank does not exist or stands twice.
 */
export function newGroup(ranks?: readonly number[] | null, options: NewGroupOptions = {}): ProcessGroup {
  const world = worldOf("newGroup");
  const members = ranks === undefined || ranks === null ? [...world.ranks] : [...ranks].sort((a, b) => a - b);
  const bad = members.find((r) => !Number.isInteger(r) || r < 0 || r >= world.size());
  if (bad !== undefined)
    throw new ValueError(
      `[newGroup] ranks: got ${bad}, expected whole numbers from 0 to ${world.size() - 1}`,
    );
  if (members.length === 0) throw new ValueError("[newGroup] ranks: got none, expected at least one");
  if (new Set(members).size !== members.length)
    throw new ValueError(`[newGroup] ranks: got ${show(members)}, in which a rank stands twice`);
  const name = nextGroupName(members);
  let comm: Communicator | null = null;
  world.collective({}, () => ({
    op: "newGroup",
    tensor: null,
    detail: members,
    input: null,
    *move(all) {
      if (members.includes(world.rank())) comm = yield* all.split(members, name);
    },
  }));
  const made = new ProcessGroup(comm, members, name, options.timeout ?? world.timeout);
  remember(made);
  return made;
}

/** The group among several that this rank is in, and all of them. */
export type Subgroups = readonly [own: ProcessGroup | null, all: readonly ProcessGroup[]];

/**
 * One group for each list of ranks; no rank may stand in two. Returns this rank's group (null when it is in none) and all.
 * Source: `torch.distributed.new_subgroups_by_enumeration`.
 */
export function newSubgroupsByEnumeration(
  ranksPerSubgroup: readonly (readonly number[])[],
  options: NewGroupOptions = {},
): Subgroups {
  const all = ranksPerSubgroup.flat();
  if (new Set(all).size !== all.length) {
    const lists = ranksPerSubgroup.map(show).join(", ");
    throw new ValueError(`[newSubgroupsByEnumeration] got ${lists}: a rank stands in two groups`);
  }
  const groups = ranksPerSubgroup.map((ranks) => newGroup(ranks, options));
  return [groups.find((group) => group.rank() >= 0) ?? null, groups];
}

/** Options of {@link newSubgroups} and {@link splitGroup}. */
export interface SubgroupOptions extends NewGroupOptions {
  /** The group that is cut (default: the world). */
  group?: ProcessGroup;
}

/**
 * Cuts the world, or another group, into groups of `groupSize` neighbouring ranks. Every rank of the world calls it.
 * Returns this rank's group and all. Source: `torch.distributed.new_subgroups`.
 * @throws ValueError when the number of ranks is no multiple of it.
 */
export function newSubgroups(groupSize: number, options: SubgroupOptions = {}): Subgroups {
  const { ranks } = groupOr("newSubgroups", options.group);
  if (!Number.isInteger(groupSize) || groupSize < 1 || ranks.length % groupSize !== 0) {
    throw new ValueError(
      `[newSubgroups] groupSize: got ${groupSize}, expected a whole number that divides ${ranks.length}, the number of ranks`,
    );
  }
  const lists = Array.from({ length: ranks.length / groupSize }, (_, g) =>
    ranks.slice(g * groupSize, (g + 1) * groupSize),
  );
  return newSubgroupsByEnumeration(lists, options);
}

/**
 * Cuts the world, or another group, into groups; the lists hold ranks within it, and may leave some out. Every rank of
 * the world calls it. Returns this rank's new group, null when it is in none. Source: `torch.distributed.split_group`.
 */
export function splitGroup(
  splitRanks: readonly (readonly number[])[],
  options: SubgroupOptions = {},
): ProcessGroup | null {
  const of = groupOr("splitGroup", options.group);
  const lists = splitRanks.map((ranks) => ranks.map((r) => of.globalRank(r)));
  return newSubgroupsByEnumeration(lists, options)[0];
}
