// Shows text at an even pace, however its pieces come: a part of what is left, many times a second.

const TICK_MS = 40;
const PART = 1 / 6;

export class Reveal {
  private all = "";
  private shown = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly show: (text: string) => void) {}

  add(text: string): void {
    this.all += text;
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
  }

  /** Shows all that has come, at once. */
  finish(): void {
    clearInterval(this.timer);
    this.timer = undefined;
    this.shown = this.all.length;
    this.show(this.all);
  }

  private tick(): void {
    const left = this.all.length - this.shown;
    if (left === 0) {
      clearInterval(this.timer);
      this.timer = undefined;
      return;
    }
    this.shown += Math.ceil(left * PART);
    const last = this.all.charCodeAt(this.shown - 1);
    if (last >= 0xd800 && last < 0xdc00) this.shown += 1; // not half of a character
    this.show(this.all.slice(0, this.shown));
  }
}
