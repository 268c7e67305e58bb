import { expect } from "chai";
import { filterPs } from "./ps.ts";

const output = `UID          PID    PPID CMD
root           1       0 init 42
root          42       1 sleep 7
root           7       1 sh
`;

describe("filterPs", () => {
  it("keeps the title and the rows whose PID is wanted", () => {
    expect(filterPs(output, [42, 7])).to.equal(
      "UID          PID    PPID CMD\nroot          42       1 sleep 7\nroot           7       1 sh\n",
    );
  });
  it("finds the PID column anywhere", () => {
    expect(filterPs("CMD   PID\nx     5\n", [5])).to.equal("CMD   PID\nx     5\n");
  });
  it("needs a PID column", () => {
    expect(() => filterPs("UID CMD\n0 sh\n", [1])).to.throw("couldn't find PID field");
  });
});
