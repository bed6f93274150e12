import { recording, problem, spelled, make, values, train, distance } from "./problem.js";
for (const c of recording<any[]>("optimizers.json.gz").filter(c=>c.name.startsWith("lbfgs"))) {
  const { params, loss } = problem();
  const opt = make(c.optimizer, params, spelled(c.options));
  const losses = train(opt, loss, 50);
  console.log(c.name, losses.map((l,i)=>`${l.toExponential(3)}:${(Math.abs(l-c.losses[i])/Math.abs(c.losses[i])).toExponential(1)}`).join(" "));
}
