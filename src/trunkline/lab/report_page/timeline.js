// Both sides' waveforms on one time line, with the turns, waits and marks on it.

const LANE = 84, AXIS = 20;

class Timeline {
  constructor(call, sound, onSeek) {
    this.call = call;
    this.sound = sound;
    this.seconds = Math.max(sound ? sound.seconds : 0, ...call.turns.map((t) => t.end), 1);
    this.canvas = document.getElementById("wave");
    this.scroll = document.getElementById("scroll");
    this.zoom = 0;
    this.at = 0;
    this.scroll.setAttribute("aria-valuemax", this.seconds.toFixed(1));
    this.canvas.addEventListener("click", (e) => onSeek((e.offsetX / this.width) * this.seconds));
    this.scroll.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: 5, PageDown: -5 }[e.key];
      if (step) { e.preventDefault(); onSeek(Math.min(this.seconds, Math.max(0, this.at + step))); }
    });
    new ResizeObserver(() => this.layout()).observe(this.scroll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.layout());
  }

  layout() {
    const fit = this.scroll.clientWidth;
    const width = Math.round(Math.min(30000, fit * 2 ** this.zoom));
    const sharp = Math.min(devicePixelRatio || 1, 30000 / width);
    this.width = width;
    this.height = 2 * LANE + AXIS;
    this.canvas.style.width = width + "px";
    this.canvas.style.height = this.height + "px";
    this.canvas.width = width * sharp;
    this.canvas.height = this.height * sharp;
    this.sharp = sharp;
    this.picture = null;
    this.draw();
  }

  x(seconds) { return (seconds / this.seconds) * this.width; }

  draw() {
    const pen = this.canvas.getContext("2d");
    if (!this.picture) {
      pen.setTransform(this.sharp, 0, 0, this.sharp, 0, 0);
      pen.clearRect(0, 0, this.width, this.height);
      this.background(pen);
      this.picture = document.createElement("canvas");
      this.picture.width = this.canvas.width;
      this.picture.height = this.canvas.height;
      this.picture.getContext("2d").drawImage(this.canvas, 0, 0);
    }
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.picture, 0, 0);
    pen.setTransform(this.sharp, 0, 0, this.sharp, 0, 0);
    pen.fillStyle = this.color("--ink");
    pen.fillRect(this.x(this.at) - 1, 0, 2, this.height);
  }

  color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  background(pen) {
    for (const turn of this.call.turns) {
      pen.fillStyle = this.color(turn.who === "agent" ? "--agent-fill" : "--caller-fill");
      const top = turn.who === "agent" ? LANE : 0;
      pen.beginPath();
      pen.roundRect(this.x(turn.start), top + 3, Math.max(2, this.x(turn.end - turn.start)), LANE - 6, 4);
      pen.fill();
    }
    pen.globalAlpha = 0.35;
    pen.fillStyle = this.color("--accent");
    for (const row of this.call.ledger.rows) {
      if (row.audible === null || row.speech_end === null || row.audible === undefined) continue;
      pen.fillRect(this.x(row.speech_end), LANE - 5, Math.max(1, this.x(row.audible - row.speech_end)), 10);
    }
    pen.globalAlpha = 1;
    this.wave(pen, 0, LANE / 2, this.color("--caller"));
    this.wave(pen, 1, LANE * 1.5, this.color("--agent"));
    const marks = [["interruptions", "--bad"], ["backchannels", "--good"], ["silences", "--fair"]];
    for (const [name, color] of marks) {
      pen.fillStyle = this.color(color);
      for (const mark of this.call[name] || []) {
        const x = this.x(mark.at);
        pen.fillRect(x - 1, 0, 2, 2 * LANE);
        pen.beginPath(); pen.moveTo(x - 6, 0); pen.lineTo(x + 6, 0); pen.lineTo(x, 9); pen.fill();
      }
    }
    this.axis(pen);
  }

  wave(pen, channel, middle, color) {
    pen.fillStyle = color;
    if (!this.sound) return;
    const { samples, rate } = this.sound;
    const step = (this.seconds * rate) / this.width;
    for (let x = 0; x < this.width; x++) {
      let low = 0, high = 0;
      const end = Math.min(samples.length / 2, Math.floor((x + 1) * step));
      for (let n = Math.floor(x * step); n < end; n++) {
        const value = samples[2 * n + channel];
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const scale = (LANE / 2 - 6) / 24000;
      const up = Math.min(LANE / 2 - 4, high * scale), down = Math.min(LANE / 2 - 4, -low * scale);
      pen.fillRect(x, middle - up, 1, Math.max(0.6, up + down));
    }
  }

  axis(pen) {
    const room = 70 * (this.seconds / this.width);
    const step = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300].find((s) => s >= room) || 600;
    pen.fillStyle = this.color("--soft");
    pen.font = "11px system-ui, sans-serif";
    for (let at = 0; at <= this.seconds; at += step) {
      pen.fillRect(this.x(at), 2 * LANE, 1, 5);
      pen.fillText(clock(at, step < 1 ? 1 : 0), this.x(at) + 4, 2 * LANE + 14);
    }
  }

  move(seconds, follow) {
    this.at = seconds;
    this.scroll.setAttribute("aria-valuenow", seconds.toFixed(1));
    this.scroll.setAttribute("aria-valuetext", clock(seconds, 1));
    this.draw();
    const x = this.x(seconds), left = this.scroll.scrollLeft, seen = this.scroll.clientWidth;
    if (follow && (x < left || x > left + seen * 0.9)) this.scroll.scrollLeft = x - seen * 0.1;
  }
}
