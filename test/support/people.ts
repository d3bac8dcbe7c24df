/** Who starts a run of a test, and the people of its two approvals. */
export const PEOPLE = {
  startedBy: 'a',
  approvers: [
    { name: 'b', roles: ['legal'] },
    { name: 'c', roles: ['owner'] },
  ],
};
