/* Trunkline in a web page: talk with an agent from the browser.

   <script src="https://voice.example.com/browser/trunkline.js" data-ticket-url="/my/ticket" defer></script>

   puts a button where the tag stands. Or by hand: const call = Trunkline.call({ticket, onState}).
   Sound goes over WebRTC; where that does not come through, over a WebSocket. See docs/carriers.md. */
(function () {
  "use strict";

  const script = document.currentScript;
  const home = script ? new URL(".", script.src).href : new URL("/browser/", location.href).href;
  const RATE = 16000; // of the WebSocket, both ways
  const CONNECT_WITHIN = 8000, GATHER_WITHIN = 1000, RETURN_WITHIN = 9000, DISCONNECTED_FOR = 2500;
  const SAYS = {
    idle: "", microphone: "asking for the microphone…", connecting: "connecting…", talking: "connected",
    returning: "connection lost, trying again…", ended: "call ended", failed: "call failed",
  };

  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const word = () => Array.from(crypto.getRandomValues(new Uint8Array(24)), (b) => b.toString(16).padStart(2, "0")).join("");

  function meter(context, node) {
    const analyser = context.createAnalyser();
    analyser.fftSize = 2048;
    node.connect(analyser);
    return analyser;
  }

  function level(analyser) { // root mean square, 0 to 1
    if (!analyser) return 0;
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
  }

  function pitch(analyser) { // the strongest frequency, in Hz
    if (!analyser) return 0;
    const bins = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(bins);
    let best = 1;
    for (let n = 1; n < bins.length; n++) if (bins[n] > bins[best]) best = n;
    return best * analyser.context.sampleRate / analyser.fftSize;
  }

  class Refused extends Error {
    constructor(status) { super(status === 503 ? "all agents are busy" : `refused (${status})`); this.status = status; }
  }

  // --- over WebRTC ---------------------------------------------------------------------------------

  class WebRtc {
    constructor(call) { this.call = call; this.location = ""; this.audio = new Audio(); this.audio.autoplay = true; }

    async open(ticket) {
      await this.connect(this.call.server + "calls", ticket);
    }

    async connect(url, ticket) {
      const pc = new RTCPeerConnection();
      const before = this.pc;
      this.pc = pc;
      if (before) before.close();
      for (const track of this.call.microphone.getTracks()) pc.addTrack(track, this.call.microphone);
      pc.ontrack = (event) => {
        this.audio.srcObject = new MediaStream([event.track]);
        this.audio.play().catch(() => {}); // before a click browsers may refuse; the click began this
        this.call.listenTo(this.audio.srcObject);
      };
      await pc.setLocalDescription(await pc.createOffer());
      const gathered = new Promise((done) => {
        const look = () => { if (pc.iceGatheringState === "complete") done(); };
        pc.onicegatheringstatechange = look;
        look();
      });
      await Promise.race([gathered, wait(GATHER_WITHIN)]);
      const headers = { "Content-Type": "application/sdp" };
      if (ticket) headers.Authorization = "Bearer " + ticket;
      const answer = await fetch(url, { method: "POST", headers, body: pc.localDescription.sdp });
      if (!answer.ok) throw new Refused(answer.status);
      if (answer.headers.get("Location")) this.location = new URL(answer.headers.get("Location"), this.call.server).href;
      if (this.call.over) { this.hangUp(); return; }
      const sdp = await answer.text();
      const up = new Promise((done, fail) => {
        pc.onconnectionstatechange = () => {
          if (pc.connectionState === "connected") done();
          if (["failed", "closed"].includes(pc.connectionState)) fail(new Error("no path for sound was found"));
        };
      });
      await pc.setRemoteDescription({ type: "answer", sdp });
      await Promise.race([up, wait(CONNECT_WITHIN).then(() => { throw new Error("no path for sound in time"); })]);
      pc.onconnectionstatechange = () => this.changed(pc);
      pc.getSenders()[0].transport.onstatechange = () => this.changed(pc);
    }

    async changed(pc) {
      if (this.call.over || pc !== this.pc) return;
      if (pc.connectionState === "disconnected") await wait(DISCONNECTED_FOR); // it often comes back by itself
      if (this.call.over || pc !== this.pc) return;
      const shut = pc.getSenders()[0].transport.state === "closed";
      if (!shut && pc.connectionState === "connected") return;
      this.call.goBack(() => this.connect(this.location, ""));
    }

    press(digit) {
      const sender = this.pc.getSenders()[0].dtmf;
      if (sender && sender.canInsertDTMF) sender.insertDTMF(digit, 100, 70);
    }

    hangUp() {
      if (this.location) fetch(this.location, { method: "DELETE", keepalive: true }).catch(() => {});
      if (this.pc) this.pc.close();
      this.audio.srcObject = null;
    }
  }

  // --- over a WebSocket ----------------------------------------------------------------------------

  const WORKLET = `
    class Ear extends AudioWorkletProcessor { // the microphone, brought to 16 kHz in pieces of 20 ms
      constructor() { super(); this.step = sampleRate / ${RATE}; this.at = 0; this.sum = 0; this.count = 0; this.out = []; }
      process(inputs) {
        for (const sample of inputs[0][0] || []) {
          this.sum += sample; this.count += 1; this.at += 1;
          if (this.at < this.step) continue;
          this.at -= this.step;
          const value = Math.max(-1, Math.min(1, this.sum / this.count));
          this.sum = 0; this.count = 0;
          this.out.push(value < 0 ? value * 32768 : value * 32767);
          if (this.out.length === ${RATE / 50}) { this.port.postMessage(Int16Array.from(this.out)); this.out = []; }
        }
        return true;
      }
    }
    class Mouth extends AudioWorkletProcessor { // the agent's sound, at whatever rate the machine has
      constructor() {
        super(); this.step = ${RATE} / sampleRate; this.queue = []; this.at = 0; this.last = 0; this.next = 0;
        this.port.onmessage = ({ data }) => {
          if (data === "clear") { this.queue.length = 0; return; }
          if (typeof data === "string") { this.queue.push(data); return; }
          for (const sample of data) this.queue.push(sample / 32768);
        };
      }
      take() {
        while (typeof this.queue[0] === "string") this.port.postMessage(this.queue.shift());
        return this.queue.length ? this.queue.shift() : 0;
      }
      process(_, outputs) {
        const out = outputs[0][0];
        for (let n = 0; n < out.length; n++) {
          this.at += this.step;
          while (this.at >= 1) { this.at -= 1; this.last = this.next; this.next = this.take(); }
          out[n] = this.last + (this.next - this.last) * this.at;
        }
        return true;
      }
    }
    registerProcessor("ear", Ear); registerProcessor("mouth", Mouth);`;

  class Socket {
    constructor(call) { this.call = call; this.word = word(); }

    async open(ticket) {
      const { context, source } = this.prepared();
      const code = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
      await context.audioWorklet.addModule(code);
      URL.revokeObjectURL(code);
      await context.resume();
      this.context = context;
      this.ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0 });
      this.mouth = new AudioWorkletNode(context, "mouth", { numberOfInputs: 0, outputChannelCount: [1] });
      source.connect(this.ear);
      this.mouth.connect(context.destination);
      this.call.theirs = meter(context, this.mouth);
      this.ear.port.onmessage = ({ data }) => this.send(data.buffer);
      this.mouth.port.onmessage = ({ data }) => this.send(JSON.stringify({ type: "played", mark: data }));
      await this.connect(ticket, false);
    }

    prepared() { // at our rate where the browser can, at the machine's where it cannot
      for (const how of [{ sampleRate: RATE }, {}]) {
        const context = new AudioContext(how);
        try {
          return { context, source: context.createMediaStreamSource(this.call.microphone) };
        } catch (error) { context.close(); }
      }
      throw new Error("this browser cannot record");
    }

    connect(ticket, again) {
      return new Promise((done, fail) => {
        const socket = new WebSocket(this.call.server.replace(/^http/, "ws") + "stream");
        this.socket = socket;
        socket.binaryType = "arraybuffer";
        socket.onopen = () => {
          socket.send(JSON.stringify({ type: "start", call: this.word, ticket, again }));
          done();
        };
        socket.onmessage = ({ data }) => this.take(data);
        socket.onclose = ({ code }) => {
          fail(new Error("no connection"));
          if (this.call.over || socket !== this.socket) return;
          if (code === 1000 || code === 1008) this.call.finish(code === 1000 ? "ended" : "failed");
          else this.call.goBack(() => this.connect("", true));
        };
      });
    }

    send(data) { if (this.socket && this.socket.readyState === WebSocket.OPEN) this.socket.send(data); }

    take(data) {
      if (typeof data !== "string") { this.mouth.port.postMessage(new Int16Array(data)); return; }
      const said = JSON.parse(data);
      if (said.type === "clear") this.mouth.port.postMessage("clear");
      if (said.type === "mark") this.mouth.port.postMessage(said.mark);
      if (said.type === "stop") this.call.finish("ended");
    }

    press(digit) { this.send(JSON.stringify({ type: "key", digit })); }

    hangUp() {
      this.send(JSON.stringify({ type: "stop" }));
      if (this.socket) this.socket.close(1000);
      if (this.context) this.context.close();
    }
  }

  // --- a call --------------------------------------------------------------------------------------

  class Call {
    constructor(how) {
      this.how = how;
      this.server = how.server || home;
      this.state = "idle";
      this.over = false;
      this.transport = "";
      this.leaving = () => this.hangUp();
      addEventListener("pagehide", this.leaving);
    }

    async begin() {
      try {
        this.tell("microphone");
        const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
        this.microphone = await navigator.mediaDevices.getUserMedia({ audio });
        if (this.over) { this.finish("ended"); return; }
        this.levels = new AudioContext();
        this.mine = meter(this.levels, this.levels.createMediaStreamSource(this.microphone));
        await this.open();
        if (!this.over) this.tell("talking");
      } catch (error) {
        this.finish("failed", error.message);
      }
    }

    async open() {
      const ways = { auto: [WebRtc, Socket], webrtc: [WebRtc], websocket: [Socket] }[this.how.transport || "auto"];
      for (const [place, Way] of ways.entries()) {
        this.tell("connecting");
        const way = this.way = new Way(this);
        try {
          await way.open(await this.ticket());
          this.transport = Way === WebRtc ? "webrtc" : "websocket";
          return;
        } catch (error) {
          const another = place + 1 < ways.length && !this.over;
          if (!another || (error instanceof Refused && error.status !== 501)) throw error;
          way.hangUp();
        }
      }
    }

    async ticket() {
      if (!this.how.ticketUrl) return this.how.ticket || "";
      const answer = await fetch(this.how.ticketUrl, { method: "POST", credentials: "same-origin" });
      if (!answer.ok) throw new Error("no ticket for a call");
      return (await answer.json()).ticket;
    }

    async goBack(connect) { // the media broke off: the agent waits for a while
      if (this.over || this.state === "returning") return;
      this.tell("returning");
      for (const until = Date.now() + RETURN_WITHIN; !this.over && Date.now() < until; await wait(500)) {
        try {
          await connect();
          if (!this.over) this.tell("talking");
          return;
        } catch (error) {
          if (error instanceof Refused) break; // the call is over there
        }
      }
      this.finish("ended");
    }

    listenTo(stream) { this.theirs = meter(this.levels, this.levels.createMediaStreamSource(stream)); }

    press(digit) { if (this.way && !this.over) this.way.press(digit); }

    hangUp() { this.finish("ended"); }

    finish(state, why) {
      if (this.over) return;
      this.over = true;
      removeEventListener("pagehide", this.leaving);
      if (this.way) this.way.hangUp();
      if (this.microphone) this.microphone.getTracks().forEach((track) => track.stop());
      if (this.levels) this.levels.close();
      this.tell(state, why);
    }

    tell(state, why) {
      this.state = state;
      if (this.how.onState) this.how.onState(state, why || SAYS[state], this);
    }
  }

  function call(how) {
    const made = new Call(how || {});
    made.begin();
    return made;
  }

  // --- the button ----------------------------------------------------------------------------------

  function button(how, place) {
    const box = document.createElement("span");
    box.className = "trunkline";
    const press = document.createElement("button");
    press.type = "button";
    const says = document.createElement("span");
    says.setAttribute("role", "status");
    box.append(press, " ", says);
    place(box);
    let current = null;
    const show = (state, text) => {
      const running = current && !current.over;
      press.textContent = running ? "Hang up" : how.label || "Talk to us";
      says.textContent = text;
      box.dataset.state = state;
      box.dispatchEvent(new CustomEvent("trunkline", { bubbles: true, detail: { state, text, call: current } }));
    };
    press.onclick = () => {
      if (current && !current.over) { current.hangUp(); return; }
      current = new Call({ ...how, onState: show });
      current.begin();
    };
    show("idle", "");
    return box;
  }

  window.Trunkline = { call, button, level, pitch };
  if (script && !script.hasAttribute("data-manual")) {
    const { ticket, ticketUrl, label, transport } = script.dataset;
    const build = () => button({ ticket, ticketUrl, label, transport }, (box) => script.after(box));
    if (script.parentNode === document.head) {
      addEventListener("DOMContentLoaded", () => button({ ticket, ticketUrl, label, transport }, (box) => document.body.append(box)));
    } else build();
  }
})();
