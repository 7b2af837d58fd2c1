// One row a turn: each stage at its place between the caller's last sound and the agent's first.

const STAGES = [["end of turn", "--eot", "speech_end", "turn_ended"], ["stt", "--stt", "speech_end", "transcript"],
  ["llm", "--llm", "asked", "first_token"], ["tts", "--tts", "synthesis", "first_audio"], ["wire", "--sip", "first_audio", "audible"]];

function drawn(name, attributes, ...inside) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...inside);
  return node;
}

function moments(row) {
  // A record without moments still has each stage's length: they are then laid end to end.
  if (row.turn_ended !== undefined) {
    return STAGES.map(([name, color, from, to]) => {
      const has = row[from] !== null && row[from] !== undefined && row[to] !== null && row[to] !== undefined;
      return has ? [name, color, 1000 * (row[from] - row.speech_end), 1000 * (row[to] - row.speech_end)] : null;
    }).filter(Boolean);
  }
  let at = 0;
  return ["end_of_turn", "stt", "llm", "tts", "wire"].map((stage, i) => {
    const took = row[stage + "_ms"] || 0;
    at += took;
    return [STAGES[i][0], STAGES[i][1], at - took, at];
  });
}

function fall(row, widest) {
  const scale = 1000 / widest;
  const svg = drawn("svg", { viewBox: "0 0 1000 62", preserveAspectRatio: "none", role: "img" });
  const parts = moments(row);
  svg.append(drawn("title", {}, parts.map(([name, , from, to]) => name + " " + Math.round(to - from) + " ms").join(", ")));
  parts.forEach(([, color, from, to], i) => {
    const left = Math.max(0, from) * scale;
    svg.append(drawn("rect", { x: left, y: 4 + 11 * i, width: Math.max(3, to * scale - left), height: 8, rx: 2, style: "fill: var(" + color + ")" }));
  });
  const budget = call.page.budget_ms.total * scale;
  svg.append(drawn("line", { x1: budget, x2: budget, y1: 0, y2: 62, style: "stroke: var(--bad)", "stroke-dasharray": "4 3", "vector-effect": "non-scaling-stroke" }));
  return svg;
}

function waterfall() {
  const rows = call.ledger.rows;
  const ear = new Map(((call.ear || {}).answers || []).filter((a) => a.turn).map((a) => [a.row, a]));
  const totals = rows.map((row) => row.total_ms || 0);
  const widest = Math.max(1000, ...totals) * 1.05;
  const key = make("span", {}, "Stages: ", ...STAGES.flatMap(([name, color]) => [make("span", { class: "key", style: "background: var(" + color + ")" }), " " + name]));
  const header = make("tr", {}, make("th", { scope: "col" }, "Turn"), make("th", { scope: "col" }, "Caller said"),
    make("th", { scope: "col" }, key), ...["Ledger", "Ear", "Apart"].map((name) => make("th", { scope: "col", class: "number" }, name)));
  const body = rows.map((row, index) => {
    const heard = ear.get(index);
    const said = call.turns.find((t) => t.who === "caller" && t.turn === row.turn);
    const apart = heard && heard.ms !== null && row.total_ms !== null ? row.total_ms - heard.ms : null;
    return make("tr", {}, make("td", {}, String(row.turn)), make("td", { class: "said" }, said ? said.text || "…" : ""),
      make("td", { class: "fall" }, row.incomplete ? make("span", { class: "muted" }, row.incomplete) : fall(row, widest)),
      make("td", { class: "number " + mood(row.total_ms, BUDGET.total) }, ms(row.total_ms)),
      make("td", { class: "number" }, ms(heard ? heard.ms : null)),
      make("td", { class: "number " + (apart !== null && Math.abs(apart) > 25 ? "bad" : "") }, apart === null ? "–" : (apart > 0 ? "+" : "") + apart.toFixed(0) + " ms"));
  });
  if (!rows.length) return fill("latency", make("caption", { class: "muted" }, "No turn was answered."));
  fill("latency", make("thead", {}, header), make("tbody", {}, ...body));
}
