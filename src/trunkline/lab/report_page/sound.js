// The recording: base64 of two interleaved mu-law channels at 8 kHz, made into samples and a WAV.
// Mu-law is decoded here because not every browser plays it, and it halves the page.

function decodeMuLaw(code) {
  const c = ~code & 0xff;
  const size = ((((c & 15) << 3) + 132) << ((c >> 4) & 7)) - 132;
  return c & 0x80 ? -size : size;
}

function readSound(base64, rate) {
  const text = base64.trim();
  if (!text) return null;
  const raw = atob(text);
  const table = Int16Array.from({ length: 256 }, (_, code) => decodeMuLaw(code));
  const samples = new Int16Array(raw.length);
  for (let i = 0; i < raw.length; i++) samples[i] = table[raw.charCodeAt(i)];
  const header = new DataView(new ArrayBuffer(44));
  const word = (at, letters) => [...letters].forEach((l, i) => header.setUint8(at + i, l.charCodeAt(0)));
  word(0, "RIFF"); header.setUint32(4, 36 + samples.byteLength, true); word(8, "WAVEfmt ");
  header.setUint32(16, 16, true); header.setUint16(20, 1, true); header.setUint16(22, 2, true);
  header.setUint32(24, rate, true); header.setUint32(28, rate * 4, true);
  header.setUint16(32, 4, true); header.setUint16(34, 16, true);
  word(36, "data"); header.setUint32(40, samples.byteLength, true);
  const audio = new Audio(URL.createObjectURL(new Blob([header, samples], { type: "audio/wav" })));
  audio.preload = "auto";
  return { samples, rate, seconds: samples.length / 2 / rate, audio };
}
