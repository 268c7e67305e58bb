/** `features`: prints what this runtime supports. */
import { writeOut } from "../base/stdio.ts";
import { features } from "../lifecycle/features.ts";
import { defineCommand } from "./command.ts";

export const featuresCommand = defineCommand({
  name: "features",
  usage: "",
  description: "Prints the features document of the OCI runtime specification as JSON.",
  flags: [],
  minOperands: 0,
  maxOperands: 0,
  placement: "interspersed",
  run: async () => {
    writeOut(`${JSON.stringify(features(), undefined, 4)}\n`);
    return 0;
  },
});
