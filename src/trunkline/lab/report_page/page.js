// The page: reads the call's record and draws it. All text goes in as text, never as HTML.

const call = JSON.parse(document.getElementById("call").textContent);
const BUDGET = call.page.budget_ms;

function clock(seconds, digits) {
  const minutes = Math.floor(seconds / 60);
  return minutes + ":" + (seconds - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
}
function make(tag, attributes, ...inside) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...inside.filter((part) => part !== null && part !== undefined));
  return node;
}
function fill(id, ...inside) { document.getElementById(id).replaceChildren(...inside); }
function ms(value) { return value === null || value === undefined ? "–" : Math.round(value) + " ms"; }
function mood(value, budget) { return value === null || value === undefined ? "" : value <= budget ? "good" : value <= 1.5 * budget ? "fair" : "bad"; }
function plain(name) { return String(name).replaceAll("_", " "); }

function head() {
  const scenario = plain(call.scenario || "call");
  document.title = "Call report: " + scenario + ", " + (call.outcome || "no outcome");
  fill("title", scenario.charAt(0).toUpperCase() + scenario.slice(1));
  fill("subtitle", [call.direction, call.caller + " → " + call.callee, clock(call.duration, 0) + " long",
    call.started ? new Date(call.started).toLocaleString() : ""].filter(Boolean).join(" · "));
  fill("outcome", "Outcome: " + plain(call.outcome || "none"));
}

function tile(name, figure, unit, words, kind) {
  return make("div", { class: "tile" }, make("p", { class: "name" }, name),
    make("p", { class: "figure" }, figure, make("small", {}, unit)), make("p", { class: "words " + (kind || "") }, words));
}
function tiles() {
  const total = call.ledger.stages.find((s) => s.stage === "total") || {};
  const list = [];
  const pair = (s) => (s.p50 === null || s.p50 === undefined ? ["–", ""] : [Math.round(s.p50), " / " + Math.round(s.p95) + " ms"]);
  list.push(tile("Answer, ledger: p50 / p95", ...pair(total), total.words || "", mood(total.p95, BUDGET.total)));
  if (call.ear) {
    list.push(tile("Answer, at the caller's ear: p50 / p95", ...pair(call.ear.answer), call.ear.answer.words || "", mood(call.ear.answer.p95, BUDGET.total)));
    const difference = call.ear.agreement || {};
    list.push(tile("Ledger and ear differ by, p95", difference.p95 === null || difference.p95 === undefined ? "–" : Math.round(difference.p95), " ms",
      difference.p95 > 25 ? "More than 25 ms: the ledger is wrong" : "They agree (25 ms are allowed)", difference.p95 > 25 ? "bad" : "good"));
    list.push(tile("Interrupted to silent: p50 / p95", ...pair(call.ear.interruption), call.ear.interruption.count + " interruptions", mood(call.ear.interruption.p95, 250)));
  }
  list.push(tile("Turns", call.turns.length, "", call.turns.filter((t) => t.interrupted).length + " interrupted, " + call.backchannels.length + " backchannels"));
  fill("tiles", ...list);
}

function transcript(seek) {
  const entries = call.turns.map((turn) => [turn.start, turnItem(turn, seek)]);
  for (const mark of call.backchannels) entries.push([mark.at, note("Backchannel: “" + (mark.text || "mm-hm") + "”. The agent went on.")]);
  for (const mark of call.silences || []) entries.push([mark.at, note("Nobody answered; asked again (" + mark.count + ").")]);
  entries.sort((a, b) => a[0] - b[0]);
  fill("turns", ...entries.map((entry) => entry[1]));
}
function note(text) { return make("li", { class: "note" }, text); }
function turnItem(turn, seek) {
  const row = turn.who === "caller" ? call.ledger.rows.find((r) => r.turn === turn.turn && r.total_ms !== null && Math.abs(r.speech_end - turn.end) < 0.5) : null;
  const meta = make("span", { class: "meta" }, make("b", {}, turn.who === "agent" ? "Agent" : "Caller"), clock(turn.start, 1),
    turn.interrupted ? make("span", { class: "mark cut" }, "interrupted") : null,
    turn.garbled ? make("span", { class: "mark cut" }, "not understood") : null,
    row ? make("span", { class: "mark " + (row.total_ms <= BUDGET.total ? "fine" : "cut") }, "answered in " + ms(row.total_ms)) : null);
  const words = make("span", {}, turn.text || (turn.keys ? "keys " + turn.keys : turn.garbled ? "(unclear speech)" : "…"),
    turn.unheard ? make("span", { class: "unheard", title: "not heard" }, " " + turn.unheard) : null);
  const button = make("button", { class: "turn", type: "button", "data-start": turn.start, "data-end": turn.end,
    "aria-label": "Hear: " + turn.who + " at " + clock(turn.start, 0) + ", " + (turn.text || "no words") }, meta, words);
  button.addEventListener("click", () => seek(turn.start, turn.end));
  return make("li", { class: turn.who }, button);
}

function fields() {
  const names = Object.keys(call.fields);
  if (!names.length) return fill("fields", make("p", { class: "muted" }, "No field was filled."));
  const rows = names.map((name) => {
    const field = call.fields[name];
    return make("tr", {}, make("th", { scope: "row" }, plain(name)),
      make("td", {}, make("span", { class: "value" }, plain(field.value)), make("br"), make("span", { class: "muted" }, field.status + (field.evidence ? ": “" + field.evidence + "”" : ""))));
  });
  fill("fields", make("table", {}, make("tbody", {}, ...rows)));
}

function review() {
  const found = call.review;
  if (!found) return;
  document.getElementById("review-card").hidden = false;
  const rules = found.checks.map((check) => make("li", { class: check.kept ? "good" : "bad" },
    make("span", { "aria-hidden": "true" }, check.kept ? "✓ " : "✗ "), make("span", { class: "value" }, check.rule), " ",
    make("span", { class: "muted" }, (check.kept ? "" : "Not kept: ") + check.why)));
  const by = found.by === "rules" ? "From the record alone." : "Written by " + found.by + ".";
  fill("review", make("p", {}, found.summary), make("ul", { class: "checks" }, ...rules), make("p", { class: "muted" }, by));
}

const STAGE_NAMES = { sip: "SIP, wire", end_of_turn: "End of turn", stt: "Speech to text", llm: "LLM, first token", tts: "TTS, first audio", total: "Total" };
function stages() {
  const header = make("tr", {}, ...["Stage", "p50", "p95", "Budget", ""].map((name, i) => make("th", { scope: "col", class: i && i < 4 ? "number" : null }, name)));
  const rows = call.ledger.stages.map((s) => make("tr", {}, make("th", { scope: "row" }, STAGE_NAMES[s.stage] || s.stage),
    make("td", { class: "number" }, ms(s.p50)), make("td", { class: "number " + mood(s.p95, s.budget_ms) }, ms(s.p95)),
    make("td", { class: "number" }, ms(s.budget_ms)), make("td", {}, s.words || "")));
  fill("stages", make("thead", {}, header), make("tbody", {}, ...rows));
}

function facts(id, pairs) {
  fill(id, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, String(value))]));
}
const known = (value, text) => (value === null || value === undefined ? null : text(value));
const percent = (value) => (100 * value).toFixed(2) + " %";
function about() {
  const m = call.media || {};
  const share = m.packets_received ? ((100 * m.packets_lost) / (m.packets_received + m.packets_lost)).toFixed(2) + " %" : null;
  facts("media", [["Codec", m.codec], ["Packets sent", m.packets_sent], ["Packets received", m.packets_received],
    ["Lost", m.packets_lost === undefined ? null : m.packets_lost + (share ? " (" + share + ")" : "")], ["Late", m.packets_late], ["Doubled", m.packets_doubled],
    ["Not decodable", m.undecodable || null], ["Not sent", m.send_errors || null],
    ["Concealed", m.concealed_ms === undefined ? null : Math.round(m.concealed_ms) + " ms"], ["Jitter", m.jitter_ms === undefined ? null : m.jitter_ms.toFixed(1) + " ms"],
    ["In bursts", m.burst_loss ? percent(m.burst_loss) + " lost, " + Math.round(m.burst_ms) + " ms long" : null],
    ["Between them", m.burst_loss ? percent(m.gap_loss) + " lost" : null],
    ["Round trip", known(m.round_trip_ms, (x) => x.toFixed(1) + " ms")],
    ["MOS (estimated)", known(m.mos, (x) => x.toFixed(1))],
    ["They lost", known(m.remote_loss, percent)], ["Their jitter", known(m.remote_jitter_ms, (x) => x.toFixed(1) + " ms")],
    ["Their MOS", known(m.remote_mos, (x) => x.toFixed(1))], ["Encrypted by", m.srtp],
    ["Send gap p99", m.send_gap_p99_ms ? m.send_gap_p99_ms.toFixed(1) + " ms" : null]]);
  facts("facts", [["Call", call.call_id], ["Ended by", call.ended_by], ["Because", call.reason], ["Leg", call.leg],
    ...Object.entries(call.engines || {}).map(([kind, name]) => [kind.toUpperCase() + " engine", name]),
    ["Persona", call.persona], ["Call back", call.callback]]);
  if (call.troubles.length) {
    fill("troubles", make("h2", {}, "Troubles"), make("ul", {}, ...call.troubles.map((t) => make("li", {}, clock(t.at, 1) + " " + t.where + ": " + t.what))));
  }
}

function start() {
  const sound = readSound(document.getElementById("sound").textContent, call.page.rate);
  let stopAt = null;
  const button = document.getElementById("play");
  const line = new Timeline(call, sound, (seconds) => seek(seconds, null));
  function seek(from, until) {
    line.move(from, true);
    show(from);
    if (!sound) return;
    sound.audio.currentTime = from;
    stopAt = until;
    if (until !== null) sound.audio.play();
  }
  function show(seconds) {
    fill("clock", clock(seconds, 1));
    for (const turn of document.querySelectorAll(".turn")) {
      turn.setAttribute("aria-current", String(seconds >= +turn.dataset.start && seconds < +turn.dataset.end));
    }
  }
  function tick() {
    const at = sound.audio.currentTime;
    line.move(at, true);
    show(at);
    if (stopAt !== null && at >= stopAt) { stopAt = null; sound.audio.pause(); }
    if (!sound.audio.paused) requestAnimationFrame(tick);
  }
  document.getElementById("zoom").addEventListener("input", (e) => { line.zoom = +e.target.value; line.layout(); line.move(line.at, true); });
  if (sound) {
    button.addEventListener("click", () => { stopAt = null; if (sound.audio.paused) sound.audio.play(); else sound.audio.pause(); });
    for (const kind of ["play", "pause"]) sound.audio.addEventListener(kind, () => {
      button.textContent = sound.audio.paused ? "Play" : "Pause";
      button.setAttribute("aria-pressed", String(!sound.audio.paused));
      tick();
    });
  } else {
    button.hidden = true;
    document.getElementById("no-audio").hidden = false;
  }
  head(); tiles(); transcript(seek); fields(); review(); stages(); waterfall(); about();
}
