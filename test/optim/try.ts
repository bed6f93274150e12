import { recording, problem, spelled, make, values, train, distance } from "/work/main/test/optim/problem.js";
for (const c of recording<any[]>("optimizers.json.gz")) {

  try {
  const { params, loss } = problem();
  const o: any = spelled(c.options); if (c.name.endsWith("decoupled")) o.decoupledWeightDecay = true;
  for (const diff of [false, true]) {
  const { params, loss } = problem();
  const opt = make(c.optimizer, c.optimizer==="Muon" ? params.slice(0,1) : params, o);
  if (diff) (opt as any).fused = undefined;
  const losses = train(opt, loss, 50);
  console.log(c.name.padEnd(30), diff, distance(losses, c.losses).toExponential(2), Math.max(...values(params).map((v, i) => distance(v, c.weights[i]))).toExponential(2));
  }
  } catch (e) { console.log(c.name, (e as Error).stack); }
}
