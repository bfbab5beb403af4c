// Shows text at an even pace, however its pieces come: each is spread over the time until the next one.

const TICK_MS = 40;
const LEAST_MS = 200;
const MOST_MS = 1200;

export class Reveal {
  private all = "";
  private shown = 0;
  private speed = 0;
  private gap = 0;
  private came = performance.now();
  private ticked = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly show: (text: string) => void) {}

  add(text: string): void {
    const now = performance.now();
    this.gap += (Math.min(MOST_MS, now - this.came) - this.gap) / 4; // a moving mean
    this.came = now;
    this.all += text;
    this.speed = (this.all.length - this.shown) / Math.max(LEAST_MS, 1.2 * this.gap);
    if (this.timer === undefined) {
      this.ticked = now;
      this.timer = setInterval(() => this.tick(), TICK_MS);
    }
  }

  /** Shows all that has come, at once. */
  finish(): void {
    this.stop();
    this.shown = this.all.length;
    this.show(this.all);
  }

  private stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private tick(): void {
    const now = performance.now();
    this.shown = Math.min(this.all.length, this.shown + this.speed * (now - this.ticked));
    this.ticked = now;
    let end = Math.ceil(this.shown);
    const last = this.all.charCodeAt(end - 1);
    if (last >= 0xd800 && last < 0xdc00) end += 1; // not half of a character
    this.show(this.all.slice(0, end));
    if (this.shown === this.all.length) this.stop();
  }
}
